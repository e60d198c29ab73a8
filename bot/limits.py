"""Telegram's limits, kept before Telegram has to say so; and its `retry_after`, kept exactly.

About 30 messages a second in all, one a second in a chat with a small burst, 20 a minute in a group. Replies wait
their turn; what may be left out (drafts, "typing") only gets what is spare.
"""

import asyncio

from aiolimiter import AsyncLimiter

_CHATS_REMEMBERED = 10_000
_RESERVE = 2
"""Messages of the overall burst that are kept for replies."""


class Limits:
    """When the next message may go out. One for a bot's delivery, on one event loop.

    Not `enforced`: only Telegram's own requests to wait are kept, for servers that have no limits.
    """

    def __init__(self, enforced: bool = True) -> None:
        self._enforced = enforced
        # A burst and a rate may fall into the same second: 4 + 26 is Telegram's 30.
        self._overall = AsyncLimiter(4, 4 / 26)
        self._chats: dict[int, AsyncLimiter] = {}
        self._paused: dict[int, float] = {}
        self._all_paused = 0.0

    async def acquire(self, chat_id: int) -> None:
        """Wait until a reply may go to this chat."""
        while True:
            if self._enforced:
                await self._limiter(chat_id).acquire()
                await self._overall.acquire()
            wait = self._pause_left(chat_id)
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    async def spare(self, chat_id: int) -> bool:
        """Take a place for something that may be left out; False if replies may need it."""
        if self._pause_left(chat_id) > 0:
            return False
        if self._enforced:
            if not self._overall.has_capacity(1 + _RESERVE):
                return False
            await self._overall.acquire()
        return True

    def has_room(self) -> bool:
        """Whether a message that can wait would hold up no reply just now."""
        if self._all_paused > asyncio.get_running_loop().time():
            return False
        return not self._enforced or self._overall.has_capacity(1 + _RESERVE)

    def pause(self, chat_id: int, seconds: float) -> None:
        """Telegram has asked to wait. A second chat that is asked meanwhile means that the whole bot is meant."""
        now = asyncio.get_running_loop().time()
        self._paused = {chat: until for chat, until in self._paused.items() if until > now}
        if any(chat != chat_id for chat in self._paused):
            self._all_paused = max(self._all_paused, now + seconds)
        self._paused[chat_id] = max(self._paused.get(chat_id, 0.0), now + seconds)

    def pause_all(self, seconds: float) -> None:
        """Send nothing to anybody for a while."""
        self._all_paused = max(self._all_paused, asyncio.get_running_loop().time() + seconds)

    def _pause_left(self, chat_id: int) -> float:
        return max(self._all_paused, self._paused.get(chat_id, 0.0)) - asyncio.get_running_loop().time()

    def _limiter(self, chat_id: int) -> AsyncLimiter:
        if chat_id not in self._chats:
            if len(self._chats) >= _CHATS_REMEMBERED:
                self._chats = {
                    chat: known
                    for chat, known in self._chats.items()
                    if not known.has_capacity(known.max_rate)
                }
            self._chats[chat_id] = AsyncLimiter(4, 4) if chat_id > 0 else AsyncLimiter(4, 15)
        return self._chats[chat_id]
