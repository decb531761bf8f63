"""Decoding by hardware, where there is some, and the return to software where it fails.

Untested on hardware: the choice and the return to software are tested, no device was at hand.
"""

import fcntl
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

SOFTWARE = "software"
# A device that is lost fails at every unit. Damage on the way does too, until the next key frame.
MOST_FAILURES = 50
FAILURES_BEFORE_A_KEY = 3
# A decoder holds 16 pictures back at most, and twice that where fields come by themselves.
MOST_SWALLOWED = 64
# So many units without a key frame, and it is the key frames that are not seen.
LONGEST_KEY_DISTANCE = 300
# videodev2.h: VIDIOC_QUERYCAP, and the capabilities that make a device a codec.
_QUERY = 0x80685600
_CAPABILITIES = struct.Struct("16s32s32sIII3I")
_MEMORY_TO_MEMORY = 0x00004000 | 0x00008000

Prepare = Callable[[VideoCodecContext], None]


class HardwareError(Exception):
    """A hardware decoder that cannot be used: a sentence."""


@dataclass(frozen=True, slots=True)
class Devices:
    """What there may be on a machine to decode with.

    `kinds` and `decoders` are what this build of libav knows; `accelerated` are the pairs of a
    codec and a kind that go together. `nodes` are the files of the devices that are there.
    """

    kinds: frozenset[str]
    decoders: frozenset[str]
    accelerated: frozenset[tuple[str, str]]
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HardwareDecoder:
    """One way to decode on a device.

    `decoder` is libav's name of the decoder; `kind` the kind of device that helps it, where it is
    not a decoder of the device's own; `device` which one of its kind.
    """

    name: str
    decoder: str
    kind: str = ""
    device: str | None = None

    def open(self, stream: VideoStream) -> VideoCodecContext:
        """A context for the stream's packets, in place of `stream.codec_context`; not open yet.

        Raises:
            HardwareError: the device or its driver is not there.
        """
        # Without: libav would go on in software by itself, and nobody would know.
        helper = None
        try:
            if self.kind:
                helper = HWAccel(self.kind, self.device, allow_software_fallback=False)
            context = av.CodecContext.create(self.decoder, "r", helper)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise HardwareError(f"the device cannot be opened: {said(error)}") from None
        if not isinstance(context, VideoCodecContext) or (self.kind and not context.is_hwaccel):
            raise HardwareError(f"this build of libav cannot decode {self.decoder} so")
        given = stream.codec_context
        context.extradata = given.extradata
        context.width, context.height = given.width, given.height
        return context


# Best first: a graphics card of its own, then what reaches most chips.
_HELPED = (("cuda", "/dev/nvidia"), ("vaapi", "/dev/dri/renderD"), ("drm", "/dev/media"))
_OF_DEVICES = (
    ("rkmpp", "/dev/mpp_service"),
    ("v4l2m2m", "/dev/video"),
    ("qsv", "/dev/dri/renderD"),
    ("amf", "/dev/dri/renderD"),
    ("cuvid", "/dev/nvidia"),
)


def candidates(codec: str, wanted: str, devices: Devices) -> Sequence[HardwareDecoder]:
    """What to try for a codec, best first; `wanted` is "auto", "off" or the name of a decoder.

    A name is that of a kind of device or a library, as `vaapi`, `cuda`, `v4l2m2m`, or that of a
    decoder of libav, as `h264_v4l2m2m`.
    """
    if wanted == "off":
        return ()
    found = [*_helped(codec, devices), *_own(codec, devices)]
    if wanted == "auto":
        # Both are the same chip: what cuda cannot do, cuvid cannot either.
        helped = any(each.name == "cuda" for each in found)
        return tuple(each for each in found if not (helped and each.name == "cuvid"))
    return tuple(each for each in found if wanted in (each.name, each.decoder))


def _helped(codec: str, devices: Devices) -> Iterable[HardwareDecoder]:
    for kind, prefix in _HELPED:
        nodes = [node for node in devices.nodes if node.startswith(prefix)]
        if kind not in devices.kinds or (codec, kind) not in devices.accelerated or not nodes:
            continue
        if kind == "vaapi":
            # A machine may have a chip that decodes beside one that does not.
            yield from (HardwareDecoder(kind, codec, kind, node) for node in nodes)
        else:
            yield HardwareDecoder(kind, codec, kind)


def _own(codec: str, devices: Devices) -> Iterable[HardwareDecoder]:
    for name, prefix in _OF_DEVICES:
        decoder = f"{codec.removesuffix('video')}_{name}"
        if decoder in devices.decoders and any(node.startswith(prefix) for node in devices.nodes):
            yield HardwareDecoder(name, decoder)


def find_devices(dev: Path = Path("/dev")) -> Devices:
    """What this machine has; without any device it costs a look into two folders."""
    nodes = [
        *sorted(dev.glob("nvidia[0-9]*")),
        *sorted(dev.glob("dri/renderD*")),
        *sorted(dev.glob("mpp_service")),
        *sorted(dev.glob("media[0-9]*")),
        *(node for node in sorted(dev.glob("video[0-9]*")) if is_codec(node)),
    ]
    if not nodes:
        return Devices(frozenset(), frozenset(), frozenset(), ())
    kinds = frozenset(hwdevices_available())
    decoders = frozenset(av.codecs_available)
    # As they are called wherever the folder lies.
    names = tuple(str(Path("/dev") / node.relative_to(dev)) for node in nodes)
    return Devices(kinds, decoders, frozenset(_accelerated(decoders, kinds)), names)


def _accelerated(decoders: frozenset[str], kinds: frozenset[str]) -> Iterable[tuple[str, str]]:
    for codec in ("h264", "hevc", "mjpeg", "mpeg2video", "mpeg4", "vp8", "vp9", "av1"):
        if codec in decoders:
            for config in av.Codec(codec, "r").hardware_configs:
                if config.is_supported and config.device_type.name in kinds:
                    yield codec, config.device_type.name


def is_codec(node: Path) -> bool:
    """Whether a V4L2 device turns memory into memory, as codecs do, and is no camera."""
    try:
        with node.open("rb", buffering=0) as device:
            answer = fcntl.ioctl(device, _QUERY, bytes(_CAPABILITIES.size))
    except OSError:
        return False
    capabilities, of_device = _CAPABILITIES.unpack(answer)[4:6]
    return bool((of_device or capabilities) & _MEMORY_TO_MEMORY)


def said(error: Exception) -> str:
    """What libav or the system said, without an address that it may name."""
    return getattr(error, "strerror", None) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decodes a camera's stream: the name of the hardware, or "software".

    `reason` is why hardware that was wanted or was there is not used; empty where there is no such.
    """

    name: str = SOFTWARE
    reason: str = ""


class HardwareChoice:
    """What decodes one camera, for the whole run: what has failed once is not tried again.

    It belongs to the camera's thread; `decoding` may be read by any.
    """

    def __init__(self, wanted: str = "auto", devices: Callable[[], Devices] = find_devices) -> None:
        self.decoding = Decoding()
        self._wanted = wanted
        self._find = devices
        self._devices: Devices | None = None
        self._failed: set[tuple[str, HardwareDecoder]] = set()

    def open(self, stream: VideoStream, prepare: Prepare) -> "FallibleDecoder":
        """A decoder for a stream that was opened just now; `prepare` sets up each context."""
        return FallibleDecoder(self, stream, prepare)

    def next_of(self, stream: VideoStream) -> tuple[VideoCodecContext, HardwareDecoder | None]:
        """The context of the best decoder that has not failed; None with it is software."""
        codec = stream.codec_context.codec.canonical_name
        for each in self._candidates(codec):
            if (codec, each) in self._failed:
                continue
            try:
                context = each.open(stream)
            except HardwareError as error:
                self.give_up(codec, each, str(error))
                continue
            self.decoding = replace(self.decoding, name=each.name)
            return context, each
        self.decoding = replace(self.decoding, name=SOFTWARE)
        return stream.codec_context, None

    def give_up(self, codec: str, decoder: HardwareDecoder | None, reason: str) -> None:
        """Use a decoder no more in this run."""
        if decoder is not None:
            self._failed.add((codec, decoder))
            self.decoding = Decoding(SOFTWARE, f"{decoder.name}: {reason}")

    def _candidates(self, codec: str) -> Sequence[HardwareDecoder]:
        if self._wanted == "off":
            return ()
        if self._devices is None:
            self._devices = self._find()
        found = candidates(codec, self._wanted, self._devices)
        if self._wanted != "auto" and not found:
            others = [each.name for each in candidates(codec, "auto", self._devices)]
            have = f"this machine has {', '.join(others)}" if others else "this machine has none"
            reason = f"there is no hardware decoder '{self._wanted}' for {codec} here ({have})"
            self.decoding = Decoding(SOFTWARE, reason)
        return found


class FallibleDecoder:
    """Decodes one stream by hardware while that works, else in software.

    Units that hardware has taken and made nothing of are given to what comes after it; when it
    fails later, software goes on, and can do so from the next key frame on.
    """

    def __init__(self, choice: HardwareChoice, stream: VideoStream, prepare: Prepare) -> None:
        self._choice = choice
        self._stream = stream
        self._prepare = prepare
        self._codec = stream.codec_context.codec.canonical_name
        self._open()

    def _open(self) -> None:
        self._context, self._hardware = self._choice.next_of(self._stream)
        self._prepare(self._context)
        self._untried: list[av.Packet[VideoStream]] = []
        self._began: bool = False
        self._proven: bool = False
        self._taken: int = 0
        self._failures: int = 0
        self._swallowed: int = 0

    @property
    def context(self) -> VideoCodecContext:
        """The context in use; another one after a failure."""
        return self._context

    def decode(self, packet: "av.Packet[VideoStream] | None") -> list[av.VideoFrame]:
        """The pictures that one unit brings out; None asks for those held back.

        Raises:
            av.FFmpegError: nothing can be made of the unit.
        """
        if self._hardware is None or packet is None:
            return self._context.decode(packet)
        # What comes before the first key frame says nothing about a decoder.
        self._taken += 1
        self._began = self._began or packet.is_keyframe or self._taken > LONGEST_KEY_DISTANCE
        if self._began and not self._proven:
            self._untried.append(packet)
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError as error:
            self._failures += 1
            if not self._is_lost(packet):
                raise
            return self._without_hardware(packet, f"it cannot decode this stream: {said(error)}")
        return self._checked(packet, pictures)

    def _is_lost(self, packet: "av.Packet[VideoStream]") -> bool:
        """Whether a failure is the decoder's rather than the unit's."""
        if not self._proven:
            return self._began
        if packet.is_keyframe:
            return self._failures > FAILURES_BEFORE_A_KEY
        return self._failures >= MOST_FAILURES

    def _checked(
        self, packet: "av.Packet[VideoStream]", pictures: list[av.VideoFrame]
    ) -> list[av.VideoFrame]:
        if pictures and not pictures[0].format.components:
            reason = f"its pictures stay on the device, as {pictures[0].format.name}"
            return self._without_hardware(packet, reason)
        if pictures:
            self._proven, self._failures, self._swallowed = True, 0, 0
            self._untried.clear()
        elif self._began and self._context.skip_frame == "DEFAULT":
            self._swallowed += 1
            if self._swallowed >= MOST_SWALLOWED:
                reason = f"it made no picture of {MOST_SWALLOWED} units"
                return self._without_hardware(packet, reason)
        return pictures

    def _without_hardware(
        self, packet: "av.Packet[VideoStream]", reason: str
    ) -> list[av.VideoFrame]:
        """Go on with the next best decoder, from the units on that this one made nothing of."""
        self._choice.give_up(self._codec, self._hardware, reason)
        again, level = self._untried or [packet], self._context.skip_frame
        self._open()
        self._context.skip_frame = level
        pictures: list[av.VideoFrame] = []
        for earlier in again[:-1]:
            with suppress(av.FFmpegError):
                pictures += self.decode(earlier)
        try:
            return pictures + self.decode(again[-1])
        except av.FFmpegError:
            if pictures:
                return pictures
            raise
