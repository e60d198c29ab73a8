"""Redis as shops run it: with users and passwords, with TLS, starting with a large file, read-only for a while."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import BusyLoadingError

from tests.end_to_end.running import ENGLISH, run, until
from tests.redis_processes import RedisProcess, free_port, full_redis_server, until_answered
from workers.connection import connect

ROOT = Path(__file__).parents[2]
ECHO = {"KEFU_MODEL": "echo"}
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """With an append-only file, on TCP."""
    with RedisProcess(tmp_path / "redis", "appendonly yes") as server:
        until_answered(server.client())
        yield server


def url_of(server: RedisProcess) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


async def test_bot_and_worker_wait_while_redis_reads_its_file(server: RedisProcess) -> None:
    async with run(environment=ECHO, redis_url=url_of(server)) as kefu:
        await kefu.client.send(ENGLISH, "one")
        await kefu.client.wait_for_reply(ENGLISH, timeout=120)
        with server.client() as client:
            with client.pipeline(transaction=False) as pipe:
                for number in range(8000):  # it looks at its clients after every thousand
                    pipe.set(f"ballast:{number}", "x")
                pipe.execute()
        server.kill()
        config = server.folder / "redis.conf"
        config.write_text(config.read_text() + "key-load-delay 1000\n")
        server.start()
        await until(lambda: is_loading(server), 60)
        await kefu.client.send(ENGLISH, "two")
        assert is_loading(server)
        await kefu.client.wait_for_reply(ENGLISH, timeout=120)
        await kefu.is_quiet()
        assert await kefu.replies(ENGLISH) == ["one", "two"]
        kefu.stack.check()


async def test_bot_and_worker_wait_while_redis_is_read_only(server: RedisProcess) -> None:
    """As between a master's demotion and the moment in which its clients hear of the new one."""
    async with run(environment=ECHO, redis_url=url_of(server)) as kefu:
        await kefu.client.send(ENGLISH, "one")
        await kefu.client.wait_for_reply(ENGLISH, timeout=120)
        with server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
            await kefu.client.send(ENGLISH, "two")
            await until(lambda: kefu.stack.log_lines("Redis is away"), 60)
            await until(lambda: kefu.stack.log_lines("nothing is confirmed until it does"), 60)
            client.execute_command("REPLICAOF", "NO", "ONE")
        await kefu.client.wait_for_reply(ENGLISH, timeout=120)
        await kefu.is_quiet()
        assert await kefu.replies(ENGLISH) == ["one", "two"]
        kefu.stack.check()


def acl_rule() -> str:
    """What the security page tells an operator to give to kefu's user."""
    page = (ROOT / "docs/security.md").read_text()
    found = re.search(r"^    (user kefu on .*)$", page, re.MULTILINE)
    assert found
    return found[1].replace("PASSWORD", "pa55%word")


async def test_everything_runs_as_the_user_of_the_security_page_over_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    port = free_port()
    lines = (
        f"tls-port {port}",
        "tls-auth-clients no",
        *(f'tls-{name} "{tmp_path}/{file}"' for name, file in certificate.items()),
        "user default off",
        "user admin on >admin ~* &* +@all",
        acl_rule(),
    )
    full_redis_server()
    url = f"rediss://kefu:pa55%25word@localhost:{port}/0?ssl_ca_certs={tmp_path}/cert.pem"
    with RedisProcess(tmp_path / "redis", *lines) as server:
        admin = server.client(username="admin", password="admin")
        until_answered(admin)
        async with run(environment=ECHO, redis_url=url) as kefu:
            await kefu.client.send(ENGLISH, "one")
            await kefu.client.wait_for_reply(ENGLISH, timeout=120)
            await kefu.client.send(9, "/queues")
            assert "worker" in (await kefu.client.wait_for_reply(9, timeout=120))["text"].lower()
            await kefu.stack.kill("worker-1")
            await kefu.stack.start("worker")
            await kefu.client.send(ENGLISH, "/forget")
            asked = await kefu.client.wait_for_reply(ENGLISH)
            await kefu.client.press(ENGLISH, asked["message_id"], "forget:yes")
            await kefu.client.wait_for_reply(ENGLISH)
            await kefu.client.send(ENGLISH, "two")
            assert (await kefu.client.wait_for_reply(ENGLISH, timeout=120))["text"] == "two"
        denied = [entry["object"] for entry in admin.acl_log() if entry["username"] == "kefu"]
        assert denied == []
        with connect(url) as client, pytest.raises(Exception, match="NOPERM|permission"):
            client.flushall()
        for secret in ("pa55", "admin"):
            assert not kefu.stack.log_lines(secret)
        admin.close()


@pytest.mark.parametrize("program", ["bot", "worker"])
def test_a_wrong_password_ends_the_start_with_one_line(tmp_path: Path, program: str) -> None:
    with RedisProcess(tmp_path / "redis", "requirepass right") as server:
        until_answered(server.client(password="right"))
        settings = {
            "KEFU_REDIS_URL": f"redis://:wr0ng@127.0.0.1:{server.port}/0",
            "KEFU_BOT_TOKEN": "7:sandbox",
            "KEFU_TELEGRAM_API": "http://127.0.0.1:1",
            "KEFU_HTTP_PORT": "0",
            **ECHO,
        }
        command = [os.sys.executable, "-m", "bot.cli", program]  # type: ignore[attr-defined]
        environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=40
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "KEFU_REDIS_URL" in line and "wr0ng" not in line


def is_loading(server: RedisProcess) -> bool:
    try:
        with connect(url_of(server)) as client:  # which repeats nothing by itself
            client.ping()
    except BusyLoadingError:
        return True
    except Exception:
        return False
    return False


def make_certificate(folder: Path) -> dict[str, str]:
    """A certificate for localhost that it has signed itself; the names of the files by their settings."""
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {folder}/key.pem -out {folder}/cert.pem"
        " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("needs openssl on PATH to make a certificate")
    return {"cert-file": "cert.pem", "key-file": "key.pem", "ca-cert-file": "cert.pem"}
