"""The units of an RTSP camera without the delay of libav's parser.

They are demuxed on one thread and taken on another, because only a thread that does not wait for
the camera notices its silence.
"""

import threading
from collections import deque
from collections.abc import Iterator
from typing import cast

import av
from av.container import InputContainer
from av.packet import PacketSideData
from av.video.stream import VideoStream

from appliance.clock import Clock
from appliance.video.fragments import SILENCE_S, AccessUnit, Fragment, Joiner

# For libav's opening: packets as RTP carried them, all of one picture with the same time.
OPEN_OPTIONS = {"fflags": "noparse+nofillin"}
QUEUE_UNITS = 32
# How soon a waiting thread sees that its stop event is set; nothing wakes it for that.
STOP_SEEN_AFTER_S = 0.1
CLOSE_S = 1.0


class LowLatencyUnits:
    """The units of an open RTSP stream, demuxed on one thread and taken on another.

    The container is opened with `OPEN_OPTIONS`, and belongs to this from then on: nobody else may
    close it, for libav may be reading. `demux` is the loop of a thread of its own. Iterating gives
    packets for the decoder of the stream, and raises what demuxing raised. Where nobody takes, the
    demuxing waits: nothing is dropped. `close` when nothing of the stream is used any more.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._container = container
        self._stream = stream
        self._time_base = stream.time_base
        self._clock = clock
        self._joiner = Joiner(stream.codec_context.name, silence_s=silence_s)
        self._changed = threading.Condition()
        self._units: deque[AccessUnit] = deque()
        self._failure: av.FFmpegError | None = None
        self._began = self._ended = self._closing = self._left = False

    @property
    def cut(self) -> int:
        """How many pictures were taken for whole too early, and are damaged."""
        return self._joiner.cut

    @property
    def dropped(self) -> int:
        """How many fragments were left out, because the beginning of theirs was lost."""
        return self._joiner.dropped

    def demux(self, stop: threading.Event) -> None:
        """Read until the stream ends or fails, `stop` is set, or `close` is called."""
        with self._changed:
            if self._closing:
                return
            self._began = True
        try:
            for packet in self._container.demux(self._stream):
                if stop.is_set() or not self._put(packet, stop):
                    return
        except av.FFmpegError as error:
            self._failure = error
        finally:
            self._end()

    def __iter__(self) -> Iterator["av.Packet[VideoStream]"]:
        """The packets, each of one picture.

        Raises:
            av.FFmpegError: the stream failed.
        """
        while (unit := self._take()) is not None:
            yield self._packet(unit)
        if self._failure is not None:
            raise self._failure

    def close(self) -> bool:
        """End the demuxing and close the container; say whether that was possible at once.

        A camera that is silent keeps it in libav for as long as opening it allowed; the container
        is then closed after that.
        """
        with self._changed:
            if self._closing:
                return self._ended
            self._closing = True
            self._changed.notify_all()
            if self._began and not self._changed.wait_for(lambda: self._ended, CLOSE_S):
                self._left = True
                return False
            self._ended = True
            self._container.close()
            return True

    def _put(self, packet: "av.Packet[VideoStream]", stop: threading.Event) -> bool:
        """Take a packet in; False if the end came while there was no place for it."""
        if not packet.size:
            return True
        sent = packet.get_sidedata("prft") if packet.has_sidedata("prft") else None
        fragment = Fragment(bytes(packet), packet.pts, self._clock.monotonic(), sent)
        with self._changed:
            while len(self._units) >= QUEUE_UNITS and not self._closing and not stop.is_set():
                self._changed.wait(STOP_SEEN_AFTER_S)
            if self._closing or stop.is_set():
                return False
            was_due = self._joiner.due_s is not None
            unit = self._joiner.add(fragment)
            if unit is not None:
                self._units.append(unit)
            if unit is not None or (self._joiner.due_s is not None and not was_due):
                self._changed.notify_all()
        return True

    def _end(self) -> None:
        with self._changed:
            last = self._joiner.end()
            if last is not None:
                self._units.append(last)
            self._ended = True
            self._changed.notify_all()
            if self._left:
                self._container.close()

    def _take(self) -> AccessUnit | None:
        """The next unit, once there is one; None at the end."""
        with self._changed:
            while not self._units and not self._ended:
                now_s = self._clock.monotonic()
                unit = self._joiner.silence(now_s)
                if unit is not None:
                    return unit
                due_s = self._joiner.due_s
                self._changed.wait(None if due_s is None else due_s - now_s)
            if not self._units:
                return None
            unit = self._units.popleft()
            self._changed.notify_all()
            return unit

    def _packet(self, unit: AccessUnit) -> "av.Packet[VideoStream]":
        packet = cast("av.Packet[VideoStream]", av.Packet(unit.data))
        packet.pts = unit.pts
        if self._time_base is not None:
            packet.time_base = self._time_base
        packet.is_keyframe = unit.key
        if isinstance(unit.tag, PacketSideData):
            packet.set_sidedata(unit.tag)
        return packet
