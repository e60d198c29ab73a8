"""All of kefu on one machine: a private Redis, Telegram on localhost, the bot and a worker as real processes.

The demo and the end-to-end tests run on it. Everything it starts ends with it, even if it is killed itself.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.sandbox.server import Sandbox
from workers.embedded_redis import die_with_parent, private_redis

TOKEN = "1000001:sandbox"
"""The token of the sandbox's bot; no secret, it opens nothing but the sandbox."""

ADMIN_ID = 9


class StackError(RuntimeError):
    """A part of the stack ended or did not come up; the text ends with its last lines of log."""


class Stack:
    """Starts the parts when entered and stops them when left.

    environment: settings for bot and worker (`KEFU_…`), over the stack's own; kept in `settings`, where they can be
                 changed for what is started later.
    workers:     how many workers to start; 0 leaves the queue to wait.
    redis_url:   a Redis that somebody else keeps running, in place of a private one.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        workers: int = 1,
        run_bot: bool = True,
        limits: bool = True,
        environment: Mapping[str, str] | None = None,
        redis_url: str = "",
    ) -> None:
        self.sandbox = Sandbox(TOKEN, port=port, limits=limits)
        self.redis_url = redis_url
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._workers = workers
        self._run_bot = run_bot
        self.settings = dict(environment or {})
        self._exit = contextlib.AsyncExitStack()
        self._folder = Path()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as undo:
            self._folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="kefu-")))
            if not self.redis_url:
                self.redis_url = undo.enter_context(private_redis(self._folder))
            await undo.enter_async_context(self.sandbox)
            undo.push_async_callback(self.stop)
            if self._run_bot:
                await self.start("bot")
            for number in range(self._workers):
                await self.start("worker", name=f"worker-{number + 1}")
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def start(
        self, command: str, name: str | None = None, settings: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start `kefu bot` or `kefu worker`; `name` is what the stack calls the process, `settings` are its own."""
        return await self.run("bot.cli", command, name=name or command, settings=settings)

    async def run(
        self, module: str, *arguments: str, name: str, settings: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start a Python module as one of the stack's processes."""
        with self._log(name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, *arguments),
                env={**self.environment(), **(settings or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        self.processes[name] = process
        return process

    async def kill(self, name: str) -> None:
        """SIGKILL, and wait until the process is gone."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """Ask every process to end; kill what still runs ten seconds later."""
        processes, self.processes = list(self.processes.values()), {}
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await asyncio.gather(*(process.wait() for process in processes))
        except TimeoutError:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*(process.wait() for process in processes))

    def environment(self) -> dict[str, str]:
        """What bot and worker find in their environment."""
        ours = {
            "KEFU_BOT_TOKEN": TOKEN,
            "KEFU_TELEGRAM_API": self.sandbox.url,
            "KEFU_REDIS_URL": self.redis_url,
            "KEFU_ADMIN_IDS": str(ADMIN_ID),
            "KEFU_HTTP_PORT": "0",
            "OMP_NUM_THREADS": "1",
        }
        return {**os.environ, **ours, **self.settings}

    def check(self) -> None:
        """Raise StackError if a process has ended on its own."""
        for name, process in self.processes.items():
            if process.returncode is not None:
                raise StackError(f"{name} ended with code {process.returncode}:\n{self.log_tail(name)}")

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last lines that a process wrote."""
        log = self._log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def log_lines(self, part: str) -> list[str]:
        """Every line of every process that contains `part`, with the process's name before it."""
        return [
            f"{log.stem}: {line}"
            for log in sorted(self._folder.glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if part in line
        ]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
