"""Units that are decoded only when a lane is about to compute, on the lane's own thread.

What no lane takes then costs no conversion and no change of threads, several units of a camera are
decoded in a row, and the picture is still in the caches when the lane looks at it. A unit refers to
those before it, so all from the last decoded one on are decoded for it, from the last key at most.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from appliance.video.access_units import UnitMarks
from appliance.video.capture_time import Captured
from appliance.video.source import Undecodable
from blocks.data import Frame, Image, Moment

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

# What waits takes no longer than this to decode, and came no earlier: a lane has to wait for it.
LONGEST_WORK_S, LONGEST_S = 0.05, 1.0
# So many of those that are too many are decoded when a new one comes.
CATCH_UP = 3


@dataclass(slots=True, eq=False)
class DeferredUnit:
    """An access unit of one camera that is not decoded yet.

    `came_s` is when it came, on the monotonic line. `picture` is what was made of it, or why there
    is none; `image` the picture's pixels, made once for all lanes.
    """

    packet: "av.Packet[VideoStream]"
    marks: UnitMarks
    captured: Captured | None
    came_s: float
    picture: "av.VideoFrame | Undecodable | None" = None
    image: Image | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DeferredFrame(Moment):
    """A frame that whoever takes it decodes. `image` gives its pixels, or the bucket it ends in."""

    _: KW_ONLY
    sequence: int
    image: Callable[[], Image | str]

    def decode(self) -> Frame | str:
        """The frame; where there is none, the bucket in which it ends."""
        image = self.image()
        if isinstance(image, str):
            return image
        return Frame(
            self.camera,
            self.at_s,
            self.captured_at,
            self.clock,
            sequence=self.sequence,
            image=image,
        )


class Deferral:
    """The units of one connection that wait to be decoded, in the order in which they came.

    `decode` decodes one, and gives its picture or why there is none. It is called under the `lock`,
    under which everything must be done that the decoder does. `turns` are those in which cameras
    decode: what no lane asked for is decoded in one of them.
    """

    def __init__(
        self,
        decode: "Callable[[DeferredUnit], av.VideoFrame | Undecodable]",
        turns: AbstractContextManager[object] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self._decode = decode
        self._turns = turns or nullcontext()
        self._units: deque[DeferredUnit] = deque()

    def add(self, unit: DeferredUnit, cost_s: float) -> None:
        """It waits, too. `cost_s` is what it takes to decode one, in seconds."""
        with self.lock:
            # The last one may not have been handed on yet: until then those before it are wanted.
            self._leave_out(before=len(self._units) - 1)
        for _ in range(CATCH_UP):
            if not self._is_behind(unit.came_s, cost_s):
                break
            # The turn before the lock: who has a turn may wait for the lock, never the other way.
            with self._turns, self.lock:
                if self._is_behind(unit.came_s, cost_s):
                    self._next()
        with self.lock:
            self._units.append(unit)

    def decoded(self, unit: DeferredUnit) -> "av.VideoFrame | Undecodable | None":
        """Its picture, or why there is none; None if it has been left out for a newer key."""
        with self.lock:
            if unit in self._units:
                self._leave_out(before=self._units.index(unit))
            while unit.picture is None and unit in self._units:
                self._next()
            return unit.picture

    @property
    def has_key(self) -> bool:
        """Whether one that waits is a key: damage before it does no harm to what comes now."""
        with self.lock:
            return any(unit.marks.key for unit in self._units)

    def decode_all(self) -> None:
        """Decode what waits: something comes that must be decoded after it."""
        with self.lock:
            self._leave_out(before=len(self._units) - 1)
            while self._units:
                self._next()

    def discard(self) -> None:
        """The connection has ended: what waits is not decoded any more."""
        with self.lock:
            self._units.clear()
            # A reader and what calls it would keep each other, and the decoder's pictures.
            self._decode = _ended

    def _leave_out(self, before: int) -> None:
        """Leave out what is before the last closed key of the first ones, `before` included."""
        keys = [
            number
            for number, unit in enumerate(self._units)
            if number <= before and unit.marks.key and unit.marks.closed
        ]
        for _ in range(keys[-1] if keys else 0):
            self._units.popleft()

    def _is_behind(self, now: float, cost_s: float) -> bool:
        """Whether what waits is too much work for a lane, or waits for too long."""
        with self.lock:
            if not self._units:
                return False
            waited_s = now - self._units[0].came_s
            return waited_s > LONGEST_S or len(self._units) * cost_s > LONGEST_WORK_S

    def _next(self) -> None:
        unit = self._units.popleft()
        unit.picture = self._decode(unit)


def _ended(_unit: DeferredUnit) -> Undecodable:
    return Undecodable("the connection has ended")
