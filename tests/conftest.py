"""Real Redis for all tests: one server on a socket for the whole run, emptied before each test that uses it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from workers.connection import connect, connect_async
from workers.embedded_redis import private_redis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a Redis that lives as long as the test run."""
    with private_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of an empty Redis."""
    with connect(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client that returns bytes, as RQ needs it."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture
async def redis_async(redis_url: str) -> AsyncIterator[AsyncRedis]:
    """A client for asyncio that returns text."""
    async with connect_async(redis_url) as client:
        yield client
