"""Writes pictures to a clip, each at its own time."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from appliance.video.errors import VideoError
from blocks.data import Image

ENDINGS = (".mp4", ".mov", ".mkv")
# Whole for 24, 25, 30, 50, 60 and 30000/1001 frames/s, and within the 16 bits of MPEG-4 part 2.
TIME_BASE = Fraction(1, 60000)
# A run that is killed loses the group it was in the midst of.
GROUP_S = 2.0
_HD_LINES = 720
# Each packet goes to the disk at once. MP4 is written in fragments besides, so that a killed run
# leaves what it had written, under the final name: there is no temporary file to find and rename.
# Closing turns the fragments into an ordinary file with an index. Matroska is made for both.
_CONTAINER = {"flush_packets": "1"}
_FRAGMENTS = {"movflags": "hybrid_fragmented"}
# Without B frames the first picture's time is 0: with them, players begin with a gap.
_X264 = {"preset": "veryfast", "crf": "23", "bf": "0"}


class VideoWriter:
    """A clip in the making; close it, or use it in a `with` statement.

    `rate` is nominal frames for each second: it guides the encoder, times come from the frames.
    The first picture settles the size; an odd last row or column is left out.

    Raises:
        VideoError: the ending is not known, or the file cannot be written.
    """

    def __init__(self, path: Path, rate: float) -> None:
        ending = path.suffix.lower()
        if ending not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise VideoError(f"{path}: clips end in {known}, not in {ending or 'nothing'}")
        if rate <= 0:
            raise VideoError(f"{path}: a clip needs a rate above 0 frames/s, not {rate:g}")
        self._path = path
        self._rate = Fraction(rate).limit_denominator(1001)
        self._stream: VideoStream | None = None
        self._first_s = 0.0
        self._last_pts = -1
        # libav crashes the process if it is given more after a packet that it could not write.
        self._failure: VideoError | None = None
        try:
            # Now, not with the first event of the night. Nothing that is there is touched yet.
            with path.open("ab"):
                pass
        except OSError as error:
            raise VideoError(f"{path}: cannot be written: {error.strerror}") from None
        options = _CONTAINER | ({} if ending == ".mkv" else _FRAGMENTS)
        self._container: OutputContainer = av.open(f"file:{path}", "w", options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, image: Image, at_s: float) -> None:
        """Add a picture that was taken at `at_s`; the clip begins at the first one's time.

        Raises:
            VideoError: the picture has another size than the first, or the disk refuses it.
        """
        if self._failure is not None:
            raise self._failure
        try:
            if self._stream is None:
                self._first_s = at_s
                self._stream = self._begun(image)
            self._encode(self._stream, image, at_s)
        except av.FFmpegError as error:
            self._failure = VideoError(f"{self._path}: cannot be written: {error.strerror}")
            raise self._failure from None

    def close(self) -> None:
        """Finish the clip; without a picture there is none. Closing twice is allowed.

        Raises:
            VideoError: the disk refuses the rest; not again what `write` has raised already.
        """
        stream, self._stream = self._stream, None
        try:
            if stream is not None and self._failure is None:
                self._container.mux(stream.encode(None))
            self._container.close()
        except av.FFmpegError as error:
            if self._failure is None:
                self._failure = VideoError(f"{self._path}: cannot be finished: {error.strerror}")
                raise self._failure from None
        if self._path.is_file() and self._path.stat().st_size == 0:
            self._path.unlink()

    def _begun(self, image: Image) -> VideoStream:
        width, height = image.width // 2 * 2, image.height // 2 * 2
        if not width or not height:
            size = f"{image.width}x{image.height}"
            raise VideoError(f"{self._path}: a clip needs 2x2 pixels at least, not {size}")
        stream: VideoStream
        if "libx264" in av.codecs_available:
            stream = self._container.add_stream("libx264", rate=self._rate, options=_X264)
        else:
            stream = self._container.add_stream("mpeg4", rate=self._rate)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = TIME_BASE
        context.gop_size = max(1, round(self._rate * Fraction(GROUP_S)))
        # Said in the file, because players guess by the size of the picture.
        context.colorspace = _colorspace(height)
        context.color_range = ColorRange.MPEG
        return stream

    def _encode(self, stream: VideoStream, image: Image, at_s: float) -> None:
        width, height = stream.codec_context.width, stream.codec_context.height
        if (image.width // 2 * 2, image.height // 2 * 2) != (width, height):
            raise VideoError(
                f"{self._path}: the pictures of a clip are of one size: it began with "
                f"{width}x{height}, and now comes {image.width}x{image.height}"
            )
        picture = av.VideoFrame.from_ndarray(image.bgr[:height, :width], format="bgr24").reformat(
            format="yuv420p",
            dst_colorspace=_colorspace(height),
            dst_color_range=ColorRange.MPEG,
        )
        pts = round((at_s - self._first_s) / TIME_BASE)
        self._last_pts = picture.pts = max(pts, self._last_pts + 1)
        picture.time_base = TIME_BASE
        self._container.mux(stream.encode(picture))


def _colorspace(height: int) -> Colorspace:
    return Colorspace.ITU709 if height >= _HD_LINES else Colorspace.ITU601
