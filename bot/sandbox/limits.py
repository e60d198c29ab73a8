"""Telegram's flood limits as token buckets: about 30 messages a second in all, one a second in a chat, 20 a minute in a group.

Telegram publishes no exact numbers and says to obey `retry_after`; whoever calls before it has passed is refused
again, so that ignoring it never pays. Knows neither methods nor messages, only chats and a clock.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.sandbox.errors import ApiError

MAX_BUCKETS = 10_000
"""Chats whose buckets are remembered; full ones are dropped first."""

_ROUNDING = 1e-6
"""So that a caller who waited exactly long enough is let through."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` calls at once, then `per_second` more each second."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits that apply together."""

    overall: Rate = Rate(30, 30)
    chat: Rate = Rate(5, 1)
    group: Rate = Rate(20, 20 / 60)
    draft: Rate = Rate(10, 2)


class _Bucket:
    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.tokens = rate.burst
        self.filled_at = now
        self.closed_until = now

    def wait(self, now: float) -> float:
        """Seconds until a call is allowed; 0 if it is now."""
        self.tokens = min(self.rate.burst, self.tokens + (now - self.filled_at) * self.rate.per_second)
        self.filled_at = now
        missing = max(0.0, 1 - self.tokens - _ROUNDING) / self.rate.per_second
        return max(missing, self.closed_until - now, 0.0)


class FloodLimits:
    """Decides about each message; edits count as messages, drafts have a bucket of their own for each chat."""

    def __init__(self, clock: Callable[[], float], rates: Rates | None = None) -> None:
        self._clock = clock
        self._rates = rates or Rates()
        self._overall = _Bucket(self._rates.overall, clock())
        self._buckets: dict[tuple[str, int], _Bucket] = {}

    def spend(self, chat_id: int, *, is_group: bool = False, is_draft: bool = False) -> None:
        """Count one message, or raise ApiError 429 with `retry_after` and count nothing."""
        now = self._clock()
        kind = "draft" if is_draft else "group" if is_group else "chat"
        buckets = (self._bucket(kind, chat_id, now), self._overall)
        for bucket in buckets:
            if wait := bucket.wait(now):
                retry_after = math.ceil(wait)
                if bucket.closed_until <= now:
                    bucket.closed_until = now + retry_after
                raise ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)
        for bucket in buckets:
            bucket.tokens -= 1

    def _bucket(self, kind: str, chat_id: int, now: float) -> _Bucket:
        if len(self._buckets) >= MAX_BUCKETS:
            used = {k: b for k, b in self._buckets.items() if b.wait(now) or b.tokens < b.rate.burst}
            self._buckets = used if len(used) < MAX_BUCKETS else {}
        key = (kind, chat_id)
        if key not in self._buckets:
            self._buckets[key] = _Bucket(getattr(self._rates, kind), now)
        return self._buckets[key]
