"""The last hour for the dashboard's charts: samples that the leader of the delivery takes, in a bounded list in Redis.

So a page that is opened late still shows the hour, whichever bot serves it. Times without a leader are gaps.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from workers.channel import Names
from workers.contracts import Contract
from workers.operations import Overview

log = logging.getLogger(__name__)

EVERY = 10
"""Seconds between two samples."""
HOUR = 3600
_RATE_SECONDS = 60
_KEPT = (HOUR + _RATE_SECONDS) // EVERY + 1


class Sample(Contract):
    """The figures at a moment. `answered` counts since the counters began."""

    at: int
    depth: int
    oldest: float
    fill: float
    answered: int


class Point(NamedTuple):
    """What the charts show of a moment: time, jobs in the queues, longest wait (s), answers a minute, fill (share)."""

    at: int
    depth: int
    oldest: float
    rate: float
    fill: float


class Series:
    """The samples of one bot."""

    def __init__(self, redis: Redis, names: Names) -> None:
        self._redis = redis
        self._key = names.series

    async def run(self, look: Callable[[], Awaitable[Overview]], is_leader: Callable[[], bool]) -> None:
        """Take a sample every ten seconds, while this process leads, until cancelled."""
        while True:
            await asyncio.sleep(EVERY - time.time() % EVERY)
            if not is_leader():
                continue
            try:
                await self.add(sample(await look(), time.time()))
            except RedisError as error:
                log.info("a sample for the dashboard was not taken", extra={"error": type(error).__name__})

    async def add(self, new: Sample) -> None:
        """Keep a sample for an hour."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.lpush(self._key, new.model_dump_json())
            pipe.ltrim(self._key, 0, _KEPT - 1)
            pipe.expire(self._key, HOUR + _RATE_SECONDS)
            await pipe.execute()

    async def points(self, now: float, since: int = 0) -> list[Point]:
        """What the charts show of the last hour, oldest first; only what came after `since`."""
        raw = await self._redis.lrange(self._key, 0, -1)
        # Two leaders may have overlapped for a moment.
        samples = sorted((Sample.model_validate_json(item) for item in raw), key=lambda one: one.at)
        start = max(since, int(now) - HOUR)
        return [point for point in _points(samples) if point.at > start]


def sample(overview: Overview, at: float) -> Sample:
    """What is kept of a look."""
    return Sample(
        at=int(at),
        depth=overview.depth,
        oldest=round(overview.oldest_wait, 1),
        fill=round(overview.fill, 4),
        answered=overview.stats.get("answered", 0),
    )


def _points(samples: Sequence[Sample]) -> list[Point]:
    """With the answers a minute since the sample a minute before, or longer after a gap; counters that began anew
    give none.
    """
    points, first = [], 0
    for last in samples:
        while samples[first + 1 : first + 2] and samples[first + 1].at <= last.at - _RATE_SECONDS:
            first += 1
        before = samples[first]
        minutes = (last.at - before.at) / 60
        rate = max(0, last.answered - before.answered) / minutes if minutes > 0 else 0.0
        points.append(Point(last.at, last.depth, last.oldest, round(rate, 1), last.fill))
    return points
