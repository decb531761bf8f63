"""Looks at a source for some seconds and says what it is, and what reading it costs here."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, cast

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from appliance.clock import Clock
from appliance.video.access_units import UnitReader
from appliance.video.address import file_of, is_device, scheme_of, with_encoded_password
from appliance.video.errors import VideoError, cannot_go_on, cannot_open, redact
from appliance.video.findings import Findings, HardwareTrial
from appliance.video.hardware import (
    Devices,
    HardwareDecoder,
    HardwareError,
    candidates,
    find_devices,
    said,
)
from appliance.video.opening import is_untimed, open_container, stream_info, video_stream
from appliance.video.probe_greeting import explained, greet
from appliance.video.probe_stills import probe_stills
from appliance.video.source import SourceOptions, StreamInfo
from appliance.video.stills import names_stills
from appliance.video.tally import Tally, Unit
from appliance.video.v4l2 import capture_modes

ENOUGH_KEY_FRAMES = 3
# Key frames may lie close together; less than this tells no rate.
LEAST_S = 2.0
TRANSPORTS: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp")
TRANSPORT_PATIENCE_S = 3.0
# What hardware is tried on: enough to fill a decoder, little enough to keep.
TRIED_UNITS = 50


def probe(
    uri: str,
    clock: Clock,
    *,
    seconds: float = 10.0,
    options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
    find: Callable[[], Devices] = find_devices,
) -> Findings:
    """Open a source, and watch it for `seconds`, or until three key frames have come.

    Raises:
        VideoError: it cannot be opened, or sends no picture.
    """
    if names_stills(uri):
        return probe_stills(uri, clock, seconds, options)
    where = redact(uri)
    path = file_of(uri)
    modes = capture_modes(path) if path is not None and is_device(path) else ()
    with _opened(uri, where, options) as container:
        stream = video_stream(container, where)
        info = stream_info(uri, container, stream)
        audio = tuple(_codec_of(each) for each in container.streams.audio)
        context = stream.codec_context
        watch = _Watch(container, stream, info, clock, options)
        watch.run(where, seconds)
        trials = _try_hardware(stream, watch.kept, clock, find)
        found = replace(watch.findings(where, audio, trials, context), modes=modes)
    if scheme_of(uri) in ("rtsp", "rtsps"):
        for transport in TRANSPORTS:
            found.transports[transport] = _problem_with(uri, transport)
    return found


def _opened(uri: str, where: str, options: SourceOptions) -> InputContainer:
    greet(uri)
    try:
        return open_container(uri, where, options)
    except VideoError as error:
        raise explained(uri, error) from None


class _Watch:
    """Reads the units of one stream, decodes each, and notes what it sees."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        info: StreamInfo,
        clock: Clock,
        options: SourceOptions,
    ) -> None:
        self.kept: list[av.Packet[VideoStream]] = []
        self._container = container
        self._stream = stream
        self._info = info
        self._timed = not (info.live and is_untimed(container))
        self._clock = clock
        self._silence_s = options.silence_s
        self._context = stream.codec_context
        self._context.thread_count = 1
        self._context.thread_type = "SLICE"
        self._reader = UnitReader(info.codec, self._context.extradata)
        self._tally = Tally(info.live)
        self._cpu_s = 0.0
        self._decoded = 0
        self._undecodable = 0
        self._sender_ahead_s: float | None = None
        self._format = ""
        self._ended = ""

    def run(self, where: str, seconds: float) -> None:
        """Watch until enough was seen, the time is up, or no more comes."""
        deadline_s = self._clock.monotonic() + seconds
        try:
            # All streams: a camera that sends sound alone must not hold us.
            for packet in self._container.demux():
                if packet.stream_index == self._stream.index and packet.size:
                    self._take(cast("av.Packet[VideoStream]", packet))
                if self._clock.monotonic() >= deadline_s or self._is_enough(seconds):
                    break
        except av.FFmpegError as error:
            self._ended = str(cannot_go_on(where, error, silent_s=self._silence_s))
        if not self._tally.units:
            problem = (
                self._ended or f"{where}: it was opened and sent no picture within {seconds:g} s"
            )
            raise VideoError(f"{problem}; check the camera's video settings")

    def _is_enough(self, seconds: float) -> bool:
        watched_s = self._tally.span_s
        if watched_s >= seconds:
            return True
        return self._tally.key_frames >= ENOUGH_KEY_FRAMES and watched_s >= min(LEAST_S, seconds)

    def _take(self, packet: "av.Packet[VideoStream]") -> None:
        arrived_s = self._clock.monotonic()
        marks = self._reader.read(memoryview(packet), flagged_key=packet.is_keyframe)
        if marks.picture:
            base = packet.time_base if self._timed else None
            self._tally.add(
                Unit(
                    arrived_s=arrived_s,
                    size=packet.size,
                    key=marks.key,
                    disposable=marks.disposable,
                    dts_s=_seconds(packet.dts, base),
                    pts_s=_seconds(packet.pts, base),
                )
            )
        if packet.has_sidedata("prft"):
            # AVProducerReferenceTime begins with microseconds since 1970.
            stamp = bytes(packet.get_sidedata("prft"))[:8]
            self._sender_ahead_s = int.from_bytes(stamp, sys.byteorder) / 1e6 - self._clock.now()
        if (self.kept or marks.key) and len(self.kept) < TRIED_UNITS:
            self.kept.append(packet)
        self._decode(packet)

    def _decode(self, packet: "av.Packet[VideoStream]") -> None:
        before_s = self._clock.cpu_s()
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError:
            self._undecodable += 1
            return
        self._cpu_s += self._clock.cpu_s() - before_s
        self._decoded += 1
        if pictures:
            self._format = pictures[0].format.name

    def findings(
        self,
        where: str,
        audio: tuple[str, ...],
        hardware: tuple[HardwareTrial, ...],
        context: VideoCodecContext,
    ) -> Findings:
        """What was seen."""
        tally = self._tally
        return Findings(
            where=where,
            info=self._info,
            timed=self._timed,
            profile=context.profile or "",
            pixel_format=self._format or context.pix_fmt or "",
            audio=audio,
            watched_s=tally.span_s,
            units=len(tally.units),
            rate=tally.rate,
            bit_rate=tally.bits_per_s,
            key_frames=tally.key_frames,
            key_distance=tally.key_distance,
            skippable=tally.disposable_share,
            reorder_depth=tally.reorder_depth,
            stamps=tally.stamps,
            decode_ms=self._cpu_s * 1000 / self._decoded if self._decoded else None,
            undecodable=self._undecodable,
            hardware=hardware,
            sender_ahead_s=self._sender_ahead_s,
            ended=self._ended,
        )


def _seconds(stamp: int | None, base: Fraction | None) -> float | None:
    return None if stamp is None or base is None else float(stamp * base)


def _codec_of(stream: Any) -> str:
    # av's annotations do not tell that there is no context where this build has no decoder.
    context = stream.codec_context
    return str(context.name) if context is not None else "a codec unknown here"


def _try_hardware(
    stream: VideoStream,
    packets: Sequence["av.Packet[VideoStream]"],
    clock: Clock,
    find: Callable[[], Devices],
) -> tuple[HardwareTrial, ...]:
    """How each hardware decoder that may be there fares with the stream's first units."""
    codec = stream.codec_context.codec.canonical_name
    return tuple(_trial(each, stream, packets, clock) for each in candidates(codec, "auto", find()))


def _trial(
    decoder: HardwareDecoder,
    stream: VideoStream,
    packets: Iterable["av.Packet[VideoStream]"],
    clock: Clock,
) -> HardwareTrial:
    pictures: list[av.VideoFrame] = []
    try:
        context = decoder.open(stream)
        began_s = clock.cpu_s()
        for packet in packets:
            pictures += context.decode(packet)
        pictures += context.decode(None)
    except HardwareError as error:
        return HardwareTrial(decoder.name, None, str(error))
    except av.FFmpegError as error:
        return HardwareTrial(decoder.name, None, f"it cannot decode this stream: {said(error)}")
    if not pictures or not pictures[0].format.components:
        return HardwareTrial(decoder.name, None, "it gives no pictures")
    return HardwareTrial(decoder.name, (clock.cpu_s() - began_s) * 1000 / len(pictures))


def _problem_with(uri: str, transport: str) -> str:
    """Why pictures do not come over a transport of RTSP; empty where they do."""
    where = redact(uri)
    try:
        with av.open(
            with_encoded_password(uri),
            options={"rtsp_transport": transport},
            timeout=(TRANSPORT_PATIENCE_S, TRANSPORT_PATIENCE_S),
        ) as container:
            if any(packet.size for packet in container.demux(video=0)):
                return ""
    except av.FFmpegError as error:
        problem = cannot_open(where, error, network=True, timeout_s=TRANSPORT_PATIENCE_S)
        return str(problem).removeprefix(f"{where}: ")
    return "the camera closed the connection before it sent a picture"
