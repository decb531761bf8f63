"""The account of a lane's frames: each one captured ends in exactly one bucket."""

import threading
from collections import Counter


class Buckets:
    """Counts the frames of one lane, captured and ended. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured = 0
        self._ended: Counter[str] = Counter()

    def capture(self, count: int = 1) -> None:
        """Count frames that were captured: access units demuxed, decoded or not."""
        with self._lock:
            self._captured += count

    def put(self, bucket: str, count: int = 1) -> None:
        """Count captured frames that ended in `bucket`: "processed", "replaced" and so on."""
        if count:
            with self._lock:
                self._ended[bucket] += count

    @property
    def captured(self) -> int:
        """How many frames were captured."""
        with self._lock:
            return self._captured

    @property
    def in_flight(self) -> int:
        """How many captured frames have ended in no bucket yet."""
        with self._lock:
            return self._captured - self._ended.total()

    def snapshot(self) -> dict[str, int]:
        """The buckets that hold a frame, in the order of their first one."""
        with self._lock:
            return dict(self._ended)
