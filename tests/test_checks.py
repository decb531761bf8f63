"""The linters and the type checker are clean; `make check` runs the same ones by themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = {
    "format": ("ruff", "format", "--check", "."),
    "lint": ("ruff", "check", "."),
    "types": ("mypy",),
    "imports": ("lint-imports",),
    "dependencies": ("deptry", "."),
}


@pytest.mark.checks
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHECKS)
def test_the_code_passes(name: str) -> None:
    program, *arguments = CHECKS[name]
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_check_runs_the_same_programs() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    for command in CHECKS.values():
        assert f"$(BIN)/{' '.join(command)}\n" in recipe
