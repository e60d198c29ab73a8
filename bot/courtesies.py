"""Small signs at once: "typing" while a customer waits, and the end of a pressed button's spinner.

Nothing here is promised: a sign may be lost and is never repeated, so handlers leave it here and go on.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from aiogram import Bot
from aiogram.enums import ChatAction
from aiogram.exceptions import AiogramError, TelegramRetryAfter
from aiogram.methods import AnswerCallbackQuery, SendChatAction, TelegramMethod
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.limits import Limits
from workers.channel import Names

log = logging.getLogger(__name__)

_WAITING_SIGNS = 200
_TYPING_SECONDS = 4.5
_TYPING_ENDS = 120.0
_CALL_SECONDS = 5
_SENDERS = 4
_QUICK_SECONDS = 0.3
"""A reply within this time needs no "typing", which would outlive it on the customer's screen."""


class Courtesies:
    """The queue of signs. `is_wanted` says whether "typing" is this process's affair and of use in a chat."""

    def __init__(
        self, bot: Bot, redis: Redis, names: Names, limits: Limits, is_wanted: Callable[[int], bool]
    ) -> None:
        self._bot = bot
        self._redis = redis
        self._names = names
        self._limits = limits
        self._is_wanted = is_wanted
        self._queue: asyncio.Queue[tuple[int, TelegramMethod[bool]]] = asyncio.Queue(_WAITING_SIGNS)
        self._soon: dict[int, asyncio.TimerHandle] = {}

    def typing_soon(self, chat_id: int) -> None:
        """Show that somebody is at work, unless the reply comes first."""
        if chat_id not in self._soon:
            loop = asyncio.get_running_loop()
            self._soon[chat_id] = loop.call_later(_QUICK_SECONDS, self._show_soon, chat_id)

    def reply_comes(self, chat_id: int) -> None:
        """A reply goes out now."""
        if soon := self._soon.pop(chat_id, None):
            soon.cancel()

    def _show_soon(self, chat_id: int) -> None:
        del self._soon[chat_id]
        self.typing(chat_id)

    def typing(self, chat_id: int) -> None:
        """Show that somebody is at work."""
        self._put(chat_id, SendChatAction(chat_id=chat_id, action=ChatAction.TYPING))

    def answer_callback(self, chat_id: int, query_id: str, text: str | None = None) -> None:
        """End a button's spinner; `text` is shown for a moment."""
        self._put(chat_id, AnswerCallbackQuery(callback_query_id=query_id, text=text))

    async def run(self) -> None:
        """Send signs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_typing())
            for _ in range(_SENDERS):
                group.create_task(self._send())

    def _put(self, chat_id: int, method: TelegramMethod[bool]) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait((chat_id, method))

    async def _send(self) -> None:
        while True:
            chat_id, method = await self._queue.get()
            if isinstance(method, SendChatAction) and not await self._wait_for_room(chat_id):
                continue
            try:
                await self._bot(method, request_timeout=_CALL_SECONDS)
            except TelegramRetryAfter as error:
                self._limits.pause(chat_id, error.retry_after)
            except AiogramError as error:
                log.debug("a sign was lost", extra={"error": type(error).__name__})

    async def _wait_for_room(self, chat_id: int) -> bool:
        """A moment's patience, since a burst of signs is over soon. The end of a spinner counts nowhere."""
        for _ in range(10):
            if await self._limits.spare(chat_id):
                return True
            await asyncio.sleep(0.1)
        return False

    async def _keep_typing(self) -> None:
        """Typing lasts five seconds in Telegram; renew it for those who wait, for a bounded time."""
        while True:
            await asyncio.sleep(_TYPING_SECONDS)
            since = (time.time() - _TYPING_ENDS) * 1000
            try:
                chats = await self._redis.zrange(
                    self._names.waiting, int(since), "+inf", byscore=True, offset=0, num=_WAITING_SIGNS
                )
            except RedisError:
                continue
            for chat_id in [int(str(chat)) for chat in chats]:
                if self._is_wanted(chat_id):
                    self.typing(chat_id)
