"""What decoding takes in processor time, of which only some units are weighed."""

from appliance.clock import Clock
from appliance.video.access_units import UnitMarks

# Reading a thread's processor time is a call of the kernel, at which the thread may be put aside
# while it holds the interpreter's lock: so not at each unit. Keys, which are few, are all weighed.
WEIGH_EVERY = 20
WEIGHT = 0.3


class DecodeCosts:
    """Processor seconds for each unit, measured or as those like it usually take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._usual_s: dict[bool, float] = {}
        self._units = 0
        self._begun_s: float | None = None

    def begin(self, marks: UnitMarks) -> None:
        """The thread that calls is about to decode a unit."""
        self._units += 1
        known = marks.disposable in self._usual_s
        weighed = marks.key or not known or self._units % WEIGH_EVERY == 0
        self._begun_s = self._clock.cpu_s() if weighed else None

    def end(self, marks: UnitMarks) -> float:
        """What it took, in seconds."""
        if self._begun_s is None:
            return self._usual_s[marks.disposable]
        cost_s = self._clock.cpu_s() - self._begun_s
        if not marks.key:
            usual_s = self._usual_s.setdefault(marks.disposable, cost_s)
            self._usual_s[marks.disposable] = usual_s + (cost_s - usual_s) * WEIGHT
        return cost_s
