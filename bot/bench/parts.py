"""The processes that a run breaks: a bot, or several with a webhook, and some workers, each behind its own proxy to Redis.

What ends, for whatever reason, is started again a moment later, as docker compose does.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.bench.balancer import Balancer, free_ports
from bot.bench.tcp_proxy import TcpProxy
from bot.stack import Stack

RESTART_SECONDS = 1.0
_ENDED_AS_TOLD = (0, -signal.SIGKILL, -signal.SIGTERM)

BOT = "bot"


class Parts:
    """Keeps the parts running from entering to leaving the context."""

    def __init__(self, stack: Stack, redis_socket: str, workers: int, bots: int = 1) -> None:
        self.workers = [f"worker-{number + 1}" for number in range(workers)]
        self.bots = [f"{BOT}-{number + 1}" for number in range(bots)] if bots > 1 else [BOT]
        self.proxies = {name: TcpProxy(redis_socket) for name in (*self.bots, *self.workers)}
        self.restarts: Counter[str] = Counter()
        self.crashes: list[str] = []
        self._ports: dict[str, int] = {}
        self._stack = stack
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as undo:
            if len(self.bots) > 1:
                ports = free_ports(len(self.bots))
                self._ports = dict(zip(self.bots, ports, strict=True))
                balancer = await undo.enter_async_context(Balancer(ports))
                self._stack.settings["KEFU_WEBHOOK_URL"] = balancer.url
            for proxy in self.proxies.values():
                await undo.enter_async_context(proxy)
            keepers = [asyncio.create_task(self._keep_running(name)) for name in self.proxies]
            undo.push_async_callback(_cancel, keepers)
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.proxies:
            self.signal(name, signal.SIGCONT)
        await self._exit.aclose()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a part, if it runs."""
        process = self._stack.processes.get(name)
        if process is not None and process.returncode is None:
            # Not process.send_signal: that may reap a child that has just died, before asyncio does.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    async def find_sender(self) -> str:
        """The bot that delivers; any of them while none says that it does."""
        async with ClientSession(timeout=ClientTimeout(total=2)) as session:
            for name, port in self._ports.items():
                with contextlib.suppress(ClientError, TimeoutError):
                    async with session.get(f"http://127.0.0.1:{port}/health") as response:
                        if (await response.json())["leader"]:
                            return name
        return self.bots[0]

    async def _keep_running(self, name: str) -> None:
        command = BOT if name in self.bots else "worker"
        settings = {"KEFU_REDIS_URL": self.proxies[name].redis_url}
        if name in self._ports:
            settings["KEFU_HTTP_PORT"] = str(self._ports[name])
        while True:
            process = await self._stack.start(command, name, settings)
            code = await process.wait()
            self.restarts[name] += 1
            if code not in _ENDED_AS_TOLD:
                self.crashes.append(f"{name} ended with code {code}: {self._stack.log_tail(name, 3)}")
            await asyncio.sleep(RESTART_SECONDS)


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
