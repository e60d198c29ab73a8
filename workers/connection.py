"""Connections to Redis: alone, over TLS or found by sentinels, and what an error says about them.

They repeat no command by themselves, whoever uses them knows what may be repeated. Knows no key and no command.
"""

import asyncio
import re
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.sentinel import is_sentinel, parse_service
from workers.settings import SettingsError

_PATIENCE = {"socket_timeout": 5, "socket_connect_timeout": 5, "health_check_interval": 15}
_OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
)
_OUTAGE_CODE = re.compile("(^|-)(OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN) ")
"""What redis-py has no class for; in the error of a script the code may stand inside."""


def connect(url: str, *, decode_responses: bool = False) -> redis.Redis:
    """A client that never repeats a command by itself.

    redis-py 8 repeats up to ten times by default, and a transaction whose reply was lost then runs twice. Here
    an error comes to the caller, who knows whether the whole step may be repeated.
    """
    options: dict[str, Any] = {
        "decode_responses": decode_responses,
        "retry": Retry(NoBackoff(), 0),
        **_PATIENCE,
    }
    with _clear_url_error():
        if is_sentinel(url):
            return parse_service(url).client(**options)
        return redis.Redis.from_url(url, **options)


def connect_async(url: str, *, decode_responses: bool = True) -> redis.asyncio.Redis:
    """The same for asyncio."""
    options: dict[str, Any] = {
        "decode_responses": decode_responses,
        "retry": AsyncRetry(NoBackoff(), 0),
        **_PATIENCE,
    }
    with _clear_url_error():
        if is_sentinel(url):
            client = parse_service(url).client_async(**options)
        else:
            client = redis.asyncio.Redis.from_url(url, **options)
    client.connection_pool.connection_class = _cancellable(client.connection_pool.connection_class)
    return client


def _cancellable(connection: type[AsyncConnection]) -> type[AsyncConnection]:
    """A kind of connection whose commands can be cancelled at any moment.

    redis-py sends within `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes just as the
    send ends (python/cpython#86296): a loop that was told to end then runs for ever, and its program with it.
    """

    class Cancellable(connection):  # type: ignore[misc,valid-type]
        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            if not self.is_connected:
                await self.connect_check_health(check_health=False)
            if check_health:
                await self.check_health()
            seconds = self.socket_timeout  # type: ignore[has-type]
            self.socket_timeout = None  # so that redis-py just sends
            try:
                async with asyncio.timeout(seconds):
                    await super().send_packed_command(command, check_health=False)
            except TimeoutError:
                raise redis.TimeoutError("Timeout writing to socket") from None
            finally:
                self.socket_timeout = seconds

    return Cancellable


def refuse_credentials(error: Exception) -> None:
    """Raise SettingsError if Redis has said that we may not in, which no waiting mends."""
    if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
        raise SettingsError(
            "KEFU_REDIS_URL: Redis refuses this user or password. Write redis://USER:PASSWORD@host:6379/0, with"
            " what is not a letter or a digit as %XX; what the user must be allowed: docs/security.md."
        ) from None


def is_outage(error: BaseException) -> bool:
    """Whether the same command can succeed once Redis is well again: it is away, starting, failing over, or full."""
    if isinstance(error, _OUTAGES):
        return True
    return isinstance(error, redis.ResponseError) and _OUTAGE_CODE.search(str(error)) is not None


class _clear_url_error:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ValueError):
            raise SettingsError(
                "KEFU_REDIS_URL: not an address of a Redis; write redis://host:6379/0, rediss://… (TLS), unix:///path,"
                " or sentinel://host1:26379,host2:26379/SERVICE."
            ) from None
