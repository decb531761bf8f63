"""The decoder of one video stream, with an account of every access unit it was given."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from appliance.video.hardware import HardwareChoice
from appliance.video.source import Undecodable

# A decoder holds back 16 pictures at most (the limit of the DPB of H.264 and HEVC), and twice that
# where each field is a unit of its own. What has not come out by then does not come.
LONGEST_DELAY = 32
_SWALLOWED = "the decoder made no picture of it"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[T]):
    """A picture, and what was said of the unit that it came from."""

    picture: av.VideoFrame
    told: T


class _Unit(Generic[T]):
    """Stands for one access unit on its way through the decoder.

    Each must be an object of its own: av keeps what a packet carries in one table for the whole
    process, by the object's identity, so that equal small numbers of two cameras would collide.
    """

    __slots__ = ("number", "told")

    def __init__(self, number: int, told: T) -> None:
        self.number = number
        self.told = told


class Decoder(Generic[T]):
    """Decodes the units of one stream, and gives for each exactly one result, sooner or later.

    Decoders hold pictures back to put them into the order of presentation, swallow damaged units,
    and may give two pictures for one unit; so each picture is traced to the unit it came from.
    """

    def __init__(self, stream: VideoStream, hardware: HardwareChoice | None = None) -> None:
        self._inner = (hardware or HardwareChoice("off")).open(stream, _prepare)
        self._taken_in = 0
        self._pending: list[_Unit[T]] = []

    def decode(self, packet: "av.Packet[VideoStream]", told: T) -> list[Decoded[T] | Undecodable]:
        """Take in one access unit; give what is settled by it, in the order of presentation.

        What is `told` of the unit comes out again with its picture.
        """
        unit = _Unit(self._taken_in, told)
        self._taken_in += 1
        packet.opaque = unit
        self._pending.append(unit)
        results: list[Decoded[T] | Undecodable] = []
        try:
            results += self._claimed(self._inner.decode(packet))
        except av.FFmpegError as error:
            self._pending.remove(unit)
            results.append(Undecodable(error.strerror or type(error).__name__))
        while self._pending and self._pending[0].number <= unit.number - LONGEST_DELAY:
            self._pending.pop(0)
            results.append(Undecodable(_SWALLOWED))
        return results

    @property
    def holds_back(self) -> bool:
        """Whether it has units of which it has given no picture yet."""
        return bool(self._pending)

    def forget(self) -> None:
        """Whatever it still holds back settles nothing any more."""
        self._pending.clear()

    def decode_hidden(self, packet: "av.Packet[VideoStream]") -> list[Decoded[T]]:
        """Take in a unit that is there for others to refer to and is not to be shown.

        It may push out pictures of units before it.
        """
        try:
            return self._claimed(self._inner.decode(packet))
        except av.FFmpegError:
            return []

    def drain(self) -> list[Decoded[T] | Undecodable]:
        """Give what is held back, and go on with a key frame."""
        if not self._pending:
            return []
        results = self.flush()
        self._inner.context.flush_buffers()
        return results

    def flush(self) -> list[Decoded[T] | Undecodable]:
        """At the end of the stream: the pictures held back, and the units that gave none."""
        results: list[Decoded[T] | Undecodable] = []
        try:
            results += self._claimed(self._inner.decode(None))
        except av.FFmpegError as error:
            reason = error.strerror or type(error).__name__
        else:
            reason = _SWALLOWED
        results += [Undecodable(reason)] * len(self._pending)
        self._pending.clear()
        return results

    def _claimed(self, pictures: list[av.VideoFrame]) -> list[Decoded[T]]:
        """The pictures that settle a unit which is still open."""
        found = []
        for picture in pictures:
            unit = picture.opaque
            if unit is None and self._pending:
                # A decoder that does not pass the mark on: the oldest unit is the likeliest.
                unit = self._pending[0]
            if unit in self._pending:
                self._pending.remove(unit)
                found.append(Decoded(picture, unit.told))
        return found


def _prepare(context: VideoCodecContext) -> None:
    # Frame threads delay each picture by one frame a thread; streams run in parallel anyway.
    context.thread_count = 1
    context.thread_type = "SLICE"
    context.flags |= Flags.copy_opaque
