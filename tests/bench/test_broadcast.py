"""The measurement's shape and its promises in small; the ten thousand are a command."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_command_prints_its_figures_as_the_last_line() -> None:
    command = [sys.executable, "-m", "bot.cli", "bench", "broadcast", "--json"]
    options = ["--recipients", "60", "--calm", "1", "--rate", "2"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=140)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert 60 <= figures["sent"] == figures["recipients"]
    assert (figures["missed"], figures["doubled"], figures["unanswered"]) == (0, 0, 0)
    assert list(figures["reply_ms_beside"]) == ["replies", "p50", "p95", "p99", "max"]
