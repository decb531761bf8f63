"""How many cores there are for this process, and how many others leave to it."""

import os
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def core_count(quota: Path = _QUOTA) -> int:
    """The cores this process may use: those it is bound to, and no more than its quota pays for."""
    bound = len(os.sched_getaffinity(0))
    try:
        allowed, _, period = quota.read_text("utf-8").partition(" ")
        return max(1, min(bound, round(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        # No control group of the second version, or no quota: the file then says `max`.
        return bound


@dataclass(frozen=True, slots=True)
class Use:
    """What became of the cores since the last look: used by this process, and idle; in cores."""

    own: float
    idle: float


class Processor:
    """Measures, from one look to the next, what became of the cores of this process."""

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat = stat
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")
        self._last: tuple[float, float, float] | None = None

    def use(self, now: float) -> Use | None:
        """On the average since the last look; None at the first, and where it cannot be told."""
        idle_s = self._idle_s()
        if idle_s is None:
            return None
        times = os.times()
        own_s = times.user + times.system
        last, self._last = self._last, (now, own_s, idle_s)
        if last is None or now <= last[0]:
            return None
        passed_s = now - last[0]
        return Use((own_s - last[1]) / passed_s, (idle_s - last[2]) / passed_s)

    def _idle_s(self) -> float | None:
        """Seconds for which the cores of this process were idle, since the machine's start."""
        try:
            lines = self._stat.read_text("utf-8").splitlines()
        except OSError:
            return None
        ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        fields = [line.split() for line in lines if line.partition(" ")[0] in ours]
        if not fields:
            return None
        # proc(5): user, nice, system, idle, iowait.
        return sum(int(each[4]) + int(each[5]) for each in fields) * self._tick_s
