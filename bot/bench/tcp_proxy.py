"""A TCP proxy before Redis, one for each process, that fails as networks do and springs traps on what passes.

It knows bytes only. Requests and replies are seen as they come off the wire, so what a trap waits for must be
short enough to lie in one piece.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Trap:
    """Springs at the first request that contains `pattern`, whose reply is lost with its connection.

    forward: whether the request still reaches Redis.
    """

    pattern: bytes
    forward: bool
    spring: Callable[[], None]


@dataclass(eq=False)
class _Link:
    """One connection with its other half. `loses_replies`: the next reply ends it instead of arriving."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    loses_replies: bool = False

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class TcpProxy:
    """Listens on a free port of localhost and relays to the Unix socket `upstream`."""

    def __init__(self, upstream: str) -> None:
        self.port = 0
        self._upstream = upstream
        self._links: set[_Link] = set()
        self._trap: Trap | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def redis_url(self) -> str:
        """The address for a client of Redis."""
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """End all connections; new ones are welcome."""
        for link in self._links:
            link.abort()

    def lose_replies(self) -> None:
        """End each connection that is open now in place of its next reply: Redis has done what it was asked."""
        for link in self._links:
            link.loses_replies = True

    async def be_away(self, seconds: float) -> None:
        """End all connections and refuse new ones for a while."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.sleep(seconds)
        await self._listen()

    async def be_silent(self, seconds: float) -> None:
        """Hold everything back for a while, as a network does that drops packets."""
        self._flowing.clear()
        await asyncio.sleep(seconds)
        self._flowing.set()

    def set_trap(self, trap: Trap | None) -> None:
        """Set the one trap, or take it away."""
        self._trap = trap

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, requests: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            replies, server = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            client.transport.abort()
            return
        link = _Link(client, server)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump_requests(requests, link)),
            asyncio.create_task(self._pump_replies(replies, link)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._links.discard(link)
            link.abort()

    async def _pump_requests(self, requests: asyncio.StreamReader, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while data := await requests.read(65536):
                await self._flowing.wait()
                trap = self._trap
                if trap is not None and trap.pattern in data:
                    self._trap = None
                    await self._spring(trap, data, link)
                    return
                link.server.write(data)
                await link.server.drain()

    async def _spring(self, trap: Trap, data: bytes, link: _Link) -> None:
        link.loses_replies = True
        try:
            if trap.forward:
                link.server.write(data)
                await link.server.drain()
                await asyncio.sleep(0.05)  # Cut short by the reply, which says that Redis is done.
        finally:
            trap.spring()

    async def _pump_replies(self, replies: asyncio.StreamReader, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while data := await replies.read(65536):
                await self._flowing.wait()
                if link.loses_replies:
                    return
                link.client.write(data)
                await link.client.drain()
