"""`kefu demo`: the whole shop assistant on this machine, with a chat page instead of Telegram."""

import asyncio
import contextlib
import re
import signal
import socket
import sys
import webbrowser
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from bot.monitor.access import Access, Links
from bot.sandbox.client import SandboxClient
from bot.stack import ADMIN_ID, TOKEN, Stack, StackError

Result = TypeVar("Result")

DEFAULT_PORT = 8765
FIRST_REPLY_SECONDS = 120.0
CUSTOMERS = {"en": 1, "zh": 2}
"""Demo users of the sandbox that are customers of the demo shop, by the language they write in."""


def run_demo(*, port: int | None, open_browser: bool, once: str | None, shop: Path | None = None) -> int:
    """Run until interrupted, or until one reply was printed. Returns the exit code."""
    settings = {"KEFU_SHOP": str(shop.resolve())} if shop else {}
    try:
        if once is not None:
            return asyncio.run(_ask_once(once, settings))
        return asyncio.run(_serve(DEFAULT_PORT if port is None else port, open_browser, settings))
    except StackError as error:
        print(f"kefu demo: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        hint = " Choose another one with --port." if port is not None or once is None else ""
        print(f"kefu demo: {error.strerror or error}.{hint}", file=sys.stderr)
        return 2


async def _ask_once(text: str, settings: Mapping[str, str]) -> int:
    if not text.strip():
        print("kefu demo: --once needs a message that is not empty", file=sys.stderr)
        return 2
    user = CUSTOMERS["zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"]
    async with Stack(environment=settings) as stack, SandboxClient(stack.sandbox.url) as client:
        await client.send(user, text)
        reply = await _watching(stack, client.wait_for_reply(user, timeout=FIRST_REPLY_SECONDS))
    print(reply["text"])
    return 0


async def _serve(port: int, open_browser: bool, settings: Mapping[str, str]) -> int:
    console = Console()
    with console.status("Starting Redis, Telegram on localhost, the bot and a worker …"):
        dashboard_port = _free_port()
        environment = {**settings, "KEFU_HTTP_PORT": str(dashboard_port)}
        stack = await Stack(port=port, environment=environment).__aenter__()
    async with contextlib.AsyncExitStack() as undo:
        undo.push_async_exit(stack)
        links = Links(Access(TOKEN, {ADMIN_ID}), f"http://127.0.0.1:{dashboard_port}")
        for name, address in {
            "Chat page": f"{stack.sandbox.url}/",
            "Dashboard": links.for_admin(ADMIN_ID),
        }.items():
            console.print(f"{name:10}  [link]{address}[/link]", soft_wrap=True)
        console.print(
            f"Customers write in the columns; user {ADMIN_ID} is the shop's admin: /queues shows the queues there,"
            " /dashboard sends a new link when this one is used or ten minutes old."
        )
        console.print("Stop with Ctrl-C.")
        if open_browser:
            await asyncio.to_thread(webbrowser.open, f"{stack.sandbox.url}/")
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await _watching(stack, stopped.wait())
        console.print("Stopping …")
    return 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def _watching(stack: Stack, wanted: Coroutine[None, None, Result]) -> Result:
    """Wait for `wanted`; raise StackError as soon as a part of the stack has ended instead."""
    task = asyncio.ensure_future(wanted)
    try:
        while not (await asyncio.wait({task}, timeout=0.5))[0]:
            stack.check()
        return task.result()
    finally:
        task.cancel()
