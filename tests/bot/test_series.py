"""The last hour of the dashboard's charts."""

import asyncio
import contextlib

import pytest
from redis.asyncio import Redis

from bot.monitor import series as module
from bot.monitor.series import EVERY, HOUR, Sample, Series
from workers.channel import Names
from workers.operations import Overview

NOW = 1_800_000_000
NAMES = Names(7)


def sample(at: int, answered: int = 0) -> Sample:
    return Sample(at=at, depth=1, oldest=0.5, fill=0.25, answered=answered)


async def test_more_than_an_hour_is_not_kept(redis_async: Redis) -> None:
    series = Series(redis_async, NAMES)
    for number in range(400):
        await series.add(sample(NOW + number * EVERY))
    now = NOW + 399 * EVERY
    points = await series.points(now)
    assert [point.at for point in points] == list(range(now - HOUR + EVERY, now + 1, EVERY))
    assert await redis_async.llen(NAMES.series) < 380
    assert 0 < await redis_async.ttl(NAMES.series) <= 2 * HOUR


async def test_a_page_that_is_open_gets_only_what_is_new(redis_async: Redis) -> None:
    series = Series(redis_async, NAMES)
    for number in range(5):
        await series.add(sample(NOW + number * EVERY))
    assert [point.at for point in await series.points(NOW + 60, since=NOW + 20)] == [NOW + 30, NOW + 40]


async def test_samples_of_two_leaders_are_put_in_order(redis_async: Redis) -> None:
    series = Series(redis_async, NAMES)
    for at in (NOW + 10, NOW, NOW + 20):
        await series.add(sample(at))
    assert [point.at for point in await series.points(NOW + 30)] == [NOW, NOW + 10, NOW + 20]


async def test_answers_a_minute_are_those_since_a_minute_before(redis_async: Redis) -> None:
    series = Series(redis_async, NAMES)
    for number in range(13):
        await series.add(sample(NOW + number * EVERY, answered=2 * number))
    await series.add(sample(NOW + 720, answered=24 + 10))  # after a gap of ten minutes
    await series.add(sample(NOW + 730, answered=3))  # the counters began anew
    rates = [point.rate for point in await series.points(NOW + 730)]
    assert rates[0] == 0 and rates[6:13] == [12.0] * 7
    assert rates[13:] == [1.0, 0.0]


async def test_only_the_leader_takes_samples(redis_async: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.02)
    series, leads, looks = Series(redis_async, NAMES), False, 0

    async def look() -> Overview:
        nonlocal looks
        looks += 1
        return Overview(queues=(), workers=(), waiting_chats=0, oldest_wait=0, stats={})

    running = asyncio.create_task(series.run(look, lambda: leads))
    await asyncio.sleep(0.2)
    assert looks == 0
    leads = True
    async with asyncio.timeout(20):
        while not await redis_async.llen(NAMES.series):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
