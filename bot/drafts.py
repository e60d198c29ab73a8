"""Shows growing answers: the newest draft of each private chat, about every 0.7 s, until its reply is sent.

Drafts may be lost, and a late one is worse than none: after `finish` nothing of that draft goes out any more.
"""

import asyncio
import logging
from collections import OrderedDict

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramRetryAfter
from aiogram.methods import SendMessageDraft

from bot.limits import Limits
from bot.render import draft_text
from workers.contracts import Draft

log = logging.getLogger(__name__)

INTERVAL = 0.7
_CALL_SECONDS = 5
_GRACE_SECONDS = 1.0
_FINISHED_REMEMBERED = 5000


class Drafts:
    """The drafts on the screens of one bot's customers."""

    def __init__(self, bot: Bot, limits: Limits) -> None:
        self._bot = bot
        self._limits = limits
        self._newest: dict[int, Draft] = {}
        self._streams: dict[int, asyncio.Task[None]] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._finished: OrderedDict[tuple[int, int], None] = OrderedDict()

    def show(self, draft: Draft) -> None:
        """Show this text soon, unless a newer one comes first or the reply is out."""
        if draft.chat_id <= 0 or (draft.chat_id, draft.draft_id) in self._finished:
            return
        self._newest[draft.chat_id] = draft
        if draft.chat_id not in self._streams:
            self._streams[draft.chat_id] = asyncio.create_task(self._stream(draft.chat_id))

    def is_showing(self, chat_id: int) -> bool:
        """Whether the customer sees an answer grow."""
        return chat_id in self._streams

    async def finish(self, chat_id: int, draft_id: int) -> None:
        """The reply goes out now: send no more of this draft, and wait for one that is under way."""
        self._finished[chat_id, draft_id] = None
        if len(self._finished) > _FINISHED_REMEMBERED:
            self._finished.popitem(last=False)
        newest = self._newest.get(chat_id)
        if newest is not None and newest.draft_id == draft_id:
            del self._newest[chat_id]
        if call := self._calls.get(chat_id):
            await asyncio.wait({call}, timeout=_GRACE_SECONDS)
            call.cancel()

    async def close(self) -> None:
        """Stop all of them."""
        tasks = [*self._streams.values(), *self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stream(self, chat_id: int) -> None:
        try:
            while (draft := self._newest.pop(chat_id, None)) is not None:
                if await self._limits.spare(chat_id):
                    call = self._calls[chat_id] = asyncio.create_task(self._send(draft))
                    await asyncio.wait({call})
                    del self._calls[chat_id]
                await asyncio.sleep(INTERVAL)
        finally:
            del self._streams[chat_id]

    async def _send(self, draft: Draft) -> None:
        method = SendMessageDraft(
            chat_id=draft.chat_id, draft_id=draft.draft_id, text=draft_text(draft.text), parse_mode=None
        )
        try:
            await self._bot(method, request_timeout=_CALL_SECONDS)
        except TelegramRetryAfter as error:
            self._limits.pause(draft.chat_id, error.retry_after)
        except AiogramError as error:
            log.debug("a draft was lost", extra={"error": type(error).__name__})
