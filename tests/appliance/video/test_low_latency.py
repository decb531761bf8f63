"""The two halves of demuxing without delay: what one thread reads comes out on another."""

import queue
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from appliance.clock import SystemClock
from appliance.video import low_latency
from appliance.video.low_latency import QUEUE_UNITS, STOP_SEEN_AFTER_S, LowLatencyUnits

SOON_S = 10.0
TIME_BASE = Fraction(1, 90000)
START = b"\0\0\0\1"
# A picture of three pieces, of which two are of full size.
PIECES = [START + b"\x65" + b"\xb5" * 40, b"\x11" * 40, b"\x22" * 20]
PLAIN = [START + b"\x41" + b"\xb5" * 40, b"\x11" * 40, b"\x22" * 20]


class Container:
    """Gives what is put into `sent`, as libav does: packets, a failure, or the end (None)."""

    def __init__(self) -> None:
        self.sent: queue.Queue[Any] = queue.Queue()
        self.given = 0
        self.closed = threading.Event()

    def demux(self, stream: object) -> Iterator[Any]:
        while (item := self.sent.get(timeout=SOON_S)) is not None:
            if isinstance(item, Exception):
                raise item
            self.given += 1
            yield item

    def close(self) -> None:
        assert not self.closed.is_set(), "closed twice"
        self.closed.set()

    def send(self, pieces: list[bytes], pts: int) -> None:
        for piece in pieces:
            packet = av.Packet(piece)
            packet.pts = pts
            self.sent.put(packet)

    def pictures(self, count: int) -> None:
        for number in range(count):
            self.send(PLAIN if number else PIECES, number * 3000)


class Watched(threading.Condition):
    """Does something when the taking half begins to wait; tells when the demuxing half does."""

    def __init__(self, *then: Callable[[], None]) -> None:
        super().__init__()
        self.then = list(then)
        self.demuxing_waits = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            if timeout == STOP_SEEN_AFTER_S:
                self.demuxing_waits.set()
            return super().wait(timeout)
        if self.then:
            self.then.pop(0)()
        woken = super().wait(SOON_S)
        assert woken, "nobody woke the taking half"
        return woken


class Halves:
    """A container, the units of it, and the thread that demuxes."""

    def __init__(self) -> None:
        self.container = Container()
        stream = SimpleNamespace(time_base=TIME_BASE, codec_context=SimpleNamespace(name="h264"))
        self.units = LowLatencyUnits(
            cast(InputContainer, self.container), cast(VideoStream, stream), SystemClock()
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.units.demux, args=(self.stop,), daemon=True)

    def ended(self) -> bool:
        self.thread.join(SOON_S)
        return not self.thread.is_alive()


@pytest.fixture
def halves() -> Iterator[Halves]:
    made = Halves()
    yield made
    made.stop.set()
    made.container.sent.put(None)
    if made.thread.is_alive():
        made.thread.join(SOON_S)


def test_each_picture_comes_out_as_one_packet(halves: Halves) -> None:
    halves.container.pictures(3)
    halves.container.sent.put(None)
    halves.thread.start()
    packets = list(halves.units)
    assert [bytes(packet) for packet in packets] == [b"".join(p) for p in (PIECES, PLAIN, PLAIN)]
    assert [packet.pts for packet in packets] == [0, 3000, 6000]
    assert [packet.is_keyframe for packet in packets] == [True, False, False]
    assert {packet.time_base for packet in packets} == {TIME_BASE}


def test_a_picture_comes_out_though_nothing_follows_it(halves: Halves) -> None:
    halves.container.pictures(5)
    halves.thread.start()
    packets = iter(halves.units)
    assert [next(packets).pts for _ in range(5)] == [0, 3000, 6000, 9000, 12000]
    halves.units._changed = Watched(lambda: halves.container.send(PLAIN, 15000))
    assert next(packets).pts == 15000
    assert halves.thread.is_alive()


def test_a_picture_comes_out_when_the_next_begins_before_silence_counts(halves: Halves) -> None:
    halves.units._changed = Watched(lambda: halves.container.pictures(2))
    halves.thread.start()
    assert next(iter(halves.units)).pts == 0
    assert halves.thread.is_alive()


def test_what_the_camera_says_of_the_time_goes_with_the_picture(halves: Halves) -> None:
    packet = _timed_packet()
    told = bytes(packet.get_sidedata("prft"))
    packet.update((START + b"\x65\xb5").ljust(packet.size, b"\x11"))
    halves.container.sent.put(packet)
    halves.container.sent.put(None)
    halves.thread.start()
    (given,) = halves.units
    assert len(told) == 16
    assert bytes(given.get_sidedata("prft")) == told


def _timed_packet() -> "av.Packet[VideoStream]":
    """An encoder's packet with the time at which it was made."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"export_side_data": "prft", "tune": "zerolatency"}
    picture = av.VideoFrame(64, 64, "yuv420p")
    picture.pts = 0
    (packet,) = encoder.encode(picture)
    return cast("av.Packet[VideoStream]", packet)


def test_a_failure_comes_out_after_the_pictures_before_it(halves: Halves) -> None:
    halves.container.pictures(2)
    halves.container.sent.put(av.error.TimeoutError(110, "silent"))
    halves.thread.start()
    pts = []
    with pytest.raises(av.error.TimeoutError, match="silent"):  # noqa: PT012 - what came before
        for packet in halves.units:
            pts.append(packet.pts)
    assert pts == [0, 3000]
    assert halves.ended()


def test_where_nobody_takes_the_demuxing_waits_and_nothing_is_lost(halves: Halves) -> None:
    count = 2 * QUEUE_UNITS
    halves.units._changed = changed = Watched()
    halves.container.pictures(count)
    halves.container.sent.put(None)
    halves.thread.start()
    assert changed.demuxing_waits.wait(SOON_S)
    # The fragment that has closed the last unit is taken in, and one more waits.
    assert halves.container.given == len(PLAIN) * QUEUE_UNITS + 2
    assert [packet.pts for packet in halves.units] == [number * 3000 for number in range(count)]


def test_closing_ends_a_demuxing_that_waits_for_a_place(halves: Halves) -> None:
    halves.units._changed = changed = Watched()
    halves.container.pictures(2 * QUEUE_UNITS)
    halves.thread.start()
    assert changed.demuxing_waits.wait(SOON_S)
    assert halves.units.close()
    assert halves.ended()
    assert halves.container.closed.is_set()
    assert len(list(halves.units)) <= QUEUE_UNITS + 1


def test_the_stop_ends_the_demuxing_at_the_next_packet(halves: Halves) -> None:
    halves.container.pictures(2)
    halves.stop.set()
    halves.thread.start()
    assert list(halves.units) == []
    assert halves.ended()
    assert not halves.container.closed.is_set()
    assert halves.units.close()
    assert halves.container.closed.is_set()


def test_a_silent_camera_does_not_hold_up_closing(
    halves: Halves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(low_latency, "CLOSE_S", 0.02)
    halves.container.pictures(6)
    halves.thread.start()
    packets = iter(halves.units)
    assert [next(packets).pts for _ in range(6)][-1] == 15000
    assert not halves.units.close()
    assert not halves.container.closed.is_set()
    halves.container.sent.put(None)
    assert halves.ended()
    assert halves.container.closed.is_set()


def test_closing_before_the_demuxing_began_leaves_nothing_to_read(halves: Halves) -> None:
    halves.container.pictures(2)
    assert halves.units.close()
    assert halves.container.closed.is_set()
    halves.thread.start()
    assert halves.ended()
    assert halves.container.given == 0
    assert list(halves.units) == []


def test_what_was_left_out_is_told(halves: Halves) -> None:
    halves.container.send(PLAIN[1:], 0)
    halves.container.pictures(1)
    halves.container.sent.put(None)
    halves.thread.start()
    assert [packet.pts for packet in halves.units] == [0]
    assert (halves.units.dropped, halves.units.cut) == (2, 0)
