"""What a camera is read from: its options, what it says of itself, and what comes out of it."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from appliance.observe.ages import Undecoded
from appliance.video.capture_time import CaptureTime
from appliance.video.decode_turns import DecodeTurns
from appliance.video.gauge import Gauge
from appliance.video.hardware import HardwareChoice
from appliance.video.selection import Selection
from blocks.data import Frame

DEFAULT_RATE = 25.0


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is opened and read. What does not concern its kind is not looked at.

    `transport`: of RTSP; "auto" tries TCP, then UDP. `low_latency`: RTSP only; a picture is decoded
    as soon as its last packet has come, not when the next one begins. `hardware`: "auto", "off", or
    the name of a hardware decoder. `silence_s`: how long a camera may send nothing. `loop`: a file
    begins again at its end. `watch`: a folder of images is waited on for more. `rate`: frames for
    each second, of a device or of images, where they do not say it; `size`: (width, height) that a
    device is asked for.
    """

    transport: Literal["auto", "tcp", "udp"] = "auto"
    low_latency: bool = False
    hardware: str = "auto"
    silence_s: float = 5.0
    loop: bool = False
    watch: bool = False
    rate: float | None = None
    size: tuple[int, int] | None = None


# Starts a loop on a thread of its own, under a name.
Start = Callable[[str, Callable[[threading.Event], None]], object]


@dataclass(frozen=True, slots=True)
class Resume:
    """Where the connections of a camera before this one left off.

    `times`, `selection` and `hardware` are those of the camera; a source without them has its own
    line, and decodes everything in software. `turns` are those in which all cameras decode. `start`
    starts a further thread, which low latency takes. `taken` are the names already taken of a
    watched folder. `begin_s` is the `at_s` at which a clip begins, `begin_sequence` the number of
    the first frame. A camera whose pictures are all the same for longer than `frozen_limit_s` has
    failed.
    """

    times: CaptureTime | None = None
    selection: Selection | None = None
    hardware: HardwareChoice | None = None
    turns: DecodeTurns | None = None
    start: Start | None = None
    taken: set[str] | None = None
    begin_s: float = 0.0
    begin_sequence: int = 0
    frozen_limit_s: float = math.inf


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source says of itself before its first frame; cameras say little.

    `width` and `height` are pixels; `rate` is nominal frames for each second; `live` is whether it
    goes on without end, at its own pace; `bursts` is whether it then comes some seconds at a time,
    as HLS does, and is to be played out; `stamped` whether its time stamps mean anything. `every`
    is whether each frame counts by itself, so that none is to be left out for a newer one: so it is
    with the images of a folder.
    """

    codec: str
    width: int
    height: int
    rate: float | None
    frames: int | None
    duration_s: float | None
    live: bool
    every: bool = False
    bursts: bool = False
    stamped: bool = True


@dataclass(frozen=True, slots=True)
class Undecodable:
    """An access unit that was captured and gave no picture, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An access unit that was captured and not decoded, on purpose; `bucket` is where it ends."""

    bucket: str


Item = Frame | Undecoded | Undecodable | LeftOut


class Source(Protocol):
    """A source that is open. It belongs to one thread at a time; `close` it in the end."""

    @property
    def info(self) -> StreamInfo:
        """What it says of itself."""
        ...

    @property
    def demuxed(self) -> int:
        """Access units captured so far. Each is accounted for by one item of `frames`."""
        ...

    @property
    def captured_s(self) -> float:
        """When the last frame given was taken, on the clock's monotonic line."""
        ...

    @property
    def gauge(self) -> Gauge:
        """What is measured of it."""
        ...

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far."""
        ...

    def frames(self) -> Iterator[Item]:
        """For each access unit its frame, or what became of it.

        Raises:
            VideoError: a live source ended or fell silent, or a file cannot be read further.
        """
        ...

    def select(self, selection: Selection) -> None:
        """Leave out from here on what `selection` says, before it is decoded."""
        ...

    def close(self) -> None:
        """Let go of the file, the connection or the device."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that was opened before its camera was there, and what it was opened with."""

    source: Source
    resume: Resume
