"""`kefu sandbox`: Telegram on localhost until it is stopped."""

import asyncio
import signal

from bot.sandbox.server import Sandbox
from workers.settings import SettingsError


async def run(
    host: str = "127.0.0.1", port: int = 8081, token: str = "1:sandbox", *, limits: bool = True
) -> None:
    """Serve until SIGINT or SIGTERM. Raises SettingsError for a port or token that cannot be used."""
    try:
        sandbox = Sandbox(token, host=host, port=port, limits=limits)
    except ValueError as error:
        raise SettingsError(f"--token: {error}") from None
    try:
        await sandbox.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from None
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        print(f"Telegram's Bot API and the chat page: {sandbox.url}/", flush=True)
        await stopped.wait()
    finally:
        await sandbox.stop()
