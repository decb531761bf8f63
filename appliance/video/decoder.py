"""The decoder of one video stream, with an account of every access unit it was given."""

import av
from av.codec.context import Flags
from av.video.stream import VideoStream

from appliance.video.source import Undecodable

# A decoder holds back 16 pictures at most (the limit of the DPB of H.264 and HEVC), and twice that
# where each field is a unit of its own. What has not come out by then does not come.
LONGEST_DELAY = 32
_SWALLOWED = "the decoder made no picture of it"


class _Unit:
    """Stands for one access unit on its way through the decoder.

    Each must be an object of its own: av keeps what a packet carries in one table for the whole
    process, by the object's identity, so that equal small numbers of two cameras would collide.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Decoder:
    """Decodes the units of one stream, and gives for each exactly one result, sooner or later.

    Decoders hold pictures back to put them into the order of presentation, swallow damaged units,
    and may give two pictures for one unit; so each picture is traced to the unit it came from.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._context = stream.codec_context
        # Frame threads delay each picture by one frame a thread; streams run in parallel anyway.
        self._context.thread_count = 1
        self._context.thread_type = "SLICE"
        self._context.flags |= Flags.copy_opaque
        self._taken_in = 0
        self._pending: list[_Unit] = []

    def decode(self, packet: "av.Packet[VideoStream]") -> list[av.VideoFrame | Undecodable]:
        """Take in one access unit; give what is settled by it, in the order of presentation."""
        unit = _Unit(self._taken_in)
        self._taken_in += 1
        packet.opaque = unit
        self._pending.append(unit)
        results: list[av.VideoFrame | Undecodable] = []
        try:
            results += self._claimed(packet.decode())
        except av.FFmpegError as error:
            self._pending.remove(unit)
            results.append(Undecodable(error.strerror or type(error).__name__))
        while self._pending and self._pending[0].number <= unit.number - LONGEST_DELAY:
            self._pending.pop(0)
            results.append(Undecodable(_SWALLOWED))
        return results

    def decode_hidden(self, packet: "av.Packet[VideoStream]") -> None:
        """Take in a unit that is there for others to refer to and is not to be shown."""
        try:
            packet.decode()
        except av.FFmpegError:
            return

    def flush(self) -> list[av.VideoFrame | Undecodable]:
        """At the end of the stream: the pictures held back, and the units that gave none."""
        results: list[av.VideoFrame | Undecodable] = []
        try:
            results += self._claimed(self._context.decode(None))
        except av.FFmpegError as error:
            reason = error.strerror or type(error).__name__
        else:
            reason = _SWALLOWED
        results += [Undecodable(reason)] * len(self._pending)
        self._pending.clear()
        return results

    def _claimed(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        return [picture for picture in pictures if self._claim(picture)]

    def _claim(self, picture: av.VideoFrame) -> bool:
        """Whether the picture settles a unit that is still open."""
        unit = picture.opaque
        if unit is None and self._pending:
            # A decoder that does not pass the mark on: the oldest unit is the likeliest.
            unit = self._pending[0]
        if unit not in self._pending:
            return False
        self._pending.remove(unit)
        return True
