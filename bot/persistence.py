"""Waiting for Redis: a step that may run twice is repeated until Redis has answered it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from workers.connection import is_outage, refuse_credentials

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_LOG_EVERY = 30.0


class NotAnswered(RuntimeError):
    """Redis did not answer within the patience that there was."""


async def until_answered(step: Callable[[], Awaitable[Result]], patience: float | None = None) -> Result:
    """Repeat `step` through an outage, for ever or for `patience` seconds; it says so once, then every 30 s.

    Raises NotAnswered when the patience is over, and at once any error that is no outage.
    """
    clock = asyncio.get_running_loop().time
    started, logged, pause = clock(), float("-inf"), _FIRST_PAUSE
    while True:
        try:
            return await step()
        except RedisError as error:
            if not is_outage(error):
                raise
            if patience is not None and clock() - started >= patience:
                raise NotAnswered from error
            if clock() - logged >= _LOG_EVERY:
                logged = clock()
                log.warning(
                    "Redis does not answer; nothing is confirmed until it does",
                    extra={"error": type(error).__name__},
                )
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def wait_for_redis(redis: Redis) -> None:
    """Return when Redis answers. Raises SettingsError if it refuses us."""

    async def ping() -> None:
        try:
            await redis.ping()
        except RedisError as error:
            refuse_credentials(error)
            raise

    await until_answered(ping)
