"""From the time stamps of a source to seconds that start at 0 and always rise."""

# A step back of this much is a source that began again, not one that stamps carelessly.
RESTART_S = 1.0


class Timeline:
    """The line of one source's frames.

    A stamp that is missing or does not rise is replaced by the one before it and `step_s`, the time
    between two frames at the source's nominal rate. What this shifts is made good again as soon as
    the stamps rise, by steps of half the length.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._start_s: float | None = None
        self._stamp_s = 0.0
        self._last_s = -step_s

    @property
    def next_s(self) -> float:
        """Where a frame without a stamp would be placed."""
        return self._last_s + self._step_s

    def place(self, stamp_s: float | None) -> float:
        """Seconds since the first frame, for the next frame in the order of presentation."""
        expected_s = self.next_s
        if stamp_s is None:
            self._last_s = expected_s
            return expected_s
        if self._start_s is None:
            self._start_s = stamp_s - expected_s
        at_s = stamp_s - self._start_s
        if at_s <= self._last_s - RESTART_S:
            self._start_s = stamp_s - expected_s
            at_s = expected_s
        elif at_s <= self._last_s:
            rises = stamp_s > self._stamp_s
            at_s = self._last_s + self._step_s * (0.5 if rises else 1.0)
        self._stamp_s = stamp_s
        self._last_s = at_s
        return at_s
