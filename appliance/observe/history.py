"""What cameras and lanes did in each second of the last hour, to explain it afterwards."""

import json
import threading
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Samples that are kept: an hour, at one a second. They take about 6 MB with 16 cameras; with more,
# the oldest go as soon as all together exceed this.
MOST = 3600
MOST_BYTES = 16 * 2**20
# Two samples further apart than this: the clock was set, or the machine slept.
LONGEST_S = 10.0
USUAL_S = 1.0
# Changes that are remembered of each figure that is followed.
MOST_CHANGES = 200
# The sentence of a failure may be long; its beginning is enough here.
MOST_TEXT = 300

_OF_CAMERA = ("state", "why", "rate", "level", "decode_ms", "lag_s")
_OF_LANE = ("age_ms", "steps_ms", "short", "last_failure", "moved")
_FOLLOWED = ("state", "level")
_FAST = 1


@dataclass(frozen=True, slots=True)
class Second:
    """One camera, with its lanes, over the second from `begin` to `end`, in UTC.

    `camera` holds figures of CameraStatus; each of `lanes`, by its name, figures of LaneStatus, in
    which `captured` and `buckets` count the frames of this second only, and `in_hand` is how many
    had not ended at its end. `short` is what all cameras together were short of. `jumped_s` is not
    0 where the clock was set just before, forward or back, or nothing ran for so long.
    """

    begin: float
    end: float
    camera: Mapping[str, Any]
    lanes: Mapping[str, Mapping[str, Any]]
    short: str = ""
    jumped_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """From when on a figure of a camera had this value; `first` if none is known before."""

    utc: float
    value: str
    first: bool


@dataclass(frozen=True, slots=True)
class _Packed:
    """A sample, its figures as compressed JSON: objects would take ten times the memory."""

    begin: float
    end: float
    jumped_s: float
    figures: bytes


@dataclass(slots=True)
class _Totals:
    """The counts of a lane at the last sample."""

    captured: int = 0
    buckets: Mapping[str, int] = field(default_factory=dict)


class History:
    """A sample a second of all cameras and lanes, of the last hour at most.

    Samples stand in the order in which they were added, whatever the clock said. Safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[_Packed] = deque()
        self._size = 0
        self._last: float | None = None
        self._totals: dict[str, _Totals] = {}
        self._changes: dict[tuple[str, str], deque[Change]] = {}

    @property
    def size(self) -> int:
        """Bytes that the figures of all samples take."""
        return self._size

    def add(
        self,
        utc: float,
        cameras: Mapping[str, Mapping[str, Any]],
        lanes: Sequence[Mapping[str, Any]],
        short: str = "",
    ) -> None:
        """Take a sample: the statuses of all cameras, by name, and of all lanes, as plain data.

        A lane is called `pipeline:camera`, as in its status. To be called about once a second, by
        one thread.
        """
        told = {
            "cameras": {name: _picked(status, _OF_CAMERA) for name, status in cameras.items()},
            "lanes": {lane["name"]: self._second_of(lane) for lane in lanes},
            "short": short,
        }
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        figures = zlib.compress(text.encode(), _FAST)
        with self._lock:
            passed_s = USUAL_S if self._last is None else utc - self._last
            usual = 0 < passed_s <= LONGEST_S
            span_s = passed_s if usual else USUAL_S
            self._last = utc
            jumped_s = 0.0 if usual else passed_s - span_s
            self._keep(_Packed(utc - span_s, utc, jumped_s, figures))
            for name, status in cameras.items():
                self._follow(name, status, utc)

    def around(self, camera: str, utc: float, seconds: float) -> list[Second]:
        """The samples of a camera in a span with `utc` in its middle, in their order.

        Those whose own middle lies in it; where there is none, the one in which `utc` lies.
        """
        begin, end = utc - seconds / 2, utc + seconds / 2
        with self._lock:
            samples = list(self._samples)
        chosen = [s for s in samples if begin <= (s.begin + s.end) / 2 < end]
        chosen = chosen or [s for s in samples if s.begin <= utc < s.end][-1:]
        seconds_of_it = [_second(sample, camera) for sample in chosen]
        return [second for second in seconds_of_it if second is not None]

    def known(self) -> tuple[float, float] | None:
        """From when to when there is something, in UTC; None where there is nothing yet."""
        with self._lock:
            if not self._samples:
                return None
            return min(s.begin for s in self._samples), max(s.end for s in self._samples)

    @property
    def latest(self) -> float | None:
        """When the last sample was taken, in UTC; None before the first."""
        return self._last

    def since(self, camera: str, figure: str, utc: float) -> Change | None:
        """The last change, until `utc`, of a camera's "state" or "level"; None if not known."""
        with self._lock:
            changes = list(self._changes.get((camera, figure), ()))
        return next((change for change in reversed(changes) if change.utc <= utc), None)

    def _second_of(self, lane: Mapping[str, Any]) -> dict[str, Any]:
        """The status of a lane, with its counts since the last sample."""
        name, captured, buckets = lane["name"], lane["captured"], lane["buckets"]
        last = self._totals.get(name, _Totals())
        if captured < last.captured or any(buckets.get(b, 0) < n for b, n in last.buckets.items()):
            # Another lane of the same name: its counts began at 0.
            last = _Totals()
        self._totals[name] = _Totals(captured, dict(buckets))
        more = {bucket: count - last.buckets.get(bucket, 0) for bucket, count in buckets.items()}
        return _picked(lane, _OF_LANE) | {
            "captured": captured - last.captured,
            "buckets": {bucket: count for bucket, count in more.items() if count},
            "in_hand": captured - sum(buckets.values()),
        }

    def _keep(self, sample: _Packed) -> None:
        self._samples.append(sample)
        self._size += len(sample.figures)
        while len(self._samples) > MOST or self._size > MOST_BYTES:
            self._size -= len(self._samples.popleft().figures)

    def _follow(self, camera: str, status: Mapping[str, Any], utc: float) -> None:
        for figure in _FOLLOWED:
            value = status.get(figure, "")
            changes = self._changes.setdefault((camera, figure), deque(maxlen=MOST_CHANGES))
            if not changes or changes[-1].value != value:
                changes.append(Change(utc, value, first=not changes))


def _picked(status: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """These figures, without those that say nothing."""
    found = {name: status[name] for name in names if status.get(name)}
    return {n: v[:MOST_TEXT] if isinstance(v, str) else v for n, v in found.items()}


def _second(sample: _Packed, camera: str) -> Second | None:
    told = json.loads(zlib.decompress(sample.figures))
    status = told["cameras"].get(camera)
    if status is None:
        return None
    # No name of a pipeline or of a camera has a colon.
    lanes = {n: lane for n, lane in told["lanes"].items() if n.rpartition(":")[2] == camera}
    return Second(sample.begin, sample.end, status, lanes, told["short"], sample.jumped_s)
