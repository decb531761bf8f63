"""Which units of a camera are decoded: what pacing asks for, as the stream can bear it."""

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from appliance.video.access_units import UnitMarks, UnitReader
from appliance.video.levels import ALL, Level, Refusal, Skipper, Structure, StructureMeter

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

# Units that come this late are those of a backlog: only its key frames are worth decoding.
LATE_S = 1.0
# Damaged pictures are worse than none for as many units; to be blind for longer is worse.
NEAR_UNITS = 60
_BUCKETS: MappingProxyType[Refusal, str] = MappingProxyType(
    {"level": "over-budget", "no key yet": "no-key", "loss": "decode-error", "behind": "stale"}
)


class Selection:
    """What of a camera's stream is decoded, over all its connections.

    The thread that reads the camera calls all but `want` and what only tells, such as `level`,
    which may be used by any.
    """

    def __init__(self, defers: Callable[[], bool] = lambda: False) -> None:
        # Whether what comes now had better be decoded by the lane that takes it.
        self.defers = defers
        # Units decoded so far, over all connections.
        self.decoded = 0
        self._wanted = ALL
        self._behind = False
        self._begin("", None)

    def begin(self, codec: str, extradata: bytes | None) -> None:
        """A new connection: what was known of the stream is supposed until it is measured."""
        before = self._meter if codec == self._codec else None
        self._begin(codec, extradata, before)

    def want(self, level: Level) -> None:
        """Ask for a level."""
        self._wanted = level
        self._skipper.want(level)

    def skip_to_key(self) -> None:
        """Leave out what waits, up to the next key; done by the thread that reads."""
        self._behind = True

    @property
    def level(self) -> Level:
        """The level in force."""
        return self._skipper.level

    @property
    def wanted(self) -> Level:
        """The level that is asked for."""
        return self._wanted

    @property
    def structure(self) -> Structure:
        """How the stream is made, as far as is known."""
        return self._meter.structure

    @property
    def unit_cost_s(self) -> float:
        """Mean processor seconds of the units decoded at the level in force; 0 if not known."""
        meter = self._meter
        return meter.plain_cost_s * meter.structure.unit_cost(self.level)

    @property
    def measured(self) -> bool:
        """Whether that has been seen, and is not only supposed."""
        return self._meter.measured

    @property
    def ends_group(self) -> bool:
        """Whether nothing before the next key follows the unit that was asked about last."""
        return self._skipper.ends_group

    @property
    def restarts(self) -> bool:
        """Whether something before the unit that was let through last was left out."""
        return self._skipper.restarts

    def refusal(self, packet: "av.Packet[VideoStream]", now: float, lag_s: float) -> str:
        """The bucket for a unit that is not to be decoded; empty for one that is.

        `lag_s` is how long after its capture it has come.
        """
        self._marks = self._reader.read(memoryview(packet), flagged_key=packet.is_keyframe)
        self._meter.add(self._marks, now)
        if lag_s > LATE_S or self._behind:
            self._skipper.skip_to_key(now)
        self._behind = False
        if self._skipper.admits(self._marks, now - lag_s, packet.pts):
            return ""
        return _BUCKETS[self._skipper.why]

    def lost(self) -> None:
        """A unit was damaged: what refers to it is left out, if the next key is not far."""
        distance = self._meter.structure.units_per_key
        if self._meter.measured and distance is not None and distance <= NEAR_UNITS:
            self._skipper.lost()

    @property
    def marks(self) -> UnitMarks:
        """What the unit that was asked about last is to the others."""
        return self._marks

    def took(self, marks: UnitMarks, cpu_s: float) -> None:
        """What it took to decode a unit, in processor seconds."""
        self.decoded += 1
        self._meter.took(marks, cpu_s)

    def _begin(
        self, codec: str, extradata: bytes | None, before: StructureMeter | None = None
    ) -> None:
        self._codec = codec
        self._reader = UnitReader(codec, extradata)
        self._meter = StructureMeter(before)
        self._skipper = Skipper()
        self._skipper.want(self._wanted)
        self._marks = UnitMarks()
