"""The measurement's shape; what it measures is no test, since the machine's other work is in it."""

import json
import subprocess
import sys

import pytest

from bot.bench.load import Load
from bot.bench.pipeline import Cost, cpu_seconds
from bot.sandbox.telegram import Telegram


@pytest.mark.timeout(180)
def test_the_command_prints_its_figures_as_the_last_line() -> None:
    command = [sys.executable, "-m", "bot.cli", "bench", "pipeline", "--json", "--no-always"]
    options = ["--seconds", "0.5", "--chats", "10", "--rates", "50", "--rounds", "1"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=160)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert list(figures)[:3] == ["messages_per_s", "ratio", "added_latency_ms"]
    assert list(figures["messages_per_s"]) == ["kefu", "naive"]
    assert list(figures["added_latency_ms"]) == ["p50", "p99"]
    for row in (*figures["by_chats"]["10"].values(), *figures["by_load_percent"]["50"].values()):
        assert row["messages_per_s"] > 0 and row["redis_commands"] > 0
        assert set(row["cpu_ms"]) == {"bot", "worker", "redis", "telegram"}
    assert 10 < figures["commands_sent"]["kefu"] <= 40
    assert figures["redis_bytes"]["per_chat"] > 0
    assert figures["by_load_percent"]["50"]["kefu"]["unanswered"] == 0


def test_numbers_that_make_no_sense_end_with_one_line() -> None:
    command = [sys.executable, "-m", "bot.cli", "bench", "pipeline", "--chats", "many"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "--chats" in result.stderr


async def test_messages_that_are_answered_together_all_count() -> None:
    telegram = Telegram("1:x", (), iter(range(100)).__next__)
    load = Load(telegram, lambda: None)
    load.use_chats(50, 1)
    async with load.listening():
        await load.arrive(rate=1000, seconds=0.01)
        asked = [event["text"] for event in telegram.transcript.after(50, 0)]
        telegram.transcript.write(50, "message", "bot", text="\n".join(asked))
        waits = await load.drain()
    assert (load.answered, load.replies, waits.unanswered) == (len(asked), 1, 0)
    assert len(waits.to_reply) == len(asked) > 1


def test_costs_of_two_rounds_add_up() -> None:
    one = Cost(seconds=2, answered=10, replies=5, commands=400, reads=100, cpu={"bot": 0.02})
    figures = (one + one).figures()
    assert (figures["messages_per_s"], figures["redis_commands"], figures["messages_per_reply"]) == (5, 40, 2)
    assert figures["cpu_ms"] == {"bot": 2}
    assert cpu_seconds(2**31 - 1) is None
