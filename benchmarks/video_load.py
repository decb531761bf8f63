"""The counters of a moment: what this process and its children used, and what was idle."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Counters:
    """Seconds: elapsed, CPU time of the process and its living children, of all idle cores."""

    wall_s: float
    own_s: float
    idle_s: float

    @classmethod
    def now(cls, pids: tuple[int, ...] = ()) -> "Counters":
        """At this moment; `pids` are further processes that count as ours."""
        idle = Path("/proc/stat").read_text("ascii").split(None, 6)[4:6]
        own_s = sum(_cpu_s(pid) for pid in (os.getpid(), *pids))
        return cls(time.monotonic(), own_s, sum(map(int, idle)) * _TICK_S)

    def since(self, before: "Counters") -> "Use":
        """What was used since an earlier moment."""
        wall_s = self.wall_s - before.wall_s
        return Use(
            wall_s, (self.own_s - before.own_s) / wall_s, (self.idle_s - before.idle_s) / wall_s
        )


@dataclass(frozen=True, slots=True)
class Use:
    """Of a span of `wall_s`: the cores that were ours, and those that were idle."""

    wall_s: float
    own: float
    idle: float

    @property
    def cores(self) -> float:
        """What there was for us: k."""
        return self.own + self.idle


def rss_mib(pids: tuple[int, ...] = ()) -> float:
    """The resident memory of this process and of others, in MiB."""
    pages = sum(
        int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        for pid in (os.getpid(), *pids)
    )
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def percentile(values: list[float], share: float) -> float:
    """Of values in any order; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
