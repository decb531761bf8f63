"""A source that is being opened while its camera waits, and may turn to something else.

Nothing ends an opening early: libav looks at its own timeout only, and at none where it waits in
the system for a device or a pipe. So it is left alone on a thread of its own.
"""

import threading
from collections.abc import Callable

from appliance.clock import Clock
from appliance.video.source import Source, Start

# How soon who waits sees that its stop event is set; nothing wakes it for that.
STOP_SEEN_AFTER_S = 0.05


class PendingSource:
    """One opening, begun on a thread that `start` starts under `name`.

    It belongs to the thread that made it, which takes the source, or leaves it.
    """

    def __init__(self, opens: Callable[[], Source], start: Start, name: str) -> None:
        self._opens = opens
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._left = False
        self._source: Source | None = None
        self._error: Exception | None = None
        start(name, self._open)

    def wait(self, stop: threading.Event, clock: Clock, timeout_s: float) -> bool:
        """Whether the opening is over; False if `stop` was set or `timeout_s` passed before."""
        until_s = clock.monotonic() + timeout_s
        while not self._done.wait(STOP_SEEN_AFTER_S):
            if stop.is_set() or clock.monotonic() >= until_s:
                return False
        return not stop.is_set()

    def take(self) -> Source:
        """The source, after `wait` has said that it is there; it is the caller's from here on.

        Raises:
            VideoError: it cannot be opened.
        """
        if self._source is None:
            raise self._error or ValueError("nothing has been opened yet")
        source, self._source = self._source, None
        return source

    def leave(self) -> None:
        """Nobody takes it any more: it is closed, now or as soon as it is open."""
        with self._lock:
            self._left = True
            source, self._source = self._source, None
        if source is not None:
            source.close()

    def _open(self, _stop: threading.Event) -> None:
        try:
            source = self._opens()
        except Exception as error:  # noqa: BLE001 - whatever it is, `take` raises it
            self._error = error
        else:
            with self._lock:
                left = self._left
                if not left:
                    self._source = source
            if left:
                source.close()
        self._done.set()
