"""How old frames are when their results are there, and where the time went."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from blocks.data import Frame

# The figures are those of the last ten seconds, and of so many frames at most.
WINDOW_S = 10.0
MOST = 1000


class Numbered(Protocol):
    """What an account knows of a frame."""

    @property
    def sequence(self) -> int:
        """Its number, of those of its camera."""
        ...

    @property
    def captured_at(self) -> float:
        """When it was taken, in UTC."""
        ...


class Undecoded(Numbered, Protocol):
    """A frame that is decoded by whoever wants it."""

    @property
    def at_s(self) -> float:
        """When it was taken, on its source's own line."""
        ...

    def decode(self) -> Frame | str:
        """The frame; where there is none, the bucket in which it ends."""
        ...


@dataclass(frozen=True, slots=True)
class Timed:
    """A frame with the times of its way, on the machine's monotonic line.

    `captured_s` is when it was taken, `ready_s` when it lay before its lane, decoded or to be
    decoded by it. One that is `kept` counts by itself, however old it is: an image of a folder.
    """

    frame: Frame | Undecoded
    captured_s: float
    ready_s: float
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """Where the time of one frame went, in seconds; they add up to `age_s`.

    `lag_s` from its capture until it was decoded, `wait_s` until its lane was permitted to compute,
    `turn_s` for the turn itself, `commit_s` until what it said was on disk.
    """

    lag_s: float
    wait_s: float
    turn_s: float
    commit_s: float

    @property
    def age_s(self) -> float:
        """How old the frame was in the end."""
        return self.lag_s + self.wait_s + self.turn_s + self.commit_s


@dataclass(frozen=True, slots=True)
class AgeFigures:
    """Of the last ten seconds: frames for each second, ages and their parts, in seconds.

    The parts are those of the frame that is older than 95 of 100; all are 0 where there is none.
    """

    rate: float
    p50_s: float
    p95_s: float
    worst: Way


_NOTHING = Way(0.0, 0.0, 0.0, 0.0)


class Ages:
    """The ages of a lane's last frames. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ways: deque[tuple[float, Way]] = deque(maxlen=MOST)
        self._turn_s = 0.0

    def add(self, now: float, way: Way) -> None:
        """The result of a frame is there, at `now` on the monotonic line."""
        with self._lock:
            self._ways.append((now, way))
            self._turn_s += (way.turn_s - self._turn_s) * (0.1 if self._turn_s else 1.0)

    @property
    def turn_s(self) -> float:
        """What a turn takes, on the average; 0 before the first."""
        return self._turn_s

    def figures(self, now: float) -> AgeFigures:
        """What became of the frames of the last ten seconds."""
        with self._lock:
            recent = [(at, way) for at, way in self._ways if now - at <= WINDOW_S]
        if not recent:
            return AgeFigures(0.0, 0.0, 0.0, _NOTHING)
        ways = sorted((way for _, way in recent), key=lambda way: way.age_s)
        # What fell out because of its number makes the window shorter, not the rate smaller.
        span_s = WINDOW_S if len(recent) < MOST else max(now - recent[0][0], 0.001)
        worst = _percentile(ways, 0.95)
        return AgeFigures(len(recent) / span_s, _percentile(ways, 0.5).age_s, worst.age_s, worst)


def _percentile(ordered: Sequence[Way], share: float) -> Way:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
