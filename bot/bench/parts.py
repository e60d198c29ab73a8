"""The processes that a run breaks: one bot and some workers, each behind its own proxy to Redis.

What ends, for whatever reason, is started again a moment later, as docker compose does.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from types import TracebackType
from typing import Self

from bot.bench.tcp_proxy import TcpProxy
from bot.stack import Stack

RESTART_SECONDS = 1.0
_ENDED_AS_TOLD = (0, -signal.SIGKILL, -signal.SIGTERM)

BOT = "bot"


class Parts:
    """Keeps the parts running from entering to leaving the context."""

    def __init__(self, stack: Stack, redis_socket: str, workers: int) -> None:
        self.workers = [f"worker-{number + 1}" for number in range(workers)]
        self.proxies = {name: TcpProxy(redis_socket) for name in (BOT, *self.workers)}
        self.restarts: Counter[str] = Counter()
        self.crashes: list[str] = []
        self._stack = stack
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as undo:
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

    async def _keep_running(self, name: str) -> None:
        command = BOT if name == BOT else "worker"
        settings = {"KEFU_REDIS_URL": self.proxies[name].redis_url}
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
