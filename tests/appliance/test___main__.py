"""The command as it is started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_command_starts_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("appliance, version ")


@pytest.mark.parametrize("library", ["numpy", "onnxruntime"])
def test_ctrl_c_while_libraries_are_loaded_leaves_no_traceback(library: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance", "blocks"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and library not in maps.read_text():
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGINT)
    assert errors == ""
