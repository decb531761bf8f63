"""Reads a clip, a camera's address or a capture device, and gives its frames as plain arrays."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import TracebackType
from typing import Self

import av
from av.video.stream import VideoStream

from appliance.clock import Clock
from appliance.video.access_units import UnitMarks
from appliance.video.capture_time import Captured, CaptureTime
from appliance.video.decode_costs import DecodeCosts
from appliance.video.decoder import Decoded, Decoder
from appliance.video.deferral import Deferral, DeferredFrame, DeferredUnit
from appliance.video.errors import VideoError, cannot_go_on, redact
from appliance.video.gauge import Gauge
from appliance.video.lines import ClipLine, Line, LiveLine
from appliance.video.low_latency import LowLatencyUnits
from appliance.video.opening import (
    hands_out_fragments,
    is_untimed,
    open_container,
    stream_info,
    video_stream,
)
from appliance.video.planes import image_of
from appliance.video.selection import LATE_S, Selection
from appliance.video.sender_time import SenderTime
from appliance.video.source import DEFAULT_RATE, Item, LeftOut, Resume, SourceOptions, Undecodable
from blocks.data import Frame, Image

# Units come, and none of them gives a picture: after so long the connection is made anew.
NO_PICTURE_S = 10.0
# A decoder that holds no picture back after so many units does not put them in another order.
PROMPT = 10
_PLAIN = UnitMarks()


class VideoReader:
    """One source, opened; close it, or use it in a `with` statement.

    `uri` is a path, a device such as /dev/video0, or an address: rtsp, http, rtmp, udp and so on.
    It belongs to one thread at a time. A camera that is opened again goes on as `resume` says.

    Raises:
        VideoError: it cannot be opened.
    """

    def __init__(
        self,
        uri: str,
        camera: str,
        clock: Clock,
        *,
        options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
        resume: Resume = Resume(),  # noqa: B008 - frozen
    ) -> None:
        self._frozen_limit_s = resume.frozen_limit_s
        self._camera = camera
        self._clock = clock
        self._options = options
        self._where = redact(uri)
        self._container = open_container(uri, self._where, options)
        try:
            self._stream = video_stream(self._container, self._where)
            self.info = stream_info(uri, self._container, self._stream)
        except VideoError:
            self._container.close()
            raise
        self._units = self._low_latency(uri, resume)
        self._decoder: Decoder[Captured | None] = Decoder(self._stream, resume.hardware)
        self._costs = DecodeCosts(clock)
        # A unit that was deferred gave no picture.
        self._damaged = False
        # What went wrong on our side on the thread of a lane.
        self._defect: Exception | None = None
        # After so many units in a row the decoder held nothing back.
        self._prompt = 0
        self._selection: Selection | None = None
        if resume.selection is not None:
            self.select(resume.selection)
        self._tick_s = float(self._stream.time_base or 1)
        self._line: Line
        if self.info.live and not self.info.bursts:
            self._line = LiveLine(
                resume.times or CaptureTime(clock), stamped=not is_untimed(self._container)
            )
        else:
            self._line = ClipLine(clock, 1 / (self.info.rate or DEFAULT_RATE), resume.begin_s)
        self._turns = resume.turns or nullcontext()
        self._deferral = Deferral(self._late, self._turns)
        self._sender = SenderTime()
        self.gauge = Gauge(clock.monotonic())
        # When the last frame given was taken, on the clock's monotonic line.
        self.captured_s = 0.0
        self._demuxed = 0
        self._given = resume.begin_sequence

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def select(self, selection: Selection) -> None:
        """Leave out from here on what `selection` says, before it is decoded."""
        selection.begin(self.info.codec, self._stream.codec_context.extradata)
        self._selection = selection

    def close(self) -> None:
        """Let go of the file, the connection or the device, and of what decodes it."""
        # From here on no lane decodes: none has to wait for libav to let go of a silent camera.
        self._deferral.discard()
        if self._units is not None:
            self._units.close()
        elif self._container is not None:
            self._container.close()
        # Who is closed is still asked how it fared: the decoder's pictures need not stay.
        for name in ("_decoder", "_stream", "_container", "_units"):
            vars(self)[name] = None

    @property
    def demuxed(self) -> int:
        """Access units captured so far. Each comes out of `frames` as one item."""
        return self._demuxed

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far."""
        return self._line.next_s

    def frames(self) -> Iterator[Item]:
        """Decode the source: for each access unit one frame, or what became of it.

        A decoder holds frames back to put them in order, so an item may come some units after its
        own; at the end all have come. Frames are numbered as they come, and what gives none too.

        Raises:
            VideoError: a live source ended or fell silent, or a file cannot be read further.
        """
        failure: VideoError | None = None
        try:
            yield from self._demux()
        except VideoError as error:
            failure = error
        self._deferral.decode_all()
        for result in self._decoder.flush():
            item = self._item(result)
            late_s = self._clock.monotonic() - self.captured_s
            # What a silence has held back is no news any more.
            old = failure is not None and isinstance(item, Frame) and late_s > LATE_S
            yield LeftOut("stale") if old else item
        if failure is None and self.info.live:
            failure = VideoError(f"{self._where}: the stream ended; the camera closed it")
        if failure is not None:
            raise failure

    def _demux(self) -> Iterator[Item]:
        """What comes out while the source has more; a file is read on after a broken place."""
        while True:
            before, asked_s = self._demuxed, self._clock.monotonic()
            try:
                for packet in self._units or self._container.demux(self._stream):
                    # The empty ones ask for a flush, or say that the last picture stands.
                    if packet.size and packet.is_discard:
                        self._deferral.decode_all()
                        yield from map(self._item, self._decoder.decode_hidden(packet))
                    elif packet.size:
                        yield from self._unit(packet, asked_s)
                    asked_s = self._clock.monotonic()
            except av.FFmpegError as error:
                if self.info.live or self._demuxed == before:
                    silence_s = self._options.silence_s
                    raise cannot_go_on(self._where, error, silent_s=silence_s) from None
            else:
                return

    def _unit(self, packet: "av.Packet[VideoStream]", asked_s: float) -> Iterator[Item]:
        self._demuxed += 1
        if self._defect is not None:
            raise self._defect
        now = self._clock.monotonic()
        self.gauge.waited(now, now - asked_s)
        stamp_s = self._stamp_s(packet.pts)
        sender_utc, start_utc = None, self._start_utc
        if start_utc is not None:
            sender_utc = self._sender.utc(stamp_s, start_utc, _reported_utc(packet))
        captured = self._line.captured(stamp_s, now, sender_utc)
        self.gauge.unit(now, key=packet.is_keyframe)
        self._check_life()
        if self._damaged:
            self._lose()
        if self._selection is not None:
            lag_s = now - captured.taken_s if captured is not None else 0.0
            refusal = self._selection.refusal(packet, now, lag_s)
            if refusal:
                self._given += 1
                yield LeftOut(refusal)
            elif self._may_defer(packet, self._selection):
                yield self._deferred(packet, captured, now)
            else:
                if self._selection.restarts:
                    yield from map(self._item, self._drain())
                yield from map(self._item, self._decoded(packet, captured, now))
            if self._selection.ends_group and self._decoder.holds_back:
                # What the decoder holds back would wait for the next group.
                yield from map(self._item, self._drain())
        else:
            yield from map(self._item, self._decoded(packet, captured, now))

    def _low_latency(self, uri: str, resume: Resume) -> LowLatencyUnits | None:
        """What demuxes on a thread of its own, for a camera that asks for it."""
        if not hands_out_fragments(uri, self._options) or resume.start is None:
            return None
        units = LowLatencyUnits(self._container, self._stream, self._clock)
        resume.start(f"demux:{self._camera}", units.demux)
        return units

    def _check_life(self) -> None:
        if not self.info.live:
            return
        if self.gauge.without_picture_s > NO_PICTURE_S:
            raise VideoError(
                f"{self._where}: nothing that came for {NO_PICTURE_S:g} s could be decoded"
            )
        if self.gauge.frozen_s(self._clock.monotonic()) > self._frozen_limit_s:
            raise VideoError(
                f"{self._where}: all pictures of {self._frozen_limit_s:g} s were the same"
            )

    def _decoded(
        self, packet: "av.Packet[VideoStream]", captured: Captured | None, now: float
    ) -> list[Decoded[Captured | None] | Undecodable]:
        with self._turns, self._deferral.lock:
            self._deferral.decode_all()
            if self._marks.key:
                self._damaged = False
            results = self._decode(packet, captured, self._marks, now)
        if any(isinstance(result, Undecodable) for result in results):
            self._lose()
        return results

    def _decode(
        self,
        packet: "av.Packet[VideoStream]",
        captured: Captured | None,
        marks: UnitMarks,
        now: float,
    ) -> list[Decoded[Captured | None] | Undecodable]:
        """Decode a unit, and note what it took; under the lock, by whichever thread."""
        self._costs.begin(marks)
        results = self._decoder.decode(packet, captured)
        cost_s = self._costs.end(marks)
        self._prompt = 0 if self._decoder.holds_back else self._prompt + 1
        self.gauge.decoded(now, cost_s, self._clock.monotonic() - now)
        if self._selection is not None:
            self._selection.took(marks, cost_s)
        return results

    def _drain(self) -> list[Decoded[Captured | None] | Undecodable]:
        with self._deferral.lock:
            self._deferral.decode_all()
            return self._decoder.drain()

    @property
    def _marks(self) -> UnitMarks:
        return _PLAIN if self._selection is None else self._selection.marks

    def _lose(self) -> None:
        """Something was damaged: what refers to it is left out."""
        self._damaged = False
        if self._selection is not None:
            self._selection.lost()

    def _may_defer(self, packet: "av.Packet[VideoStream]", selection: Selection) -> bool:
        """Whether the lane that takes it may decode it: its picture comes out at once."""
        if self._prompt < PROMPT or not selection.marks.picture or not selection.defers():
            return False
        # What tells the decoder of a new size must never be left out.
        return not (packet.is_keyframe and packet.has_sidedata("new_extradata"))

    def _deferred(
        self, packet: "av.Packet[VideoStream]", captured: Captured | None, now: float
    ) -> DeferredFrame:
        unit = DeferredUnit(packet, self._marks, captured, now)
        self._deferral.add(unit, self.gauge.cost_s)
        place = self._line.place(self._stamp_s(packet.pts), captured)
        self.captured_s = now if place.captured_s is None else place.captured_s
        sequence = self._given
        self._given += 1
        return DeferredFrame(
            self._camera,
            place.at_s,
            place.captured_at,
            sequence=sequence,
            image=lambda: self._image_of(unit),
        )

    def _late(self, unit: DeferredUnit) -> "av.VideoFrame | Undecodable":
        """The picture of a unit that has waited."""
        results = self._decode(unit.packet, unit.captured, unit.marks, self._clock.monotonic())
        if self._decoder.holds_back:
            # It comes too late for the lane that asked for it.
            self._decoder.forget()
        if len(results) == 1 and isinstance(results[0], Decoded):
            self.gauge.pictured(self._clock.monotonic())
            return results[0].picture
        self._damaged = self._damaged or not self._deferral.has_key
        self.gauge.undecodable(self._clock.monotonic())
        return Undecodable("the decoder gave no picture for it")

    def _image_of(self, unit: DeferredUnit) -> Image | str:
        """The pixels of a unit that was deferred, or the bucket in which its frame ends."""
        with self._deferral.lock:
            try:
                picture = self._deferral.decoded(unit)
            except Exception as error:  # noqa: BLE001 - whatever it is, who reads raises it
                self._defect = error
                return "stopped"
            if unit.image is None and isinstance(picture, av.VideoFrame):
                unit.image = self._pixels(picture)
            return unit.image or ("replaced" if picture is None else "decode-error")

    def _item(self, result: Decoded[Captured | None] | Undecodable) -> Frame | Undecodable:
        sequence = self._given
        self._given += 1
        now = self._clock.monotonic()
        if isinstance(result, Undecodable):
            self.gauge.undecodable(now)
            return result
        picture = result.picture
        place = self._line.place(self._stamp_s(picture.pts), result.told)
        image = self._pixels(picture)
        if image is None:
            return Undecodable(f"its pixel format {picture.format.name} cannot be converted")
        self.captured_s = now if place.captured_s is None else place.captured_s
        return Frame(self._camera, place.at_s, place.captured_at, sequence=sequence, image=image)

    def _pixels(self, picture: av.VideoFrame) -> Image | None:
        """None of a format that cannot be converted."""
        now = self._clock.monotonic()
        try:
            image = image_of(picture, self.info.codec)
        except (av.FFmpegError, ValueError):
            self.gauge.undecodable(now)
            return None
        self.gauge.picture(now, image, damaged=picture.is_corrupt)
        return image

    @property
    def _start_utc(self) -> float | None:
        """The UTC of stamp 0 by the camera's first sender report."""
        start_us = self._container.start_time_realtime if self.info.live else None
        return None if start_us is None else start_us / 1e6

    def _stamp_s(self, pts: int | None) -> float | None:
        return None if pts is None else pts * self._tick_s


def _reported_utc(packet: "av.Packet[VideoStream]") -> float | None:
    """The UTC that libav found for a packet in the camera's sender reports."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime: microseconds since 1970, as the first of its fields.
    return int.from_bytes(bytes(packet.get_sidedata("prft"))[:8], sys.byteorder) / 1e6
