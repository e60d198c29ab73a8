"""`kefu bot` as a process: what its operator did wrong, what it weighs, what it never writes down."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bot.conftest import TOKEN, Shop
from workers import logs

ROOT = Path(__file__).parents[2]
MEMORY_LIMIT = 256 * 2**20
pytestmark = pytest.mark.timeout(240)


def environment(shop: Shop | None = None, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEFU_")}
    ours = {"KEFU_HTTP_PORT": "0", "KEFU_REDIS_URL": "redis://127.0.0.1:1/0"}
    if shop is not None:
        ours |= {"KEFU_REDIS_URL": shop.settings.redis_url or "", "KEFU_TELEGRAM_API": shop.sandbox.url}
    return kept | {"PYTHONPATH": str(ROOT)} | ours | settings


async def end_of_bot(tmp_path: Path, settings: dict[str, str]) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "bot"), env=settings, cwd=tmp_path, stderr=subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 150)
    return process.returncode or 0, errors.decode().strip().splitlines()


async def test_without_a_token_it_says_where_to_get_one(tmp_path: Path) -> None:
    code, lines = await end_of_bot(tmp_path, environment())
    assert code == 2 and len(lines) == 1
    assert "KEFU_BOT_TOKEN" in lines[0] and "@BotFather" in lines[0]


async def test_a_token_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    code, lines = await end_of_bot(tmp_path, environment(KEFU_BOT_TOKEN="not-a-token"))
    assert code == 2 and len(lines) == 1
    assert "@BotFather" in lines[0] and "not-a-token" not in lines[0]


async def test_a_token_that_telegram_refuses(idle_shop: Shop, tmp_path: Path) -> None:
    code, lines = await end_of_bot(tmp_path, environment(idle_shop, KEFU_BOT_TOKEN="7:other"))
    assert code == 2
    assert "Telegram refuses the token" in lines[-1] and "7:other" not in "\n".join(lines)


async def test_a_port_in_use(idle_shop: Shop, tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines = await end_of_bot(
            tmp_path, environment(idle_shop, KEFU_BOT_TOKEN=TOKEN, KEFU_HTTP_PORT=port)
        )
    assert code == 2 and len(lines) == 1
    assert port in lines[0] and "KEFU_HTTP_PORT" in lines[0]


@pytest.mark.timeout(60)
def test_the_bot_is_light_and_loads_no_model() -> None:
    program = (
        "import sys, bot.main, bot.cli, psutil\n"
        "heavy = {'torch', 'model', 'transformers', 'tokenizers', 'numpy'} & set(sys.modules)\n"
        "print(psutil.Process().memory_info().rss, *sorted(heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    memory, *heavy = result.stdout.split()
    assert heavy == []
    assert int(memory) < MEMORY_LIMIT


def test_a_crash_does_not_show_the_token(tmp_path: Path) -> None:
    program = (
        "import bot.main\n"
        "from workers.settings import load_settings\n"
        "async def run(settings): raise RuntimeError(f'/bot{settings.bot_token.get_secret_value()}/getMe')\n"
        "bot.main.run = run\n"
        "bot.main.main(load_settings())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(KEFU_BOT_TOKEN=TOKEN),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "/bot[secret]/getMe" in result.stderr and TOKEN not in result.stderr


def test_no_token_gets_into_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    real = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"
    try:
        logs.configure(secrets=["7:sandbox"])
        try:
            raise RuntimeError(f"https://api.telegram.org/bot{real}/getMe")
        except RuntimeError:
            logging.getLogger("test").exception("no call with 7:sandbox, %s", real, extra={"update_id": 5})
    finally:
        root.handlers[:], root.level = handlers, level
    line = capsys.readouterr().err
    assert real not in line and "7:sandbox" not in line
    assert '"update_id": 5' in line and "[token]" in line and "[secret]" in line


async def test_a_stop_while_it_waits_for_redis_is_orderly(idle_shop: Shop, tmp_path: Path) -> None:
    settings = environment(idle_shop, KEFU_BOT_TOKEN=TOKEN, KEFU_REDIS_URL="redis://127.0.0.1:1/0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "bot"), env=settings, cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert process.stderr and b"Redis does not answer" in await asyncio.wait_for(
        process.stderr.readline(), 20
    )
    process.terminate()
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, errors) == (0, b"")


async def test_a_second_bot_with_the_same_token_is_refused_and_disturbs_nobody(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.client.send(1, "hello")
    await shop.until(lambda: shop.inbox(1))
    code, lines = await end_of_bot(tmp_path, environment(shop, KEFU_BOT_TOKEN=TOKEN))
    line = lines[-1]
    assert code == 2
    assert "another `kefu bot` runs with this token" in line and str(os.getpid()) in line
    await shop.client.send(1, "still there?")
    await shop.until(lambda: len(shop.inbox(1)) == 2)
    conflicts = [call for call in await shop.client.calls("getUpdates") if call["error_code"] == 409]
    assert conflicts == []


async def test_a_bot_that_was_stopped_for_long_finds_its_place_taken(idle_shop: Shop, tmp_path: Path) -> None:
    shop = idle_shop
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "bot"),
        env=environment(shop, KEFU_BOT_TOKEN=TOKEN),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    await shop.until(lambda: shop.redis.exists(shop.names.poller), 120)
    process.send_signal(signal.SIGSTOP)
    await shop.start_bot()
    await shop.until(lambda: str(os.getpid()).encode() in (shop.redis.get(shop.names.poller) or b""), 30)
    process.send_signal(signal.SIGCONT)
    _, errors = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 2 and b"another `kefu bot` runs with this token" in errors.splitlines()[-1]
    await shop.client.send(1, "hello")
    await shop.until(lambda: shop.inbox(1), 15)
