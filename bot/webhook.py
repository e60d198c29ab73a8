"""Updates that Telegram brings to us: taken in before they are answered, refused with 503 if Redis did not take them."""

import asyncio
import hashlib
import hmac
import json
import logging
from urllib.parse import urlsplit

from aiogram import Bot, Dispatcher
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import SetWebhook
from aiogram.types import Update
from aiohttp import web
from pydantic import ValidationError

from bot.errors import StartError
from bot.origins import TELEGRAM, Origins
from bot.persistence import NotAnswered
from bot.quarantine import Quarantine
from bot.telegram import call_until_answered
from workers.settings import Settings

log = logging.getLogger(__name__)

PATIENCE = 25.0
"""Seconds an update may wait for Redis. Telegram gives a call up after a minute."""

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"

_REFUSALS_TOLD = 3
_CONNECTIONS = 1
"""Telegram sends updates in order only over a single connection; the next begins when the one before is safe."""


def secret_of(settings: Settings) -> str:
    """The secret that Telegram must show: the operator's, or one that only who has the token can know."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret.get_secret_value()
    assert settings.bot_token is not None
    return hmac.new(settings.bot_token.get_secret_value().encode(), b"webhook", hashlib.sha256).hexdigest()


def origins_of(settings: Settings) -> Origins:
    """Who may bring updates: Telegram alone, unless the operator has said otherwise or uses another Bot API server."""
    allowed = settings.webhook_from
    if allowed is None:
        allowed = () if settings.telegram_api else TELEGRAM
    return Origins(allowed, settings.webhook_proxies)


def path_of(url: str) -> str:
    """Where in our server the public address leads."""
    return urlsplit(url).path or "/"


class Webhook:
    """Takes updates over HTTP, once the dispatcher is complete and `register` was called."""

    def __init__(
        self, bot: Bot, dispatcher: Dispatcher, secret: str, quarantine: Quarantine, origins: Origins
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._secret = secret
        self._quarantine = quarantine
        self._origins = origins
        self._is_open = False
        self._refused = 0

    async def register(self, url: str) -> None:
        """Open, and tell Telegram where to bring updates. Raises StartError if it refuses."""
        self._is_open = True
        method = SetWebhook(
            url=url,
            secret_token=self._secret,
            max_connections=_CONNECTIONS,
            allowed_updates=self._dispatcher.resolve_used_update_types(),
        )
        try:
            await call_until_answered(self._bot, method)
        except TelegramBadRequest as error:
            raise StartError(f"Telegram refuses KEFU_WEBHOOK_URL: {error.message}") from None

    async def handle(self, request: web.Request) -> web.Response:
        """One update. 200 confirms it."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        if not self._origins.is_allowed(request.remote, forwarded):
            self._say_refused(request.remote)
            return web.Response(status=403)
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()):
            return web.Response(status=401)
        if not self._is_open:
            return web.Response(status=503)
        try:
            update = Update.model_validate(await request.json(), context={"bot": self._bot})
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, ValidationError) as error:
            log.error("an update cannot be decoded; set aside")
            return await self._confirm_without_effect("undecodable", error)
        try:
            await self._dispatcher.feed_update(self._bot, update)
        except NotAnswered:
            return web.Response(status=503)
        except Exception as error:
            log.exception("an update's handler failed", extra={"update_id": update.update_id})
            return await self._confirm_without_effect("handler failed", error, update)
        return web.Response()

    def _say_refused(self, peer: str | None) -> None:
        """Tell the operator of the first strangers, and of one in a thousand after them."""
        self._refused += 1
        if self._refused <= _REFUSALS_TOLD or self._refused % 1000 == 0:
            log.warning(
                "a webhook call that is not from Telegram was refused; if it came through a proxy of yours, name that"
                " in KEFU_WEBHOOK_PROXIES",
                extra={"peer": peer, "refused": self._refused},
            )

    async def _confirm_without_effect(
        self, kind: str, error: Exception, update: Update | None = None
    ) -> web.Response:
        update_id = update.update_id if update else None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._quarantine.set_aside(kind, update_id, type(error).__name__, update)
        except TimeoutError:
            return web.Response(status=503)
        return web.Response()
