"""What happened in each chat, in order, for the chat page and the tests.

Events have one sequence for all chats, so that two chats can be compared. Each chat keeps its last 2,000, and all
together are kept once more, the last 20,000. Knows no rules of Telegram: it only writes down.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from bot.sandbox.errors import Json

EVENTS_PER_CHAT = 2000
EVENTS_OF_ALL = 20_000
ALL = None
"""Stands for every chat where a reader names one."""


class Transcript:
    """The events of all chats; readers can wait for the next one of theirs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: dict[int | None, deque[Json]] = {ALL: deque(maxlen=EVENTS_OF_ALL)}
        self._waiting: dict[int | None, list[asyncio.Future[None]]] = {}
        self.seq = 0

    def write(self, chat_id: int, type: str, sender: str, **details: object) -> Json:
        """Append an event and wake whoever waits for the chat."""
        self.seq += 1
        event: Json = {
            "seq": self.seq,
            "at": round(self._clock(), 3),
            "type": type,
            "from": sender,
            "chat_id": chat_id,
            **details,
        }
        if chat_id not in self._events:
            self._events[chat_id] = deque(maxlen=EVENTS_PER_CHAT)
        for key in (chat_id, ALL):
            self._events[key].append(event)
            for future in self._waiting.pop(key, ()):
                if not future.done():
                    future.set_result(None)
        return event

    def after(self, chat_id: int | None, seq: int) -> list[Json]:
        """The chat's events that are newer than `seq`."""
        newer: list[Json] = []
        for event in reversed(self._events.get(chat_id, ())):
            if event["seq"] <= seq:
                break
            newer.append(event)
        newer.reverse()
        return newer

    async def wait_after(self, chat_id: int | None, seq: int, seconds: float) -> list[Json]:
        """The same, but wait for the first such event, at most `seconds`."""
        if (events := self.after(chat_id, seq)) or seconds <= 0:
            return events
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(chat_id, [])
        waiting.append(future)
        try:
            # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the event.
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            if future in waiting:
                waiting.remove(future)
        return self.after(chat_id, seq)
