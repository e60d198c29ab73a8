"""Customers of a measurement: as many as wait at once, or arriving at random at a fixed rate; and how long each waited.

A message carries its number, and whoever echoes it repeats the number, so bursts that were answered together count
as what they are. Times are those of the Telegram on localhost: accepted, first draft, final reply.
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.sandbox.telegram import Telegram, User
from bot.sandbox.transcript import ALL

_NUMBER = re.compile(r"\bq(\d+)q\b")
_DRAIN_SECONDS = 20.0


@dataclass
class Waits:
    """Seconds from acceptance to the first draft and to the final reply. `unanswered` never got one."""

    to_draft: list[float] = field(default_factory=list)
    to_reply: list[float] = field(default_factory=list)
    unanswered: int = 0

    def __add__(self, other: "Waits") -> "Waits":
        return Waits(
            self.to_draft + other.to_draft,
            self.to_reply + other.to_reply,
            self.unanswered + other.unanswered,
        )


class Load:
    """Everybody who writes to one bot. `check` raises if a process of that bot has died."""

    def __init__(self, telegram: Telegram, check: Callable[[], None], seed: int = 1) -> None:
        self.answered = 0
        self.replies = 0
        self.last_update = 0
        self._telegram = telegram
        self._check = check
        self._chance = random.Random(f"load {seed}")
        self._users: list[User] = []
        self._number = 0
        self._sent: dict[int, tuple[int, float]] = {}
        self._with_draft: set[int] = set()
        self._busy: dict[int, int] = {}
        self._replied: dict[int, None] = {}
        self._waits = Waits()
        self._progress = asyncio.Event()

    @property
    def chats(self) -> list[int]:
        """The chats that have had a reply since `use_chats`, the last ones last."""
        return list(self._replied)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Notice replies while inside."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def use_chats(self, first: int, count: int) -> None:
        """From now on these chats write."""
        self._replied = {}
        self._users = [
            self._telegram.add_user(User(first + number, f"Customer {number}")) for number in range(count)
        ]

    async def first_reply(self, seconds: float) -> None:
        """Write one message and wait for its reply: everything is up then. Raises TimeoutError."""
        before = self.answered
        self._write(self._users[0])
        async with asyncio.timeout(seconds):
            while self.answered == before:
                self._check()
                await self._some_progress()

    async def saturate(self, seconds: float, window: int) -> None:
        """Keep `window` messages waiting, each in a chat of its own as far as there are chats."""
        until = time.monotonic() + seconds
        window = min(window, len(self._users))
        order: Iterator[User] = iter(())
        while time.monotonic() < until:
            while len(self._sent) < window:
                user = next(order, None)
                if user is None:
                    order = iter(self._chance.sample(self._users, len(self._users)))
                elif user.id not in self._busy:
                    self._write(user)
            await self._some_progress()

    async def arrive(self, rate: float, seconds: float) -> None:
        """Write `rate` messages a second on average, at random times, from chats that wait for nothing if there are any."""
        started, at = time.monotonic(), self._chance.expovariate(rate)
        while at < seconds:
            await asyncio.sleep(max(0.0, started + at - time.monotonic()))
            self._write(self._free_user())
            at += self._chance.expovariate(rate)

    async def drain(self) -> Waits:
        """Wait for the replies that are still due, then hand over what was measured since the last time."""
        until = time.monotonic() + _DRAIN_SECONDS
        while self._sent and time.monotonic() < until:
            self._check()
            await self._some_progress()
        waits, self._waits = self._waits, Waits()
        waits.unanswered = len(self._sent)
        self._sent.clear()
        self._busy.clear()
        self._with_draft.clear()
        return waits

    def _free_user(self) -> User:
        for _ in range(20):
            user = self._chance.choice(self._users)
            if user.id not in self._busy:
                return user
        return user

    def _write(self, user: User) -> None:
        self._number += 1
        self._sent[self._number] = user.id, self._telegram.clock()
        self._busy[user.id] = self._busy.get(user.id, 0) + 1
        text = f"Where is my order q{self._number}q?"
        ((_, update_id),) = self._telegram.write(user, self._telegram.chats[user.id], text)
        self.last_update = update_id or 0

    async def _some_progress(self) -> None:
        self._progress.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._progress.wait()

    async def _listen(self) -> None:
        transcript = self._telegram.transcript
        seq = transcript.seq
        while True:
            for event in await transcript.wait_after(ALL, seq, 1.0):
                seq = event["seq"]
                if event["from"] == "bot" and event["type"] in ("draft", "message"):
                    self._note(event["type"], event["text"], event["at"])

    def _note(self, kind: str, text: str, at: float) -> None:
        numbers = [int(number) for number in _NUMBER.findall(text)]
        if kind == "draft":
            for number in numbers:
                if number in self._sent and number not in self._with_draft:
                    self._with_draft.add(number)
                    self._waits.to_draft.append(max(0.0, at - self._sent[number][1]))
            return
        self.replies += 1
        for number in numbers:
            if number in self._sent:
                chat_id, written = self._sent.pop(number)
                self._waits.to_reply.append(max(0.0, at - written))
                self._replied[chat_id] = None
                self.answered += 1
                self._busy[chat_id] -= 1
                if not self._busy[chat_id]:
                    del self._busy[chat_id]
        self._progress.set()
