"""What was measured of a camera and of the processors, as pacing is told it."""

import math
from dataclasses import dataclass

from appliance.video.levels import ALL, Level, Structure

# A lag above this share of what is allowed, beside the time of decoding itself, shows a shortage.
BEARABLE_LAG_SHARE = 0.2
# A picture may always be so late, and never later.
LATE_S, LATEST_S = 0.15, 1.0
# What a camera is guaranteed is its key frames; what is measured of that is noisy.
STARVED_SHARE = 0.9
# A lane that leaves out fewer than this share of its frames might use more than it is given.
NOTABLE_SHARE = 0.05


def usable_rate(taken_rate: float, replaced_rate: float) -> float:
    """Frames/s that a lane can use, from what it took and what it missed, both frames/s.

    Infinite if it took all it was given: how many more it could use is then not known.
    """
    given = taken_rate + replaced_rate
    return taken_rate if given and replaced_rate >= NOTABLE_SHARE * given else math.inf


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """What was measured of one camera over the last second or few.

    Attributes:
        captured_rate: Units/s that came, whatever became of them.
        level: What is in force now.
        unit_cost_s: CPU time per unit that was decoded; 0 if none was.
        lag_s: p95, over the last second, of the time from a unit's arrival to its picture.
        wanted_rate: Frames/s that its lanes can use; infinite if all they can get.
        max_latency_s: The greatest of its lanes.
        waits: Its lanes wait for a fresh frame rather than take an old one (those with a
            `max_rate`), so that a long time from one frame to the next makes no frame older.
    """

    name: str
    weight: float
    captured_rate: float
    structure: Structure
    level: Level
    unit_cost_s: float
    lag_s: float
    wanted_rate: float = math.inf
    max_latency_s: float = 0.5
    waits: bool = False

    @property
    def full_cost_s(self) -> float:
        """CPU time per captured unit if all were decoded; 0 if it is not known."""
        relative = self.structure.unit_cost(ALL) / self.structure.unit_cost(self.level)
        return self.unit_cost_s * relative

    @property
    def lag_limit_s(self) -> float:
        """The lag that shows that its decoding does not get the time it needs."""
        key_s = self.unit_cost_s * self.structure.key_cost / self.structure.unit_cost(self.level)
        bearable_s = BEARABLE_LAG_SHARE * self.max_latency_s + 2 * max(key_s, self.unit_cost_s)
        return min(bearable_s, 0.8 * self.latest_s)

    def starved(self, greatest_weight: float) -> bool:
        """Whether its lanes get through fewer frames than there are keys, 1/s at most.

        One of less weight than the greatest of all is meant to get less, in proportion.
        """
        if self.waits or self.structure.units_per_key is None:
            return False
        keys = self.structure.rate(self.structure.levels[-1], self.captured_rate)
        share = self.weight / greatest_weight
        return self.wanted_rate < STARVED_SHARE * share * min(keys, 1.0)

    @property
    def late(self) -> bool:
        """Whether it is so late that what waits is better left out."""
        return self.lag_s > self.latest_s

    @property
    def latest_s(self) -> float:
        """How late its pictures may be: what is left is for its lanes."""
        return min(LATEST_S, max(LATE_S, self.max_latency_s / 2))


@dataclass(frozen=True, slots=True)
class Processors:
    """What became of the cores in the last second: used by this process, and idle; in cores."""

    own: float
    idle: float
