"""The two lines on which frames are placed: that of a clip, and that of a live camera."""

from dataclasses import dataclass
from typing import Protocol

from appliance.clock import Clock
from appliance.video.capture_time import Captured, CaptureTime, Wall
from appliance.video.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands: `at_s` on the source's line, `captured_at` in UTC.

    `captured_s` is when it was taken on the machine's monotonic line; a clip's frame has no such
    time.
    """

    at_s: float
    captured_at: float
    captured_s: float | None


class Line(Protocol):
    """Places the frames of one source, in the order of presentation."""

    def captured(
        self, stamp_s: float | None, arrived_s: float, sender_utc: float | None
    ) -> Captured | None:
        """What is known of an access unit when it comes; it is given back with its picture."""
        ...

    def place(self, stamp_s: float | None, captured: Captured | None) -> Place:
        """The place of the next frame."""
        ...

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far."""
        ...


class ClipLine:
    """The line of a clip: its own stamps from 0 on, and UTC counted from when it was opened.

    Where the wall clock is set meanwhile, UTC is by the clock as it is set now: a playlist, which
    is placed by this line as well, is read for months.
    """

    def __init__(self, clock: Clock, step_s: float, begin_s: float) -> None:
        self._timeline = Timeline(step_s)
        self._begin_s = begin_s
        self._wall = Wall(clock)
        self._began_s = clock.monotonic()

    def captured(
        self, _stamp_s: float | None, _arrived_s: float, _sender_utc: float | None
    ) -> Captured | None:
        """Nothing: it is not said when a clip was taken."""
        return None

    def place(self, stamp_s: float | None, _captured: Captured | None) -> Place:
        """By its stamp."""
        at_s = self._timeline.place(stamp_s)
        self._wall.sample()
        return Place(self._begin_s + at_s, self._wall.offset_s + self._began_s + at_s, None)

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far, at the nominal rate."""
        return self._begin_s + self._timeline.next_s


class LiveLine:
    """The line of a camera, over all its connections."""

    def __init__(self, times: CaptureTime, *, stamped: bool) -> None:
        self._times = times
        self._stamped = stamped
        self._at_s = 0.0
        times.connected()

    def captured(
        self, stamp_s: float | None, arrived_s: float, sender_utc: float | None
    ) -> Captured | None:
        """When it was taken, by its stamp and its arrival."""
        return self._times.captured_s(stamp_s if self._stamped else None, arrived_s, sender_utc)

    def place(self, _stamp_s: float | None, captured: Captured | None) -> Place:
        """By what was known when it came."""
        if captured is None:
            raise ValueError("a camera's picture comes of a unit that came")
        placed = self._times.place(captured)
        self._at_s = placed.at_s
        return Place(placed.at_s, placed.captured_at, captured.taken_s)

    @property
    def next_s(self) -> float:
        """The last `at_s`: time goes on by itself."""
        return self._at_s
