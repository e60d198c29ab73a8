"""`kefu init` as a process, with a terminal and without, against the sandbox and a real Redis."""

import asyncio
import contextlib
import fcntl
import io
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.cli import main
from bot.wizard import write_settings
from tests.bot.conftest import TOKEN, Shop
from tests.bot.test_process import environment

pytestmark = pytest.mark.timeout(600)


async def init(
    tmp_path: Path, settings: dict[str, str], *options: str, typed: str = ""
) -> tuple[int, str, str]:
    """Exit code and both outputs of `kefu init` without a terminal."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", "init", *options),
        env=settings,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(typed.encode()), 200)
    return process.returncode or 0, output.decode(), errors.decode()


class Terminal:
    """`kefu init` in a terminal of its own, and a person who reads before they type."""

    def __init__(self, tmp_path: Path, settings: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot.cli", "init"],
            env=settings | {"TERM": "dumb"},
            cwd=tmp_path,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # where a hidden question is asked
        )
        os.close(slave)

    def expect(self, text: str, seconds: float = 150) -> str:
        """Read until `text` has come since it was last expected; all that came with it."""
        os.set_blocking(self._master, False)
        deadline, come = time.monotonic() + seconds, ""
        while text not in come:
            assert time.monotonic() < deadline, f"{text!r} did not come, but: {come}"
            with contextlib.suppress(BlockingIOError):
                if not (part := os.read(self._master, 4096)):
                    raise AssertionError(f"it ended without {text!r}: {come}")
                come += part.decode(errors="replace")
            time.sleep(0.02)
        self.seen += come
        return come

    def type(self, text: str) -> None:
        """A line. A hidden question turns off the echo before it shows itself, so this may come at once."""
        os.write(self._master, f"{text}\n".encode())


async def test_a_newcomer_is_led_through_and_a_wrong_answer_is_asked_again(
    idle_shop: Shop, tmp_path: Path
) -> None:
    given = environment(idle_shop, KEFU_DATA_DIR=str(tmp_path))
    redis_url = given.pop("KEFU_REDIS_URL")
    terminal = Terminal(tmp_path, given)

    def answer() -> None:
        terminal.expect("Token")
        terminal.type("7:wrong")
        assert "refuses the token" in terminal.expect("Use it all the same?")
        terminal.type("n")
        terminal.expect("Token")
        terminal.type(TOKEN)
        terminal.expect("Admins:")
        assert f"@{idle_shop.sandbox.telegram.username}" in terminal.seen
        terminal.type("9")
        terminal.expect("Shop's folder:")
        terminal.type("")
        terminal.expect("Model [builtin]:")
        terminal.type("echo")
        terminal.expect("Redis:")
        terminal.type(redis_url)
        terminal.expect("kefu bot")

    await asyncio.to_thread(answer)
    assert await asyncio.to_thread(terminal.process.wait, 150) == 0
    assert TOKEN not in terminal.seen and "7:wrong" not in terminal.seen
    file = tmp_path / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert dotenv_values(file) == {
        "KEFU_BOT_TOKEN": TOKEN,
        "KEFU_ADMIN_IDS": "9",
        "KEFU_MODEL": "echo",
        "KEFU_REDIS_URL": redis_url,
    }


async def test_without_a_terminal_the_answers_are_options_and_the_token_comes_by_standard_input(
    idle_shop: Shop, tmp_path: Path
) -> None:
    code, output, _ = await init(
        tmp_path,
        environment(idle_shop),
        "--token",
        "-",
        "--admins",
        "9,10",
        "--model",
        "echo",
        typed=f"{TOKEN}\n",
    )
    assert code == 0 and "✓ token" in output and output.rstrip().endswith("kefu bot")
    assert TOKEN not in output
    written = dotenv_values(tmp_path / ".env")
    assert written["KEFU_BOT_TOKEN"] == TOKEN and written["KEFU_ADMIN_IDS"] == "9,10"


async def test_what_is_wrong_leaves_the_file_as_it_was(idle_shop: Shop, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEFU_MODEL=echo\n")
    code, output, errors = await init(
        tmp_path, environment(idle_shop, KEFU_BOT_TOKEN="7:wrong"), "--admins", "me", "--redis", "localhost"
    )
    assert code == 2 and "nothing was written" in errors
    for part in ("token", "admins", "redis"):
        assert f"✗ {part}" in output
    assert (tmp_path / ".env").read_text() == "KEFU_MODEL=echo\n"


def init_here(*options: str) -> int:
    """The exit code of `kefu init`, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["init", *options])
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, to be in, without any setting in the environment."""
    for name in [name for name in os.environ if name.startswith("KEFU_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_token_on_the_command_line_is_refused_and_not_repeated(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init_here("--token", TOKEN) == 2
    output, errors = capsys.readouterr()
    assert "history" in errors and TOKEN not in output + errors
    assert not (folder / ".env").exists()


def test_nothing_is_replaced_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "# mine\nKEFU_ADMIN_IDS=5\nOTHER='a b' # kept\nKEFU_BOT_TOKEN=7:old\n"
    (folder / ".env").write_text(before)
    (folder / ".env").chmod(0o644)
    options = ("--unchecked", "--token", "-", "--admins", "9", "--model", "echo")
    monkeypatch.setattr(sys, "stdin", io.StringIO("7:new\n"))
    assert init_here(*options) == 2
    errors = capsys.readouterr().err
    assert "KEFU_BOT_TOKEN, KEFU_ADMIN_IDS" in errors and "--yes" in errors
    assert (folder / ".env").read_text() == before

    monkeypatch.setattr(sys, "stdin", io.StringIO("7:new\n"))
    assert init_here(*options, "--yes") == 0
    lines = (folder / ".env").read_text().splitlines()
    assert lines[:4] == ["# mine", "KEFU_ADMIN_IDS=9", "OTHER='a b' # kept", "KEFU_BOT_TOKEN=7:new"]
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


def test_a_folder_is_named_from_the_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "my shop").mkdir()
    monkeypatch.setenv("KEFU_BOT_TOKEN", TOKEN)
    assert init_here("--unchecked", "--shop", "my shop", "--model", "echo") == 0
    assert dotenv_values(folder / ".env")["KEFU_SHOP"] == str(folder / "my shop")
    assert dotenv_values(folder / ".env")["KEFU_BOT_TOKEN"] == TOKEN


def test_every_value_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    values = {"A": 'it\'s # a "test" \\ $HOME', "B": "redis://:p%40ss@host:6379/0", "C": "店铺/数据", "D": ""}
    write_settings(tmp_path / ".env", values)
    assert dotenv_values(tmp_path / ".env", interpolate=False) == values
