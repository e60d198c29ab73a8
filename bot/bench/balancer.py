"""What stands before several bots in webhook mode: hands each update to the next one that takes connections.

It believes nothing and changes nothing; a bot that dies with an update in its hands makes the call fail, and Telegram
brings the update again.
"""

import itertools
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, web

_PASSED_ON = ("Content-Type", "X-Telegram-Bot-Api-Secret-Token")
_SECONDS = 10.0
"""Less than a bot may take while Redis is away: one that hangs must not hold up all updates for a minute."""


class Balancer:
    """Listens on a free port of localhost from entering to leaving the context; `ports` are those of the bots."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.url = ""
        self._ports = ports
        self._turn = itertools.count()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(timeout=ClientTimeout(total=_SECONDS))
        app = web.Application()
        app.router.add_post("/telegram", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/telegram"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        first = next(self._turn)
        for number in range(len(self._ports)):
            port = self._ports[(first + number) % len(self._ports)]
            address = f"http://127.0.0.1:{port}{urlsplit(self.url).path}"
            try:
                async with self._session.post(address, data=body, headers=headers) as response:
                    return web.Response(status=response.status)
            except ClientConnectorError:
                continue
            except (ClientError, TimeoutError):
                break  # it may have taken the update: Telegram is to bring it again, not we
        return web.Response(status=502)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
