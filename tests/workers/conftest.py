"""Fixtures of the workers' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.workers.shop_floor import ShopFloor


@pytest.fixture
def floor(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[ShopFloor]:
    """A bot's channel in an empty Redis, with a way to start workers."""
    floor = ShopFloor(redis, redis_url, tmp_path)
    yield floor
    floor.close()
