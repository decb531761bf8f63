"""Runs a benchmark as `make bench-NAME` does, as quickly as it can be run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick_run() -> Callable[[str], str]:
    """Gives what the benchmark of that name prints; it must end well."""

    def run(name: str) -> str:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
