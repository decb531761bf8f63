"""What a lane lets in of the frames that its camera has decoded: its rate, and its motion gate."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from appliance.observe.ages import Undecoded
from appliance.video.motion import MotionGate
from blocks.data import Frame

Luma = Callable[[], NDArray[np.uint8]]

# The interval between frames is an average over about so many of them.
_SMOOTH = 0.1
_FLOAT_ERROR_S = 1e-9


class RateLimit:
    """Lets frames through, evenly, so that they are `rate` each second on the average.

    A frame may come half an interval before it is due: what is due between two frames is the nearer
    one. After a gap it does not catch up.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due_s = -math.inf
        self._last_s: float | None = None
        self._interval_s = 0.0

    def admits(self, at_s: float) -> bool:
        """Whether the frame at this time is one of them."""
        if self._last_s is not None:
            passed_s = at_s - self._last_s
            share = _SMOOTH if self._interval_s else 1.0
            self._interval_s += (min(passed_s, 1 / self.rate) - self._interval_s) * share
        self._last_s = at_s
        if at_s < self._due_s - self._interval_s / 2 - _FLOAT_ERROR_S:
            return False
        step_s = 1 / self.rate
        self._due_s = at_s + step_s if at_s - self._due_s > step_s else self._due_s + step_s
        return True


class Admission:
    """The rules of one lane."""

    def __init__(self, gate: MotionGate | None = None, max_rate: float | None = None) -> None:
        self.gate = gate
        self.limit = RateLimit(max_rate) if max_rate else None
        # Until when, on the source's line, the lane's blocks ask for every frame.
        self.awake_until_s = -math.inf
        # How much of the last picture had changed, for those who ask.
        self.moved = 0.0

    def refusal(self, frame: Frame | Undecoded, luma: Luma) -> tuple[str, float | None] | None:
        """The bucket for a frame that is not let in, with its figure; None for one that is.

        `luma` gives the frame's small luma picture; it is only asked for where there is a gate.
        """
        if self.gate is not None:
            motion = self.gate.look(luma(), frame.at_s, self.awake_until_s)
            self.moved = motion.share
            if not motion.open:
                return "no-motion", motion.share
        if self.limit is not None and not self.limit.admits(frame.at_s):
            return "over-rate", None
        return None
