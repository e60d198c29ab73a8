"""The Lua scripts: each is one atomic step of a protocol and says at its top what it takes and returns.

A call of a script can be made by itself or with others in one round trip. Each may be made again after a lost reply.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Generic, TypeVar

import redis
from redis.exceptions import NoScriptError

T = TypeVar("T")
Arg = str | bytes | int | float


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
    command: tuple[bytes, ...] = field(init=False, repr=False)
    """As Redis is sent it. Encoded here, so that what cannot be encoded is the maker's trouble and nobody else's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", encode("EVALSHA", self.script.sha, *self._rest))

    @property
    def whole(self) -> tuple[bytes, ...]:
        """The same for a Redis that does not know the script yet."""
        return encode("EVAL", self.script.text, *self._rest)

    @property
    def _rest(self) -> tuple[Arg, ...]:
        return (len(self.keys), *self.keys, *self.args)

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
            pipe.execute_command(*call.command)
        results: list[Any] = pipe.execute(raise_on_error=False)
        for number, call in enumerate(calls):
            # Redis was started anew and does not know the script. What it does not know it has not begun.
            if isinstance(results[number], NoScriptError):
                pipe.execute_command(*call.whole)
                (results[number],) = pipe.execute(raise_on_error=False)
    return results


def encode(*parts: Arg) -> tuple[bytes, ...]:
    """The parts of a command. Raises UnicodeEncodeError for half a surrogate pair, which UTF-8 does not have."""
    return tuple(
        part if isinstance(part, bytes) else (part if isinstance(part, str) else str(part)).encode()
        for part in parts
    )


@cache
def _sha(text: str) -> str:
    return sha1(text.encode()).hexdigest()
