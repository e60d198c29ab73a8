"""The Lua scripts: each is one atomic step of a protocol and says at its top what it takes and returns.

A call of a script can be made by itself or with others in one round trip. Each may be made again after a lost reply.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio
from redis.exceptions import NoScriptError

T = TypeVar("T")
Arg = str | int | float


@dataclass(frozen=True)
class Script:
    """A script and the name by which Redis knows it once it has seen it."""

    text: str

    @property
    def sha(self) -> str:
        """SHA1 of the text, in hex."""
        return _sha(self.text)


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that is still to be made. `read` turns what Redis returns into what the caller wants.

    Calling it makes it over `connection`, now and alone.
    """

    script: Script
    keys: Sequence[str]
    args: Sequence[Arg]
    read: Callable[[Any], T]
    connection: redis.Redis

    def __call__(self) -> T:
        """Make the call. Raises RedisError."""
        (result,) = make_calls(self.connection, [self])
        if isinstance(result, Exception):
            raise result
        return self.read(result)


@cache
def load_script(name: str) -> Script:
    """The script `lua/<name>.lua`."""
    return Script(files("workers").joinpath("lua", f"{name}.lua").read_text())


def make_calls(connection: redis.Redis, calls: Sequence[Call[Any]]) -> list[Any]:
    """Make calls in their order in one round trip; for each what Redis returned, or the error that it alone ran into.

    Raises RedisError if the trip itself failed; any of the calls may have been made then.
    """
    with connection.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        results = pipe.execute(raise_on_error=False)
        for number in _unknown(results):
            call = calls[number]
            pipe.eval(call.script.text, len(call.keys), *call.keys, *call.args)
            (results[number],) = pipe.execute(raise_on_error=False)
    return results


async def make_calls_async(connection: redis.asyncio.Redis, calls: Sequence[Call[Any]]) -> list[Any]:
    """The same for asyncio."""
    async with connection.pipeline(transaction=False) as pipe:
        for call in calls:
            pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        results = await pipe.execute(raise_on_error=False)
        for number in _unknown(results):
            call = calls[number]
            pipe.eval(call.script.text, len(call.keys), *call.keys, *call.args)
            (results[number],) = await pipe.execute(raise_on_error=False)
    return results


def _unknown(results: Sequence[object]) -> list[int]:
    """Calls whose script Redis does not know: it was started anew. It has not begun them."""
    return [number for number, result in enumerate(results) if isinstance(result, NoScriptError)]


@cache
def _sha(text: str) -> str:
    return sha1(text.encode()).hexdigest()
