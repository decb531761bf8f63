"""Who runs a model now: as many at a time as it has streams, the others in the order they came."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.clock import Clock
from blocks.host import LateError

# How much a run counts in the average of what one takes.
WEIGHT = 0.2


class Streams:
    """The streams of one model. Safe to use from several threads.

    A request may have a deadline: if it would be met at once but not after the wait for a stream,
    it is given up as late, and never computed. One that a free stream could not meet either waits:
    late answers are better than none.
    """

    def __init__(self, count: int, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = count
        self._busy = 0
        self._waiting: deque[threading.Event] = deque()
        self._usual_s = 0.0
        self._late = 0

    @property
    def late(self) -> int:
        """How many requests were given up."""
        return self._late

    def resize(self, count: int) -> None:
        """Have another number of streams from now on; who runs is not disturbed."""
        with self._lock:
            self._count = count
            self._grant()

    @contextmanager
    def one(self, until_s: float | None = None) -> Iterator[None]:
        """Wait for a stream, and have it inside the `with`.

        `until_s` is on the clock's monotonic line: by when the run has to be done.

        Raises:
            LateError: it cannot be done by then.
        """
        self._enter(until_s)
        began_s = self._clock.monotonic()
        try:
            yield
        finally:
            self._leave(self._clock.monotonic() - began_s)

    def _enter(self, until_s: float | None) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if until_s is not None and now >= until_s:
                raise self._given_up()
            if self._busy < self._count:
                self._busy += 1
                return
            granted = threading.Event()
            self._waiting.append(granted)
            usual_s = self._usual_s
        if until_s is None or now + usual_s > until_s:
            granted.wait()
            return
        if self._clock.wait(granted, until_s - usual_s - now):
            return
        with self._lock:
            # It may have been granted after all.
            if not granted.is_set():
                self._waiting.remove(granted)
                raise self._given_up()

    def _given_up(self) -> LateError:
        self._late += 1
        return LateError("the model had no time for it before it would have been too late")

    def _leave(self, took_s: float) -> None:
        with self._lock:
            self._usual_s += (took_s - self._usual_s) * (WEIGHT if self._usual_s else 1.0)
            self._busy -= 1
            self._grant()

    def _grant(self) -> None:
        """Give out what is free. The lock is held."""
        while self._waiting and self._busy < self._count:
            self._busy += 1
            self._waiting.popleft().set()
