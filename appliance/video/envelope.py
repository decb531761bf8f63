"""How far a camera's clock is from ours: the least distance of arrival to stamp, and its drift."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

# Where it is uneven, the next least distance may be less still: room for it.
ROOM_S = 0.008

# The line is laid below blocks of ten seconds, five minutes of them.
BLOCK_S = 10.0
BLOCKS = 30
BLOCKS_FOR_RATE = 6
RATE_LIMIT = 0.005
SLEW = 0.01

# A stamp that is no continuation of those before it.
REORDER_S = 1.5
EARLY_S = 0.5
# One unit so far below the line may be a wrong stamp; two within some seconds are not.
DOUBTFUL_S = 0.02
DOUBT_S = 5.0
PREVIOUS_S = 5.0

SETTLED_S = 12.0
"""What has held for so long will hold."""

# How far the distance must have gone from third to third of so many seconds for a wrong rate.
WINDOWS = ((3.0, 0.5), (6.0, 0.1), (12.0, 0.1), (24.0, 0.1), (48.0, 0.1))

SECONDS = 50

NEVER = float("inf")


class Least(NamedTuple):
    """The least distance within some seconds, when it was seen, and the line at their end."""

    ended_s: float
    at_s: float
    distance_s: float
    line_s: float


Thirds = tuple[float, float, float]


class Envelope:
    """The least distance of arrival to stamp on one line of stamps, and how it drifts.

    The line below all points that is nearest to them: the edge of their convex hull below their
    mean time (Moon, Skelly, Towsley: Estimation and Removal of Clock Skew from Network Delay
    Measurements, INFOCOM 1999), over the least distances of ten seconds each. What is used moves
    towards it slowly, so that the distances between frames stay those of the stamps.
    """

    def __init__(self, arrived_s: float, offset_s: float, rate: float) -> None:
        self.offset_s = offset_s
        self.rate = rate
        self.newest_s = 0.0
        self.units = 0
        self._began_s = self._last_s = self._line_at = self._block_at = arrived_s
        self._line_s = offset_s
        self._second = self._block = 0
        self._least_at = arrived_s
        self._least_s = NEVER
        self._doubted_s, self._doubted_at = NEVER, -NEVER
        self._seconds: deque[Least] = deque(maxlen=SECONDS)
        self._blocks: deque[Least] = deque(maxlen=BLOCKS)

    def recent(self, arrived_s: float) -> bool:
        """Whether a unit of this line came a moment ago."""
        return arrived_s - self._last_s < PREVIOUS_S

    def continues(self, stamp_s: float, arrived_s: float) -> bool:
        """Whether a stamp can be of this line: not far back, and not from the time to come."""
        if not self.units:
            return True
        step_s = stamp_s - self.newest_s
        if step_s < -REORDER_S:
            return False
        early_s = self.offset_s - (arrived_s - stamp_s)
        return early_s <= EARLY_S or step_s - (arrived_s - self._last_s) <= EARLY_S

    def add(self, stamp_s: float, arrived_s: float) -> bool:
        """Take a unit in; say whether a second of the line is over."""
        distance_s = arrived_s - stamp_s
        passed_s = arrived_s - self._last_s
        line_s = self._line_s + self.rate * (arrived_s - self._line_at)
        if distance_s < line_s:
            if line_s - distance_s > DOUBTFUL_S:
                distance_s = self._believed(distance_s, line_s)
            self._line_s -= line_s - distance_s
            line_s = distance_s
        offset_s = self.offset_s + self.rate * passed_s
        slew_s = SLEW * passed_s
        if line_s > offset_s + slew_s:
            offset_s += slew_s
        elif line_s < offset_s - slew_s:
            offset_s -= slew_s
        else:
            offset_s = line_s
        self.offset_s = offset_s if offset_s < distance_s else distance_s
        if self.units == 0 or stamp_s > self.newest_s:
            self.newest_s = stamp_s
        self.units += 1
        self._last_s = arrived_s
        over = int(arrived_s - self._began_s) != self._second
        if over:
            self._end_second(arrived_s, distance_s)
        elif distance_s < self._least_s:
            self._least_at, self._least_s = arrived_s, distance_s
        return over

    def _believed(self, distance_s: float, line_s: float) -> float:
        """How far down a unit far below the line may take it: as far as one before it would."""
        doubted_s, doubted_at = self._doubted_s, self._doubted_at
        self._doubted_s, self._doubted_at = distance_s, self._last_s
        if self.units > 1:
            if self._last_s - doubted_at > DOUBT_S:
                return line_s
            distance_s = min(max(doubted_s, distance_s), line_s)
        # The way has become shorter: what was before says nothing of the drift.
        self._blocks.clear()
        return distance_s

    def settled(self, now_s: float) -> Thirds | None:
        """The least distance in each third of the last `SETTLED_S`, the oldest first.

        None if the line is younger, or nothing came in one of them.
        """
        if now_s - self._began_s < SETTLED_S:
            return None
        return _thirds(self._seconds, SETTLED_S, now_s)

    def runs_wrong(self, now_s: float) -> bool:
        """Whether the stamps run faster or slower than time, by more than any crystal does."""
        age_s = now_s - self._began_s
        return any(
            age_s >= window_s and self._went(window_s, far_s, now_s) for window_s, far_s in WINDOWS
        )

    def _went(self, window_s: float, far_s: float, now_s: float) -> bool:
        """Whether the least distance went evenly, by more than `far_s` from third to third."""
        thirds = _thirds(self._seconds, window_s, now_s)
        if thirds is None:
            return False
        first_s, second_s = thirds[1] - thirds[0], thirds[2] - thirds[1]
        if abs(second_s - first_s) > max(abs(first_s), abs(second_s)) / 2:
            return False
        if min(first_s, second_s) > far_s:
            return True
        # Late frames that catch up come down to the line; stamps that are fast take it along.
        before = next(least.line_s for least in self._seconds if now_s - least.ended_s <= window_s)
        return max(first_s, second_s) < -far_s and before - self._line_s > far_s

    def _end_second(self, arrived_s: float, distance_s: float) -> None:
        """Keep the least of the second that is over; this unit is the first of the next."""
        self._second = int(arrived_s - self._began_s)
        if self._least_s < NEVER:
            self._seconds.append(Least(arrived_s, self._least_at, self._least_s, self._line_s))
        self._least_at, self._least_s = arrived_s, distance_s
        block = int((arrived_s - self._began_s) / BLOCK_S)
        if block != self._block:
            self._block = block
            self._end_block(arrived_s, distance_s)

    def _end_block(self, arrived_s: float, distance_s: float) -> None:
        since_s = self._block_at
        self._block_at = arrived_s
        within = [least for least in self._seconds if least.ended_s > since_s]
        if within:
            self._blocks.append(min(within, key=_distance))
            self._fit(arrived_s, distance_s)

    def _fit(self, now_s: float, distance_s: float) -> None:
        """Lay the line anew below the blocks and the last unit."""
        if len(self._blocks) >= BLOCKS_FOR_RATE:
            rate = _slope_below(self._blocks)
            if abs(rate) <= RATE_LIMIT:
                self.rate = rate
        at_now = sorted(
            least.distance_s + self.rate * (now_s - least.at_s) for least in self._blocks
        )
        room_s = min(at_now[len(at_now) // 2] - at_now[0], ROOM_S)
        line_s = at_now[0] - room_s
        self._line_at, self._line_s = now_s, min(line_s, distance_s)


def _thirds(leasts: deque[Least], window_s: float, now_s: float) -> Thirds | None:
    found = [NEVER] * 3
    for least in reversed(leasts):
        # Half a second in: a second ends with the first unit of the next, not on the second.
        third = int((now_s - least.ended_s + 0.5) * 3 / window_s)
        if third > 2:
            break
        found[third] = min(found[third], least.distance_s)
    return None if NEVER in found else (found[2], found[1], found[0])


def _distance(least: Least) -> float:
    return least.distance_s


def _slope_below(points: Sequence[Least]) -> float:
    """The slope of the lower convex hull of `points`, in order of time, at their mean time."""
    hull: list[Least] = []
    for point in points:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    middle_s = sum(point.at_s for point in points) / len(points)
    for before, after in pairwise(hull):
        if after.at_s >= middle_s:
            return _slope(before, after)
    return 0.0


def _slope(before: Least, after: Least) -> float:
    return (after.distance_s - before.distance_s) / (after.at_s - before.at_s)
