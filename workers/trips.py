"""Round trips to Redis that the tasks of an event loop share: what is asked for while one is under way goes with the next.

A trip's overhead is most of what a command costs a Python process, so many chats at once cost little more than one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from workers.scripts import Arg, Call, Script, encode

T = TypeVar("T")

_AT_ONCE = 200
"""Commands in one trip at most, so that Redis is not kept from others for long."""


class Trips:
    """The trips over one client. Commands are carried out in the order in which they were asked for."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[tuple[bytes, ...], asyncio.Future[Any]]] = []
        self._travelling: asyncio.Task[None] | None = None

    async def command(self, *command: Arg) -> Any:
        """Send a command that may be sent again after a lost reply. Raises RedisError."""
        encoded = encode(*command)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((encoded, future))
        if self._travelling is None:
            self._travelling = asyncio.create_task(self._travel())
        return await future

    async def make(self, call: Call[T]) -> T:
        """Make a call of a script. Raises RedisError."""
        try:
            return call.read(await self.command(*call.command))
        except NoScriptError:
            return call.read(await self.command(*call.whole))

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg]) -> Any:
        """Run a script that may be run again after a lost reply. Raises RedisError."""
        try:
            return await self.command("EVALSHA", script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.command("EVAL", script.text, len(keys), *keys, *args)

    async def _travel(self) -> None:
        while self._waiting:
            now, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for command, _ in now:
                        pipe.execute_command(*command)
                    results = await pipe.execute(raise_on_error=False)
            except Exception as error:  # whatever it is: who waits must hear of it, and the next trip must go
                results = [error] * len(now)
            for (_, future), result in zip(now, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        self._travelling = None
