"""Converts fetched files to ONNX, in a Python environment that exists for just that long.

The converter needs `onnx`, which nothing else here does; so it is installed beside the program,
from a lock file with checksums, used once and removed.
"""

import shutil
import sys
from importlib import resources
from pathlib import Path

from appliance.inference.packages import PIP, PIP_NETWORK, FetchError, Report, run_program
from appliance.shipped import shipped

CONVERT_TIMEOUT_S = 600
TOOLS_MB = 40
_PACKAGE = "appliance.inference.convert"


def convert_ssd(source: Path, folder: Path, report: Report) -> Path:
    """Make ONNX of a frozen SSD graph of TensorFlow; `folder` is for what is needed meanwhile.

    Raises:
        FetchError: the tools cannot be had, or the file is not of that kind.
    """
    report(f"downloading numpy and onnx for the conversion ({TOOLS_MB} MB, removed afterwards)")
    python = _environment(folder / "environment")
    report("converting to ONNX")
    # The new environment must not see this one's packages, so it gets a copy of the converter only.
    tool = folder / "tool"
    place = tool.joinpath(*_PACKAGE.split("."))
    with resources.as_file(resources.files(_PACKAGE)) as package:
        shutil.copytree(package, place, ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / "converted.onnx"
    command = (str(python), "-E", "-s", "-m", f"{_PACKAGE}.ssd_to_onnx", str(source), str(target))
    run_program(*command, timeout_s=CONVERT_TIMEOUT_S, cwd=tool).require("converting to ONNX")
    return target


def _environment(folder: Path) -> Path:
    """A new environment with the converter's requirements in it: its Python."""
    # Without its own pip it takes seconds less, and nothing that Debian packs separately.
    make = (sys.executable, "-m", "venv", "--without-pip", str(folder))
    run_program(*make, cwd=folder.parent).require("making a Python environment")
    python = folder / "bin" / "python"
    install = (*PIP, "--python", str(python), "install", *PIP_NETWORK, "--no-compile")
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(_lock_file()))
    outcome = run_program(*install, *locked, cwd=folder.parent)
    outcome.require("installing what the conversion needs (numpy, onnx)")
    return python


def _lock_file() -> Path:
    """The pinned requirements of the converter."""
    path = shipped("requirements/convert.txt")
    if not path.is_file():
        raise FetchError(f"the file {path} is missing: install the program again")
    return path
