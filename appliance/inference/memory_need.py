"""How much memory there is for a model, and about how much it takes."""

from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
# Of 13 models of 0.4 to 33 MB on OpenVINO, which takes more than onnxruntime's own provider:
# weights are held as read, as folded and as packed for the processor.
FACTOR, FLOOR_MIB = 4, 60
_SIDE_FILES = (".data", "_data", ".weights")
_ROOT = Path("/")
# In cgroups of version 1, what has no limit says a number near 2^63.
_NO_LIMIT = 1 << 60


def needed_mib(model: Path) -> int:
    """About what a model takes while it is loaded, before anything was measured."""
    files = [model, *(model.with_name(model.name + ending) for ending in _SIDE_FILES)]
    size = sum(file.stat().st_size for file in files if file.is_file())
    return FLOOR_MIB + FACTOR * size // MIB


def free_mib(root: Path = _ROOT) -> int | None:
    """What this process can still get: of the machine, and of the limits set for it.

    `root` is where `proc` and `sys` lie. None: the system does not say.
    """
    found = [value for value in (_of_machine(root), *_of_groups(root)) if value is not None]
    return max(0, min(found)) // MIB if found else None


def shortage(need_mib: int, free: int | None) -> str:
    """Why a model is not loaded, or nothing."""
    if free is None or need_mib <= free:
        return ""
    return f"it needs about {need_mib} MiB of memory, {free} are free"


def _of_machine(root: Path) -> int | None:
    for line in _lines(root / "proc/meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def _of_groups(root: Path) -> Iterator[int | None]:
    """What is left of the limit of each group this process is in, of both kinds of cgroups."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, limit, used, cached = "sys/fs/cgroup", "memory.max", "memory.current", "file"
        elif "memory" in controllers.split(","):
            top, limit, used, cached = (
                "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_cache",
            )
        else:
            continue
        folder = root / top / path.lstrip("/")
        # The limit of a group holds for all below it.
        for group in (folder, *folder.parents):
            yield _left(group, limit, used, cached)
            if group == root / top:
                break


def _left(group: Path, limit: str, used: str, cached: str) -> int | None:
    bound, taken = _number(group / limit), _number(group / used)
    if bound is None or taken is None or bound >= _NO_LIMIT:
        return None
    # Files that are only kept in memory are given up when somebody needs it.
    for line in _lines(group / "memory.stat"):
        name, _, value = line.partition(" ")
        if name == cached:
            taken -= int(value)
    return bound - taken


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []
