"""What a camera's RTCP sender reports say of when it took its pictures."""

# How many units are looked at before differences mean anything, and how fast these are followed.
FIRST, WEIGHT = 100, 0.002


class SenderTime:
    """Maps the stamps of one connection to the camera's own UTC.

    libav tells two things. `start_utc`, of the first report, belongs to stamp 0: it is exact, but
    never renewed. `reported_utc` of a unit is renewed with each report, but its parser hands it out
    with the wrong unit, by one or by as many as are reordered. So the first says the time, and how
    the mean of the second moves against it says how the camera's clock drifts.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._mean_s = 0.0
        self._first_s = 0.0

    def utc(
        self, stamp_s: float | None, start_utc: float | None, reported_utc: float | None
    ) -> float | None:
        """When the camera says that it took a unit, in seconds since 1970; None if it does not."""
        if stamp_s is None or start_utc is None:
            return None
        utc = start_utc + stamp_s
        if reported_utc is None:
            return utc + self._drift_s
        apart_s = reported_utc - utc
        self._seen += 1
        weight = max(1 / self._seen, WEIGHT)
        self._mean_s += (apart_s - self._mean_s) * weight
        if self._seen == FIRST:
            self._first_s = self._mean_s
        return utc + self._drift_s

    @property
    def _drift_s(self) -> float:
        return self._mean_s - self._first_s if self._seen > FIRST else 0.0
