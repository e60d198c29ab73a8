"""A short run of the real thing: everything breaks, and every message is accounted for."""

import asyncio
import json
import subprocess
import sys

import pytest

from bot.bench.chaos import Options, run_chaos
from bot.bench.injector import kinds_for, plan_faults

WORKERS = ("worker-1", "worker-2")


@pytest.mark.parametrize("bots", [("bot",), ("bot-1", "bot-2")])
def test_every_kind_comes_and_every_bot_is_hit(bots: tuple[str, ...]) -> None:
    every = kinds_for(bots)
    planned = plan_faults(len(every), 100, WORKERS, 3, bots)
    assert sorted((fault.family, fault.kind) for fault in planned) == sorted(every)
    assert {fault.target for fault in planned if fault.family == "bot"} == set(bots)


def test_a_seed_plans_the_same_faults_and_every_kind_comes() -> None:
    every = len(kinds_for(("bot",)))
    planned = plan_faults(every, 100, WORKERS, seed=3)
    assert planned == plan_faults(every, 100, WORKERS, seed=3) != plan_faults(every, 100, WORKERS, seed=4)
    assert len({fault.name for fault in planned}) == every
    assert sum(fault.seconds > 10 for fault in plan_faults(500, 100, WORKERS, seed=3)) <= 5


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_nothing_is_lost_or_doubled_when_everything_breaks() -> None:
    report = await asyncio.wait_for(run_chaos(Options(messages=150, chats=30, faults=8, seed=6)), 380)
    assert report.is_kept, report.history + json.dumps(report.figures)
    assert report.figures["faults"] == 8
    assert report.figures["stats"]["accepted"] == 150  # type: ignore[index]


@pytest.mark.timeout(180)
def test_the_command_prints_its_figures_as_the_last_line() -> None:
    command = [sys.executable, "-m", "bot.cli", "bench", "chaos", "--json"]
    options = ["--messages", "10", "--chats", "3", "--faults", "0", "--workers", "1"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=160)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert list(figures)[:7] == [
        *("messages", "faults", "lost", "doubled", "reordered", "unknown_outcome", "recovery_s")
    ]
    assert figures["messages"] == 10 and list(figures["recovery_s"]) == ["p50", "p95", "max"]
