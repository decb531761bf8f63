"""Whether a server is worth asking now: after a failure not at once again, but later and later.

It is the pattern "circuit breaker" of Nygard, Release It! (2007), in its simplest form.
"""

import math
import threading

from appliance.clock import Clock

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# So many answers in a row that come too late are a failure.
LATE_IN_A_ROW = 3


class Circuit:
    """Closed, requests go through. Open, the server is only tried, by one at a time.

    The pauses between trials double until a request was answered: to be ready is not enough. Safe
    to use from several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open = True
        self._reason = "it was not asked yet"
        self._trying = False
        self._retry_s = -math.inf
        self._pause_s = 0.0
        self._since_s = clock.monotonic()
        self._late_in_a_row = 0
        self._failures = 0

    @property
    def is_open(self) -> bool:
        """Whether requests are not worth it now."""
        return self._open

    @property
    def failures(self) -> int:
        """How often it has failed so far."""
        return self._failures

    @property
    def reason(self) -> str:
        """Why it is open."""
        return self._reason

    @property
    def open_for_s(self) -> float:
        """For how long it has been open, in seconds."""
        return self._clock.monotonic() - self._since_s if self._open else 0.0

    @property
    def retry_in_s(self) -> float:
        """In how many seconds the server may be tried again."""
        return max(0.0, self._retry_s - self._clock.monotonic()) if self._open else 0.0

    @property
    def is_due(self) -> bool:
        """Whether the server may be tried, and nobody does."""
        return self._open and not self._trying and self._clock.monotonic() >= self._retry_s

    def try_it(self) -> bool:
        """Whether the caller shall try the server now: then he says `passed` or `failed` after."""
        with self._lock:
            if not self.is_due:
                return False
            self._trying = True
            return True

    def passed(self) -> None:
        """The trial went well: requests may go through."""
        with self._lock:
            self._open = self._trying = False
            self._reason = ""

    def answered(self) -> None:
        """A request was answered well, in time."""
        with self._lock:
            self._late_in_a_row = 0
            if not self._open:
                self._pause_s = 0.0

    def late(self) -> None:
        """A request had fair time, and was not answered in it."""
        with self._lock:
            self._late_in_a_row += 1
            # Who was offline before has not yet shown that he is fast enough.
            enough = 1 if self._pause_s else LATE_IN_A_ROW
            if self._late_in_a_row >= enough and not self._open:
                self._fail(f"its answers come too late, the last {self._late_in_a_row} in a row")

    def failed(self, reason: str) -> None:
        """A request or the trial failed."""
        with self._lock:
            # Several may be under way when a server goes away: that is one failure.
            if not self._open or self._trying:
                self._fail(reason)

    def _fail(self, reason: str) -> None:
        now = self._clock.monotonic()
        if not self._open:
            self._since_s = now
        self._open, self._trying, self._reason = True, False, reason
        self._failures += 1
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
        self._retry_s = now + self._pause_s
