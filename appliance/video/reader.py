"""Reads a clip, a camera's address or a capture device, and gives its frames as plain arrays."""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from appliance.clock import Clock
from appliance.video.decoder import Decoder, Undecodable
from appliance.video.errors import VideoError, cannot_go_on, cannot_open, redact, unusable_file
from appliance.video.planes import image_of
from appliance.video.timeline import Timeline
from blocks.data import Frame

OPEN_TIMEOUT_S = 5.0
# libav hands out one packet more before it reports silence: the error comes after twice this.
READ_TIMEOUT_S = 2.5
DEFAULT_RATE = 25.0

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Opens four times as fast; a camera that needs more is asked again without. The duration is in
# microseconds, and 0 would mean libav's own five seconds.
_FAST_PROBE = {"probesize": "32768", "analyzeduration": "100000"}
# Formats without time stamps: libav counts 25 frames for each second, whatever the camera sends.
_UNTIMED = ("mpjpeg", "mjpeg", "h264", "hevc")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source says of itself before its first frame; cameras say little.

    `width` and `height` are pixels; `rate` is nominal frames for each second; `live` is whether it
    goes on without end, at its own pace.
    """

    codec: str
    width: int
    height: int
    rate: float | None
    frames: int | None
    duration_s: float | None
    live: bool


class VideoReader:
    """One source, opened; close it, or use it in a `with` statement.

    `uri` is a path, a device such as /dev/video0, or an address: rtsp, http, rtmp, udp and so on.
    It belongs to one thread at a time. A camera that is opened again goes on where its line of time
    and its numbers were: `begin_s` is the `at_s` of its first frame, `begin_sequence` the number.

    Raises:
        VideoError: it cannot be opened.
    """

    def __init__(
        self,
        uri: str,
        camera: str,
        clock: Clock,
        *,
        begin_s: float = 0.0,
        begin_sequence: int = 0,
    ) -> None:
        self._camera = camera
        self._begin_s = begin_s
        self._clock = clock
        self._where = redact(uri)
        self._container = _opened(uri, self._where)
        try:
            self._stream = _video_stream(self._container, self._where)
            self.info = _info(uri, self._container, self._stream)
        except VideoError:
            self._container.close()
            raise
        self._decoder = Decoder(self._stream)
        self._untimed = self.info.live and self._container.format.name in _UNTIMED
        self._timeline = Timeline(1 / (self.info.rate or DEFAULT_RATE))
        self._time_base = self._stream.time_base or Fraction(1, 1)
        # UTC of at_s 0. Of a camera it is known when its first unit has come.
        self._began_at: float | None = None if self.info.live else clock.now()
        self._demuxed = 0
        self._given = begin_sequence

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, the connection or the device."""
        self._container.close()

    @property
    def demuxed(self) -> int:
        """Access units captured so far. Each comes out of `frames` as one item."""
        return self._demuxed

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far, at the source's nominal rate."""
        return self._begin_s + self._timeline.next_s

    def frames(self) -> Iterator[Frame | Undecodable]:
        """Decode the source: for each access unit one frame, or why there is none.

        A decoder holds frames back to put them in order, so an item may come some units after its
        own; at the end all have come. Frames are numbered as they come, undecodable ones included.

        Raises:
            VideoError: a live source ended or fell silent, or a file cannot be read further.
        """
        failure: VideoError | None = None
        try:
            yield from self._demux()
        except VideoError as error:
            failure = error
        for result in self._decoder.flush():
            yield self._item(result)
        if failure is None and self.info.live:
            failure = VideoError(f"{self._where}: the stream ended; the camera closed it")
        if failure is not None:
            raise failure

    def _demux(self) -> Iterator[Frame | Undecodable]:
        """What comes out while the source has more; a file is read on after a broken place."""
        while True:
            before = self._demuxed
            try:
                for packet in self._container.demux(self._stream):
                    # The empty ones ask for a flush, or say that the last picture stands.
                    if packet.size and packet.is_discard:
                        self._decoder.decode_hidden(packet)
                    elif packet.size:
                        yield from self._decoded(packet)
            except av.FFmpegError as error:
                if self.info.live or self._demuxed == before:
                    silent_s = 2 * READ_TIMEOUT_S
                    raise cannot_go_on(self._where, error, silent_s=silent_s) from None
            else:
                return

    def _decoded(self, packet: "av.Packet[VideoStream]") -> Iterator[Frame | Undecodable]:
        self._demuxed += 1
        if self._began_at is None:
            self._began_at = self._clock.now()
        for result in self._decoder.decode(packet):
            yield self._item(result)

    def _item(self, result: av.VideoFrame | Undecodable) -> Frame | Undecodable:
        sequence = self._given
        self._given += 1
        if isinstance(result, Undecodable):
            return result
        at_s = self._timeline.place(self._stamp_s(result))
        try:
            image = image_of(result, self.info.codec)
        except (av.FFmpegError, ValueError):
            return Undecodable(f"its pixel format {result.format.name} cannot be converted")
        captured_at = (self._began_at or 0.0) + at_s
        return Frame(
            self._camera, self._begin_s + at_s, captured_at, sequence=sequence, image=image
        )

    def _stamp_s(self, picture: av.VideoFrame) -> float | None:
        if self._untimed:
            return self._clock.monotonic()
        if picture.pts is None:
            return None
        return float(picture.pts * (picture.time_base or self._time_base))


def _scheme(uri: str) -> str:
    """`rtsp` and so on, in small letters; empty for a path."""
    found = _URL.match(uri)
    return found[1].lower() if found else ""


def file_of(uri: str) -> Path | None:
    """The file or device that an address names; None where it names something on the network."""
    scheme = _scheme(uri)
    if scheme not in ("", "file"):
        return None
    return Path(unquote(uri[len("file://") :]) if scheme else uri)


def _opened(uri: str, where: str) -> InputContainer:
    """The container, opened by what the address is; a `VideoError` says why not."""
    path = file_of(uri)
    if path is None:
        scheme = _scheme(uri)
        options = {"rtsp_transport": "tcp"} if scheme in ("rtsp", "rtsps") else {}
        container = _connected(uri, where, options | (_FAST_PROBE if options else {}))
        if options and not _has_size(container):
            container.close()
            container = _connected(uri, where, options)
        return container
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unusable_file(path, error) from None
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        raise VideoError(f"{where}: the file is empty (0 bytes); copy or record it again")
    device = stat.S_ISCHR(found.st_mode)
    # With `file:` before it, a name with a colon or a percent sign is still a name.
    address = str(path) if device else f"file:{path}"
    try:
        return av.open(address, format="v4l2" if device else None)
    except av.FFmpegError as error:
        raise cannot_open(where, error, network=False, timeout_s=OPEN_TIMEOUT_S) from None


def _connected(uri: str, where: str, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(uri, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
    except av.FFmpegError as error:
        raise cannot_open(where, error, network=True, timeout_s=OPEN_TIMEOUT_S) from None


def _has_size(container: InputContainer) -> bool:
    stream = container.streams.best("video")
    return isinstance(stream, VideoStream) and stream.codec_context.width > 0


def _video_stream(container: InputContainer, where: str) -> VideoStream:
    stream = container.streams.best("video")
    if container.format.name == "tty":
        raise VideoError(f"{where}: this is a text file, not a video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(sorted({each.type for each in container.streams})) or "nothing"
        raise VideoError(f"{where}: there is no video stream in it, only {kinds}")
    # av's annotations do not tell that it is None for a codec this build has no decoder for.
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(f"{where}: its codec has no decoder here; convert it to H.264")
    return stream


def _info(uri: str, container: InputContainer, stream: VideoStream) -> StreamInfo:
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / av.time_base
    live = _is_live(uri, container)
    untimed = live and container.format.name in _UNTIMED
    rate = None if untimed else stream.average_rate or stream.guessed_rate
    return StreamInfo(
        codec=stream.codec_context.name,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        rate=float(rate) if rate else None,
        frames=stream.frames or None,
        duration_s=duration_s,
        live=live,
    )


def _is_live(uri: str, container: InputContainer) -> bool:
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        return "v4l2" in container.format.name
    if scheme not in ("http", "https") or container.duration is not None:
        return container.duration is None
    # A server that knows how long its answer is sends a file; a playlist's length says nothing.
    return "hls" in container.format.name or (container.size or 0) <= 0
