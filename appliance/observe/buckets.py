"""The account of a lane's frames: each one captured ends in exactly one bucket."""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from types import MappingProxyType

from appliance.observe.ages import Numbered

# What each bucket holds, for those who ask why a frame was not processed.
MEANINGS = MappingProxyType(
    {
        "processed": "a turn was run on it",
        "failed": "a step that says `on_error: stop` raised",
        "outbox": "the outbox was full",
        "replaced": "a newer frame came before the lane was free",
        "stale": "it was too old to be processed within max_latency_s",
        "late": "its model had no time for it within max_latency_s",
        "over-budget": "it was left out before decoding: the lanes could not have used it",
        "over-rate": "it was more than max_rate asks for",
        "no-motion": "nothing moved",
        "no-key": "it came before the first key frame of its connection",
        "decode-error": "no picture could be made of it",
        "stopped": "the lane was stopped",
    }
)
# Frames of which it is remembered where they ended.
REMEMBERED = 3000


@dataclass(frozen=True, slots=True)
class Ended:
    """Where one frame ended. `number` is the figure behind it, where there is one.

    Of "no-motion" it is the share of the picture that changed, of others the age in seconds.
    """

    sequence: int
    captured_at: float
    bucket: str
    number: float | None = None


class Buckets:
    """Counts the frames of one lane, captured and ended. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured = 0
        self._ended: Counter[str] = Counter()
        self._last: deque[Ended] = deque(maxlen=REMEMBERED)

    def capture(self, count: int = 1) -> None:
        """Count frames that were captured: access units demuxed, decoded or not."""
        with self._lock:
            self._captured += count

    def put(self, bucket: str, count: int = 1) -> None:
        """Count captured frames that ended in `bucket`: "processed", "replaced" and so on."""
        if count:
            with self._lock:
                self._ended[bucket] += count

    def end(self, frame: Numbered, bucket: str, number: float | None = None) -> None:
        """Count one captured frame that ended in `bucket`, and remember it."""
        ended = Ended(frame.sequence, frame.captured_at, bucket, number)
        with self._lock:
            self._ended[bucket] += 1
            self._last.append(ended)

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

    def account(self) -> tuple[int, dict[str, int]]:
        """The frames captured and the buckets, of one moment."""
        with self._lock:
            return self._captured, dict(self._ended)

    def between(self, begin: float, end: float) -> list[Ended]:
        """The frames that are remembered, captured in a span of UTC, in the order they ended."""
        with self._lock:
            return [each for each in self._last if begin <= each.captured_at < end]
