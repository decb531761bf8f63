"""Failures that come with every frame, told once a minute instead of thirty times a second."""

import math
from collections import Counter

from appliance.clock import Clock

QUIET_S = 60.0


class Bursts:
    """Counts failures by their kind, and says when one is worth a line in the log.

    Failures are added by one thread; the rest may be asked by any.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._totals: Counter[str] = Counter()
        self._told: dict[str, tuple[float, int]] = {}
        self._last: dict[str, str] = {}
        self.last = ""

    def add(self, kind: str, what: str) -> int:
        """Count one failure; how many to report now, or 0 where the last report is still fresh."""
        self._totals[kind] += 1
        self._last[kind] = what
        self.last = f"{kind}: {what}"
        now = self._clock.monotonic()
        told_at, told = self._told.get(kind, (-math.inf, 0))
        if now - told_at < QUIET_S:
            return 0
        self._told[kind] = (now, self._totals[kind])
        return self._totals[kind] - told

    def counts(self) -> dict[str, int]:
        """All failures so far, by kind."""
        return dict(self._totals)

    def last_of_each(self) -> dict[str, str]:
        """What was the last failure of each kind."""
        return dict(self._last)
