"""What a probe has found of a source: plain values, all frozen."""

from dataclasses import dataclass, field

from appliance.video.source import StreamInfo
from appliance.video.tally import StampFindings


@dataclass(frozen=True, slots=True)
class HardwareTrial:
    """How a hardware decoder fared: CPU milliseconds a frame, or why it does not work."""

    name: str
    decode_ms: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a source is. Rates are per second, `watched_s` seconds of it, `bit_rate` bits/s.

    `where` is the address without its secrets. `key_distance` is the longest seen, in frames and
    `key_distance_s` in seconds; None where no two key frames came. `skippable` is the share of
    frames that no other refers to. `decode_ms` is milliseconds of CPU for each frame, in software
    and on one thread. `transports` says for each of RTSP's why it does not work, or "". `modes` are
    a device's formats with their sizes. `sender_ahead_s` is how many seconds the camera's clock is
    ahead of ours, if it tells; `ended` why the watching came to an end before its time.
    """

    where: str
    info: StreamInfo
    timed: bool
    profile: str
    pixel_format: str
    audio: tuple[str, ...]
    watched_s: float
    units: int
    rate: float | None
    bit_rate: float | None
    key_frames: int
    key_distance: int | None
    skippable: float
    reorder_depth: int
    stamps: StampFindings
    decode_ms: float | None
    undecodable: int
    hardware: tuple[HardwareTrial, ...] = ()
    transports: dict[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    sender_ahead_s: float | None = None
    ended: str = ""

    @property
    def key_distance_s(self) -> float | None:
        """The longest distance of two key frames."""
        if self.key_distance is None or not self.rate:
            return None
        return self.key_distance / self.rate

    @property
    def load(self) -> float | None:
        """How much of a core decoding every frame takes, in software: 0 to 1 and beyond."""
        if self.decode_ms is None or not self.rate:
            return None
        return self.decode_ms * self.rate / 1000
