"""What the units of a stream tell of it: its rate, its key frames, its bits, its time stamps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

# Stamps of a live camera follow the arrival of its frames; more than this apart is no jitter.
JUMP_S = 1.0
# A stream whose stamps run so much faster or slower than time passes has no use for them.
MOST_DRIFT = 0.05
LEAST_SPAN_S = 1.0
# H.264 and HEVC hold no more pictures than this.
LONGEST_REORDER = 16


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit as it came: when, how large, what it is to others, and its stamps."""

    arrived_s: float
    size: int
    key: bool
    disposable: bool
    dts_s: float | None
    pts_s: float | None


@dataclass(frozen=True, slots=True)
class StampFindings:
    """What is odd about the time stamps: how many units have none, go back, or jump ahead.

    `pace` is seconds of stamps for each second of arrival; None where that cannot be told, and for
    files. Sane stamps have a pace near 1.
    """

    missing: int
    backward: int
    jumps: int
    pace: float | None

    @property
    def sane(self) -> bool:
        """Whether capture times can be read from them."""
        drifts = self.pace is not None and abs(self.pace - 1) > MOST_DRIFT
        return not (self.missing or self.backward or self.jumps or drifts)


@dataclass(slots=True)
class Tally:
    """Collects the units of one stream in the order of decoding; all its answers are arithmetic."""

    live: bool
    units: list[Unit] = field(default_factory=list)
    key_frames: int = 0
    span_s: float = 0.0
    """How long the stream was watched: by its stamps, of a live one by arrival."""
    _first_s: float | None = None

    def add(self, unit: Unit) -> None:
        """Take note of one unit that holds a picture."""
        self.units.append(unit)
        self.key_frames += unit.key
        at_s = unit.arrived_s if self.live else unit.pts_s
        if at_s is not None:
            self._first_s = at_s if self._first_s is None else min(at_s, self._first_s)
            self.span_s = max(self.span_s, at_s - self._first_s)

    @property
    def rate(self) -> float | None:
        """Frames for each second; None where too little came to tell."""
        # Stamps have no jitter.
        line = self._pts
        if len(line) < 2 or (self.live and not self.stamps.sane):
            line = [unit.arrived_s for unit in self._late]
        span_s = _span(line)
        return (len(line) - 1) / span_s if span_s > 0 else None

    @property
    def bits_per_s(self) -> float | None:
        """The bit rate of the video."""
        rate = self.rate
        return rate * 8 * sum(unit.size for unit in self.units) / len(self.units) if rate else None

    @property
    def key_distance(self) -> int | None:
        """The longest distance of two key frames, in frames; None where no two came."""
        places = [place for place, unit in enumerate(self.units) if unit.key]
        return max((b - a for a, b in pairwise(places)), default=None)

    @property
    def disposable_share(self) -> float:
        """The share of units that no other refers to."""
        return sum(unit.disposable for unit in self.units) / max(1, len(self.units))

    @property
    def reorder_depth(self) -> int:
        """How many frames come between a picture and those shown after it; 0 without B-frames."""
        stamps = self._pts
        waits = (
            sum(earlier > stamp for earlier in stamps[max(0, i - LONGEST_REORDER) : i])
            for i, stamp in enumerate(stamps)
        )
        return max(waits, default=0)

    @property
    def stamps(self) -> StampFindings:
        """What is odd about the stamps."""
        stamped = [unit.dts_s is not None or unit.pts_s is not None for unit in self.units]
        # Before the first stamp a session over RTP has none by its nature.
        missing = stamped[stamped.index(True) :].count(False) if any(stamped) else len(stamped)
        line = [unit.dts_s for unit in self.units if unit.dts_s is not None]
        if len(line) < len(self.units) / 2:
            line = sorted(self._pts)
        steps = [b - a for a, b in pairwise(line)]
        far_s = max(JUMP_S, 3 * median(steps)) if steps else 0.0
        backward, jumps = sum(step <= 0 for step in steps), sum(step > far_s for step in steps)
        return StampFindings(missing, backward, jumps, self._pace)

    @property
    def _pts(self) -> Sequence[float]:
        return [unit.pts_s for unit in self.units if unit.pts_s is not None]

    @property
    def _late(self) -> Sequence[Unit]:
        """The second half: what was waiting when the connection was made comes in a burst."""
        return self.units[len(self.units) // 2 :]

    @property
    def _pace(self) -> float | None:
        late = self._late
        stamped = [unit.pts_s for unit in late if unit.pts_s is not None]
        passed_s = _span([unit.arrived_s for unit in late])
        if not self.live or len(stamped) < 2 or passed_s < LEAST_SPAN_S:
            return None
        return _span(stamped) / passed_s


def _span(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0
