"""What a measurement was made on, and what else the machine did meanwhile."""

import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]

# What the figures depend on; of the two builds of onnxruntime one is there.
PACKAGES = (
    "vision-appliance",
    "av",
    "cel-expr-python",
    "numpy",
    "onnxruntime",
    "onnxruntime-openvino",
    "opencv-python-headless",
    "paho-mqtt",
    "pydantic",
    "sqlalchemy",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor, its cores that this process may use, memory and operating system."""

    processor: str
    cores: int
    memory_gib: float
    system: str


@dataclass(frozen=True, slots=True)
class Code:
    """The commit that was measured, and whether files differed from it; empty where unknown."""

    commit: str
    modified: bool


def this_machine() -> Machine:
    """The machine this process runs on."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(Path("/proc/cpuinfo").read_text("utf-8")),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page_size / 2**30, 1),
        system=f"{_distribution()}, {platform.system()} {platform.release()}",
    )


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages in use, by name; what is missing is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def this_code(root: Path = ROOT) -> Code:
    """The state of the working tree."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        return Code(commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.CalledProcessError):
        return Code("", modified=False)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor(cpuinfo: str) -> str:
    names = [line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith("model n")]
    return names[0].strip() if names else platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown distribution"


@dataclass(frozen=True, slots=True)
class Reading:
    """Three counters at one moment: elapsed time, CPU time of this program, of the whole machine.

    All in seconds. The program's children count once they have ended.
    """

    wall_s: float
    own_s: float
    machine_s: float


class Meter(Protocol):
    """Where readings come from."""

    def read(self) -> Reading:
        """The counters now."""
        ...


class SystemMeter:
    """The counters of the machine this process runs on."""

    def read(self) -> Reading:
        """The counters now."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own_s = time.process_time() + children.ru_utime + children.ru_stime
        busy_s = busy_ticks(Path("/proc/stat").read_text("ascii")) / os.sysconf("SC_CLK_TCK")
        return Reading(time.perf_counter(), own_s, busy_s)


def busy_ticks(stat: str) -> int:
    """The clock ticks that all processors were not idle, of the text of /proc/stat.

    Source: proc_stat(5). Guests are counted in user time already; waiting for a disk is idleness.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(ticks) for ticks in stat.splitlines()[0].split()[1:9]
    )
    return user + nice + system + irq + softirq + steal


@dataclass(frozen=True, slots=True)
class Load:
    """How many cores this program kept busy between two readings, and everything else did."""

    wall_s: float
    own_cores: float
    other_cores: float

    @classmethod
    def between(cls, before: Reading, after: Reading) -> "Load":
        """The load from one reading to a later one."""
        wall_s = max(1e-9, after.wall_s - before.wall_s)
        own_s = after.own_s - before.own_s
        # The machine's counter has coarse ticks: little work may seem to be less than our own.
        other_s = max(0.0, after.machine_s - before.machine_s - own_s)
        return cls(wall_s, own_s / wall_s, other_s / wall_s)
