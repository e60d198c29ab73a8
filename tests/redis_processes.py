"""Redis servers and sentinels of a test's own, on free ports of localhost, as real processes."""

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from redis import Redis, RedisError

from workers.embedded_redis import die_with_parent, find_redis_server


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def full_redis_server() -> str:
    """The `redis-server` on PATH; skips the test without one, since the embedded one has neither TLS nor sentinels."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("needs a redis-server on PATH: apt install redis-server")
    return found


class RedisProcess:
    """One `redis-server` with these lines of configuration, or a sentinel. Its folder keeps what it writes."""

    def __init__(self, folder: Path, *lines: str, port: int = 0, sentinel: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.folder = folder
        self._sentinel = sentinel
        own = (f"port {self.port}", "bind 127.0.0.1", f'dir "{folder}"', f'logfile "{folder}/log"')
        self._config = folder / "redis.conf"
        self._config.write_text("\n".join([*own, *([] if sentinel else ['save ""']), *lines]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; it may not answer yet."""
        server = full_redis_server() if self._sentinel else find_redis_server()
        self._process = subprocess.Popen(
            [server, str(self._config), *(["--sentinel"] if self._sentinel else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        return self

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, **options: object) -> Redis:
        """A client with text replies."""
        return Redis(host="127.0.0.1", port=self.port, decode_responses=True, **options)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def until_answered(client: Redis, seconds: float = 20.0) -> None:
    """Wait until a server answers a PING."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisError):
            client.ping()
            return
        time.sleep(0.05)
    raise AssertionError("Redis did not answer in time")
