"""Round trips that tasks share: in order, once each, and nobody pays for another's mistake."""

import asyncio

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError, ResponseError

from tests.redis_proxy import RedisProxy
from workers.connection import connect_async
from workers.scripts import Call, Script, make_calls
from workers.trips import Trips

ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
WRONG = Script("return redis.call('INCR', KEYS[1], 'what')")


def add(redis: Redis, number: int) -> Call[int]:
    return Call(ADD, ["sum"], [number], int, redis)


async def test_what_many_tasks_ask_for_goes_in_few_trips(redis: Redis, redis_async: AsyncRedis) -> None:
    trips = Trips(redis_async)
    await trips.command("PING")
    before = redis.info("stats")["total_reads_processed"]
    replies = await asyncio.gather(*(trips.command("RPUSH", "row", number) for number in range(100)))
    assert replies == list(range(1, 101))
    assert redis.lrange("row", 0, -1) == [str(number).encode() for number in range(100)]
    assert redis.info("stats")["total_reads_processed"] - before < 20


async def test_a_wrong_command_fails_alone(redis: Redis, redis_async: AsyncRedis) -> None:
    trips = Trips(redis_async)
    results = await asyncio.gather(
        trips.make(add(redis, 2)),
        trips.run(WRONG, ["sum"], []),
        trips.command("SET", "half", "\ud800"),
        trips.make(add(redis, 3)),
        return_exceptions=True,
    )
    assert (results[0], results[3]) == (2, 5)
    assert isinstance(results[1], ResponseError) and isinstance(results[2], UnicodeEncodeError)


async def test_scripts_are_found_again_after_redis_forgot_them(redis: Redis, redis_async: AsyncRedis) -> None:
    trips = Trips(redis_async)
    for expected in (1, 2, 3):
        assert await trips.make(add(redis, 1)) == expected
        redis.script_flush()
    assert make_calls(redis, [add(redis, 1), add(redis, 1)]) == [4, 5]


async def test_a_lost_trip_is_everybodys_outage_and_the_next_goes_well(redis: Redis, redis_url: str) -> None:
    with RedisProxy(redis_url) as proxy:
        async with connect_async(proxy.url) as client:
            trips = Trips(client)
            assert await trips.make(add(redis, 1)) == 1
            proxy.lose_reply_to(b"EVALSHA")
            calls = (trips.make(add(redis, 1)), trips.make(add(redis, 1)))
            assert all(
                isinstance(result, ConnectionError)
                for result in await asyncio.gather(*calls, return_exceptions=True)
            )
            assert await trips.make(add(redis, 1)) == 4


async def test_who_stops_waiting_stops_nobody_else(redis: Redis, redis_async: AsyncRedis) -> None:
    trips = Trips(redis_async)
    leaving, staying = (asyncio.create_task(trips.make(add(redis, 1))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 2
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_trip_that_fails_strangely_leaves_nobody_waiting(
    redis_async: AsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that was none of Redis' ended the traveller, and whoever asked for anything then waited for ever."""
    trips = Trips(redis_async)
    with monkeypatch.context() as broken:
        broken.setattr(redis_async, "pipeline", lambda **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(trips.command("PING"), 5)
    assert await asyncio.wait_for(trips.command("PING"), 5)
