"""The bot's update queue: kept until confirmed by a higher offset, as long polling and webhooks both need it.

Telegram keeps updates for 24 hours; so does this, up to 100,000. Knows nothing of what is in an update.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from bot.sandbox.errors import ApiError, Json

KEEP_SECONDS = 24 * 3600
MAX_PENDING = 100_000
MAX_CONFIRMED = 1000
"""Confirmed updates that can still be repeated on request."""

NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


class Updates:
    """Pending updates in order of their ids, and the one poller that may wait for them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pending: OrderedDict[int, tuple[float, Json]] = OrderedDict()
        self._confirmed: OrderedDict[int, Json] = OrderedDict()
        self._repeats: list[Json] = []
        self._to_repeat: set[int] = set()
        # Not 1: a bot that remembers update ids would take those of a restarted sandbox for repetitions.
        self._next_id = 100_000_000 + secrets.randbelow(900_000_000)
        self._waiting: asyncio.Future[None] | None = None
        self._arrived = asyncio.Event()
        self._held = False
        self.allowed: list[str] = []

    def __len__(self) -> int:
        return len(self._pending) + len(self._repeats)

    @property
    def held(self) -> bool:
        """While held, nothing is handed out, so that several updates come in one batch."""
        return self._held

    @held.setter
    def held(self, held: bool) -> None:
        self._held = held
        self._wake()

    def is_allowed(self, kind: str) -> bool:
        """Whether the bot asked for updates of this kind; an empty list means the default."""
        return kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT

    def add(self, kind: str, payload: Json) -> int | None:
        """Queue an update and return its id; None if the bot does not want this kind."""
        return self.inject({kind: payload}) if self.is_allowed(kind) else None

    def inject(self, update: Json) -> int:
        """Queue an update as it is, with the next id."""
        update_id = self._next_id
        self._next_id += 1
        self._pending[update_id] = self._clock(), {**update, "update_id": update_id}
        while len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)
        self._wake()
        return update_id

    def repeat(self, update_id: int) -> bool:
        """Hand out an update once more after its confirmation; False if it is forgotten."""
        if update_id in self._pending:
            # The bot may have it already and be about to confirm it.
            self._to_repeat.add(update_id)
            return True
        if update_id not in self._confirmed:
            return False
        self._repeats.append(self._confirmed[update_id])
        self._wake()
        return True

    def confirm(self, before: int) -> None:
        """Forget every update with a lower id."""
        while self._pending and next(iter(self._pending)) < before:
            self._confirm_first()
        while len(self._confirmed) > MAX_CONFIRMED:
            self._confirmed.popitem(last=False)

    def forget_old(self) -> None:
        """Drop what is older than 24 hours."""
        oldest = self._clock() - KEEP_SECONDS
        while self._pending and next(iter(self._pending.values()))[0] < oldest:
            self._pending.popitem(last=False)

    def clear(self) -> None:
        """Drop everything that is pending."""
        self.confirm(self._next_id)
        self._repeats.clear()
        self._to_repeat.clear()

    async def poll(self, offset: int, limit: int, seconds: float) -> list[Json]:
        """getUpdates: confirm, then wait for the next updates. An earlier waiting poll ends with 409."""
        self.interrupt(
            "terminated by other getUpdates request; make sure that only one bot instance is running"
        )
        if offset < 0:
            offset = next(iter(list(self._pending)[offset:]), 0)
        self.confirm(offset)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not (batch := self._batch(limit)):
            self._waiting = future = loop.create_future()
            try:
                async with asyncio.timeout_at(deadline):
                    await future
            except TimeoutError:
                return []
            finally:
                if self._waiting is future:
                    self._waiting = None
        return batch

    def interrupt(self, reason: str) -> None:
        """End the waiting poll, if there is one, with 409."""
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ApiError(409, f"Conflict: {reason}"))

    async def first(self, skip: bool = False) -> Json:
        """Wait for the update that a webhook is to be given next; with `skip` the one behind it, if there is one."""
        while self._held or not len(self):
            self._arrived.clear()
            await self._arrived.wait()
        if self._repeats:
            return self._repeats[0]
        waiting = [update for _, update in islice(self._pending.values(), 2)]
        return waiting[-1 if skip else 0]

    def delivered(self, update: Json) -> None:
        """A webhook took the update that `first` returned."""
        if self._repeats and self._repeats[0] is update:
            self._repeats.pop(0)
        elif update["update_id"] in self._pending:
            self._pending.move_to_end(update["update_id"], last=False)
            self._confirm_first()

    def _confirm_first(self) -> None:
        first, (_, update) = self._pending.popitem(last=False)
        self._confirmed[first] = update
        if first in self._to_repeat:
            self._to_repeat.remove(first)
            self._repeats.append(update)

    def _batch(self, limit: int) -> list[Json]:
        if self._held:
            return []
        repeats, self._repeats = self._repeats[:limit], self._repeats[limit:]
        return repeats + [update for _, update in islice(self._pending.values(), limit - len(repeats))]

    def _wake(self) -> None:
        self._arrived.set()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)
