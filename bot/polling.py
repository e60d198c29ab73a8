"""Long polling that confirms an update to Telegram only after its effect is safe.

aiogram's own polling confirms an update although its handler failed, and one update that it cannot decode stops it
for good. Here each update is decoded and handled by itself; one that cannot be is set aside with an alert. Chats do
not wait for each other, and what comes together is confirmed together.
"""

import asyncio
import itertools
import logging
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.exceptions import AiogramError
from aiogram.methods import DeleteWebhook, TelegramMethod
from aiogram.types import Update
from pydantic import ValidationError

from bot.quarantine import Quarantine
from bot.telegram import call_until_answered

log = logging.getLogger(__name__)

WAIT_SECONDS = 30
"""How long Telegram may hold a call open while there is nothing new."""

TRIES = 3
"""How often an update's handler may fail before the update is set aside."""

_RETRY_PAUSE = 0.5
_NO_ID_PAUSE = 1.0


class GetRawUpdates(TelegramMethod[list[Any]]):
    """getUpdates without decoding what is in the updates."""

    __returning__ = list[Any]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


class _Taken:
    """One update on its way from Telegram into Redis."""

    def __init__(self, raw: Any) -> None:
        update_id = raw.get("update_id") if isinstance(raw, dict) else None
        self.raw = raw
        self.update_id = update_id if isinstance(update_id, int) else None
        self.update: Update | None = None
        self.is_safe = False

    @property
    def chat_id(self) -> int | None:
        """The chat in whose order it belongs; None if it belongs to none."""
        for event in self.raw.values():
            if isinstance(event, dict):
                # A pressed button stands under a message, which has the chat.
                inner = event if "chat" in event else event.get("message")
                chat = inner.get("chat") if isinstance(inner, dict) else None
                chat_id = chat.get("id") if isinstance(chat, dict) else None
                return chat_id if isinstance(chat_id, int) else None
        return None


class Polling:
    """The loop from Telegram to the dispatcher."""

    def __init__(self, bot: Bot, dispatcher: Dispatcher, quarantine: Quarantine) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._quarantine = quarantine
        self._offset: int | None = None
        self._allowed = dispatcher.resolve_used_update_types()

    async def run(self) -> None:
        """Poll until cancelled. Raises StartError when Telegram refuses the token."""
        await call_until_answered(self._bot, DeleteWebhook(drop_pending_updates=False))
        try:
            while True:
                await self._take_all(
                    await call_until_answered(self._bot, self._get(WAIT_SECONDS), WAIT_SECONDS + 15)
                )
        finally:
            await self._confirm()

    def _get(self, wait: int) -> GetRawUpdates:
        return GetRawUpdates(offset=self._offset, timeout=wait, allowed_updates=self._allowed)

    async def _take_all(self, batch: list[Any]) -> None:
        """Give updates to the handlers, those of one chat in their order; what is safe then may be confirmed."""
        waiting: dict[int | None, list[_Taken]] = {}
        # An offset confirms all before it, and a chat's order is that of the ids, in whichever order they have come.
        taken = sorted(map(_Taken, batch), key=lambda one: one.update_id or 0)
        for one in taken:
            await self._decode(one)
            if one.update is not None:
                waiting.setdefault(one.chat_id, []).append(one)
            else:
                one.is_safe = True
        try:
            async with asyncio.TaskGroup() as group:
                for chat in waiting.values():
                    group.create_task(self._take_in_order(chat))
        finally:
            for one in itertools.takewhile(lambda one: one.is_safe, taken):
                if one.update_id is not None:
                    self._offset = one.update_id + 1

    async def _take_in_order(self, chat: "list[_Taken]") -> None:
        for one in chat:
            assert one.update is not None
            await self._feed(one.update)
            one.is_safe = True

    async def _decode(self, one: "_Taken") -> None:
        """Read an update, or set it aside."""
        if one.update_id is None:
            # Without its id it cannot be confirmed either: do not ask for it without a pause.
            await self._quarantine.set_aside("undecodable", None, "no update_id")
            await asyncio.sleep(_NO_ID_PAUSE)
            return
        try:
            one.update = Update.model_validate(one.raw, context={"bot": self._bot})
        except ValidationError as error:
            log.error("an update cannot be decoded; set aside", extra={"update_id": one.update_id})
            await self._quarantine.set_aside("undecodable", one.update_id, type(error).__name__)

    async def _feed(self, update: Update) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self._dispatcher.feed_update(self._bot, update)
                return
            except Exception as error:
                log.exception(
                    "an update's handler failed", extra={"update_id": update.update_id, "attempt": attempt}
                )
                if attempt == TRIES:
                    await self._quarantine.set_aside(
                        "handler failed", update.update_id, type(error).__name__, update
                    )
                else:
                    await asyncio.sleep(attempt * _RETRY_PAUSE)

    async def _confirm(self) -> None:
        """Tell Telegram what is safe already, so that the next start need not see it again."""
        if self._offset is None:
            return
        try:
            await self._bot(GetRawUpdates(offset=self._offset, limit=1, timeout=0), request_timeout=3)
        except AiogramError:
            log.info("the last updates will be seen again and known as such")
