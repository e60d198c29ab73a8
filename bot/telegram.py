"""The client for Telegram's Bot API, and calls that must succeed before the bot can go on."""

import asyncio
import logging
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.utils.token import TokenValidationError
from aiohttp import BytesPayload

from bot.errors import StartError
from workers.settings import Settings

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_WHERE_TO_GET_ONE = "Get one from @BotFather in Telegram: /newbot, or /token for a bot that you have."
NO_TOKEN = f"KEFU_BOT_TOKEN is not set. {_WHERE_TO_GET_ONE} To try the bot without a token: kefu demo"
MALFORMED_TOKEN = (
    f"KEFU_BOT_TOKEN is not a bot token, which looks like 123456789:letters. {_WHERE_TO_GET_ONE}"
)
TOKEN_REFUSED = f"Telegram refuses the token in KEFU_BOT_TOKEN. {_WHERE_TO_GET_ONE}"

_PAUSES = (1.0, 2.0, 5.0, 10.0, 15.0)


class _Session(AiohttpSession):
    """aiogram's session, which stumbles over an answer that is no text or JSON of another kind: a proxy's page.

    It also holds the models of responses: pydantic builds a generic model anew as soon as nobody does, for every call.
    """

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[type[TelegramMethod[Any]], type[Response[Any]]] = {}

    def build_form_data(self, bot: Bot, method: TelegramMethod[Any]) -> Any:
        """The parameters of a call. aiohttp's own form also makes room for files, which takes longer than all the rest."""
        files: dict[str, Any] = {}
        values = {
            name: prepared
            for name, value in method.model_dump(warnings=False).items()
            if (prepared := self.prepare_value(value, bot=bot, files=files))
        }
        if files:
            return super().build_form_data(bot, method)
        return BytesPayload(urlencode(values).encode(), content_type="application/x-www-form-urlencoded")

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 (aiogram's signature)
    ) -> TelegramType:
        """Call Telegram. Raises nothing but AiogramError."""
        if type(method) not in self._models:
            self._models[type(method)] = Response[method.__returning__]  # type: ignore[name-defined]
        try:
            return await super().make_request(bot, method, timeout)
        except (ValueError, TypeError, RecursionError) as error:
            raise ClientDecodeError("the answer is not Telegram's", error, "") from None


def make_bot(settings: Settings) -> Bot:
    """A client for the bot of the token. Raises StartError."""
    if settings.bot_token is None or not settings.bot_token.get_secret_value():
        raise StartError(NO_TOKEN)
    session = _Session()
    if settings.telegram_api:
        session.api = TelegramAPIServer.from_base(settings.telegram_api, is_local=False)
    try:
        return Bot(settings.bot_token.get_secret_value(), session=session)
    except TokenValidationError:
        raise StartError(MALFORMED_TOKEN) from None


async def call_until_answered(bot: Bot, method: TelegramMethod[Result], seconds: int = 15) -> Result:
    """Repeat a call that changes nothing twice until Telegram answers it; the pauses grow.

    Raises StartError when Telegram refuses the token, and TelegramBadRequest when it refuses the call.
    """
    failures = 0
    while True:
        try:
            return await bot(method, request_timeout=seconds)
        except (TelegramUnauthorizedError, TelegramNotFound):
            raise StartError(TOKEN_REFUSED) from None
        except TelegramRetryAfter as error:
            await asyncio.sleep(error.retry_after)
            continue
        except TelegramBadRequest:
            raise
        except TelegramConflictError:
            log.error("another program gets this bot's updates: stop it, or give this one a token of its own")
        except AiogramError as error:
            # Every call's first failures are told, then one in ten: an outage may last for hours.
            level = logging.WARNING if failures < len(_PAUSES) or failures % 10 == 0 else logging.DEBUG
            log.log(level, "Telegram does not answer; trying again", extra={"error": type(error).__name__})
        await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
        failures += 1
