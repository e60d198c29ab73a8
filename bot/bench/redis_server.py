"""A Redis with an append-only file that can be killed and started again on the same file."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis.asyncio

from bot.stack import StackError
from workers.connection import connect_async
from workers.embedded_redis import die_with_parent, find_redis_server

Fsync = Literal["always", "everysec"]

_START_SECONDS = 20.0


class RedisServer:
    """Runs from entering to leaving the context, on a Unix socket in `folder`, whose path must be short."""

    def __init__(self, folder: Path, fsync: Fsync) -> None:
        self.socket = folder / "redis.sock"
        self._folder = folder
        self._fsync = fsync
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    @property
    def url(self) -> str:
        """Its own address, which no fault of the network touches."""
        return f"unix://{self.socket}?db=0"

    def client(self) -> redis.asyncio.Redis:
        """A client of the kind that the bot uses; returns text."""
        return connect_async(self.url)

    async def start(self) -> None:
        """Start it and wait until it has read its file. Raises StackError."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
        }
        self._process = await asyncio.create_subprocess_exec(
            find_redis_server(),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        try:
            async with asyncio.timeout(_START_SECONDS), self.client() as client:
                while True:
                    with contextlib.suppress(redis.ConnectionError):  # also while it reads its file
                        await client.ping()
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise StackError(f"Redis did not answer within {_START_SECONDS:g} s") from None

    async def kill(self) -> None:
        """SIGKILL: nothing is written any more."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
