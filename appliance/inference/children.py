"""Programs of this package, run as children: what they do may crash, and take much memory."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import appliance

_NOISE = (
    re.compile(r"^[\w.]*\.(?=\w+: )"),
    re.compile(r"^\w+: "),
    re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : "),
    # A copy of the model, which is gone or not known to anybody.
    re.compile(r"Load model from \S+ failed: ?"),
    re.compile(r"\S+\.(?:cc|cpp|h):\d+ ?"),
    re.compile(r"0x[0-9a-f]+"),
    re.compile(r"\bError:? (?=No )"),
)
_TOP = Path(appliance.__file__).parents[1]


def child(module: str) -> tuple[str, ...]:
    """The command that runs a module of this package."""
    return (sys.executable, "-m", f"appliance.inference.{module}")


def run_child(
    command: Sequence[str], argument: str, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a child to its end, and keep what it prints.

    Raises:
        subprocess.TimeoutExpired: it took too long, and was ended.
    """
    return subprocess.run(
        [*command, argument],
        cwd=_TOP,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def last_words(child: subprocess.CompletedProcess[str]) -> str:
    """Why it failed, as it said itself, or its status."""
    lines = child.stderr.strip().splitlines()
    return plain(lines[-1])[:300] if lines else f"it ended with status {child.returncode}"


def plain(error: str) -> str:
    """What an error says, without its class, its number, and the place in somebody's source."""
    for noise in _NOISE:
        error = noise.sub("", error)
    return error.strip()
