"""What time it is on a camera's own line, also while none of its frames comes."""

from appliance.clock import Clock
from appliance.engine.ticks import moment_at
from blocks.data import Frame, Moment


class SourceTime:
    """Tells a lane the time of its camera, from the last frame on.

    `passes` says whether time goes on between two frames, as the clock does: it does for a camera,
    and for a clip at its own pace. A clip that is read as fast as it can be has no such time.
    """

    def __init__(self, clock: Clock, *, passes: bool) -> None:
        self.clock = clock
        self.passes = passes
        self._last: Moment | None = None
        self._taken_s = 0.0

    def seen(self, frame: Frame) -> None:
        """A frame has been taken: what comes after it is counted from it."""
        self._last = moment_at(frame.at_s, frame)
        self._taken_s = self.clock.monotonic()

    def now(self) -> Moment | None:
        """What time it is; None before the first frame, for there is no line yet."""
        last = self._last
        if last is None or not self.passes:
            return last
        return moment_at(last.at_s + self.clock.monotonic() - self._taken_s, last)
