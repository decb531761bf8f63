"""For tests of blocks and of the program: a clock that is moved by hand, and hand-made frames."""

import threading

import numpy as np

from blocks.data import ClockState, Frame, Image

EPOCH_S = 1_767_225_600.0
"""The wall clock at the beginning of a test: midnight of 1 January 2026, UTC."""


class ManualClock:
    """An `appliance.clock.Clock` on which time passes only when it is told to, or waited for.

    Waiting takes no real time: it moves the clock by what was to be waited. `waits` are the
    seconds of every wait, in their order.
    """

    def __init__(self, now_s: float = EPOCH_S) -> None:
        self.waits: list[float] = []
        self._epoch_s = now_s
        self._passed_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """UTC, in seconds since 1970."""
        return self._epoch_s + self._passed_s

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._passed_s += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, ahead or back, as a time server does; no time passes."""
        with self._lock:
            self._epoch_s += seconds

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Let `seconds` pass at once, unless `stop` is set; say whether it is set."""
        if not stop.is_set():
            self.waits.append(seconds)
            self.advance(max(0.0, seconds))
        return stop.is_set()


def frame(
    at_s: float = 0.0,
    *,
    camera: str = "gate",
    sequence: int = 0,
    image: Image | None = None,
    size: tuple[int, int] = (64, 48),
    clock: ClockState = "synchronised",
) -> Frame:
    """A frame taken `at_s` seconds after `EPOCH_S`: black, of `size` (width, height), if no image.

    `sequence` counts the frames of a camera; most blocks do not look at it.
    """
    width, height = size
    pixels = image or Image.from_bgr(np.zeros((height, width, 3), np.uint8))
    return Frame(camera, at_s, EPOCH_S + at_s, clock, sequence=sequence, image=pixels)
