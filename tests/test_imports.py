"""Imports run one way: bot, then workers, then model (the rules stand in pyproject.toml)."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_imports_run_one_way() -> None:
    pytest.importorskip("importlinter")
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    result = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
