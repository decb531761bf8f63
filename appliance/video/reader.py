"""Reads a clip, a camera's address or a capture device, and gives its frames as plain arrays."""

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.video.stream import VideoStream

from appliance.clock import Clock
from appliance.video.decoder import Decoder
from appliance.video.errors import VideoError, cannot_go_on, redact
from appliance.video.opening import is_untimed, open_container, stream_info, video_stream
from appliance.video.planes import image_of
from appliance.video.source import DEFAULT_RATE, Item, SourceOptions, Undecodable
from appliance.video.timeline import Timeline
from blocks.data import Frame


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
        options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
        begin_s: float = 0.0,
        begin_sequence: int = 0,
    ) -> None:
        self._options = options
        self._camera = camera
        self._begin_s = begin_s
        self._clock = clock
        self._where = redact(uri)
        self._container = open_container(uri, self._where, options)
        try:
            self._stream = video_stream(self._container, self._where)
            self.info = stream_info(uri, self._container, self._stream)
        except VideoError:
            self._container.close()
            raise
        self._decoder = Decoder(self._stream)
        self._untimed = self.info.live and is_untimed(self._container)
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

    def frames(self) -> Iterator[Item]:
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
                    silence_s = self._options.silence_s
                    raise cannot_go_on(self._where, error, silent_s=silence_s) from None
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
