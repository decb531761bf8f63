"""Units that are decoded only when a lane takes them: the same pictures, each counted once."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.clock import Clock
from appliance.engine.testing import ManualClock
from appliance.observe.ages import Timed
from appliance.observe.buckets import Buckets
from appliance.video.access_units import UnitMarks, UnitReader
from appliance.video.admission import Admission
from appliance.video.camera import Camera
from appliance.video.capture import Pace, capture
from appliance.video.deferral import (
    CATCH_UP,
    LONGEST_S,
    LONGEST_WORK_S,
    Deferral,
    DeferredFrame,
    DeferredUnit,
)
from appliance.video.mailbox import Mailbox
from appliance.video.motion import MotionGate, MotionSettings
from appliance.video.reader import PROMPT, VideoReader
from appliance.video.selection import Selection
from appliance.video.source import Item, LeftOut, Resume, Undecodable
from blocks.data import Frame, Image

Render = Callable[..., Path]
NumberOf = Callable[[Image], int]

PLAIN, KEY = UnitMarks(), UnitMarks(key=True, closed=True)
OPEN_KEY = UnitMarks(key=True)
NO_B_FRAMES = {"bf": "0", "g": "10"}


def unit(came_s: float = 0.0, marks: UnitMarks = PLAIN) -> DeferredUnit:
    return DeferredUnit(None, marks, None, came_s)  # type: ignore[arg-type]  # is not decoded here


class Line:
    """A deferral whose decoder notes what it decodes, and makes nothing of it."""

    def __init__(self) -> None:
        self.decoded: list[DeferredUnit] = []
        self.deferral = Deferral(self._decode)

    def _decode(self, unit: DeferredUnit) -> Undecodable:
        self.decoded.append(unit)
        return Undecodable("a test")


def test_what_nobody_takes_is_not_decoded() -> None:
    line = Line()
    for number in range(5):
        line.deferral.add(unit(number / 25), 0.002)
    assert line.decoded == []


def test_all_from_the_last_decoded_one_on_are_decoded_for_the_one_that_is_taken() -> None:
    line, units = Line(), [unit(number / 25) for number in range(5)]
    for each in units:
        line.deferral.add(each, 0.002)
    assert line.deferral.decoded(units[2]) == Undecodable("a test")
    assert line.decoded == units[:3]
    line.deferral.decoded(units[4])
    line.deferral.decoded(units[3])
    assert line.decoded == units


def test_what_is_before_a_closed_key_is_not_decoded_any_more() -> None:
    line, before, key = Line(), unit(), unit(0.04, KEY)
    line.deferral.add(before, 0.002)
    line.deferral.add(key, 0.002)
    line.deferral.decoded(key)
    assert line.decoded == [key]
    assert line.deferral.decoded(before) is None


def test_what_is_before_a_key_that_has_not_been_handed_on_can_still_be_taken() -> None:
    line, before, key = Line(), unit(), unit(0.04, KEY)
    line.deferral.add(before, 0.002)
    line.deferral.add(key, 0.002)
    line.deferral.decoded(before)
    assert line.decoded == [before]


def test_of_two_groups_the_first_does_not_wait_any_longer() -> None:
    line, first, key = Line(), unit(), unit(0.04, KEY)
    for each in (first, key, unit(0.08)):
        line.deferral.add(each, 0.002)
    assert line.deferral.decoded(first) is None
    assert line.decoded == []


def test_what_is_before_an_open_key_is() -> None:
    line, before, key = Line(), unit(), unit(0.04, OPEN_KEY)
    line.deferral.add(before, 0.002)
    line.deferral.add(key, 0.002)
    line.deferral.decoded(key)
    assert line.decoded == [before, key]


def test_what_has_waited_for_too_long_is_decoded_when_something_comes() -> None:
    line, old = Line(), [unit(number / 25) for number in range(CATCH_UP + 2)]
    for each in old:
        line.deferral.add(each, 0.002)
    line.deferral.add(unit(LONGEST_S + 1), 0.002)
    assert line.decoded == old[:CATCH_UP]


def test_what_the_cameras_own_thread_decodes_late_is_decoded_in_a_turn() -> None:
    waiting = [unit(number / 25) for number in range(3)]
    done: list[DeferredUnit] = []

    def decode(each: DeferredUnit) -> Undecodable:
        done.append(each)
        return Undecodable("a test")

    class Noted:
        """Notes how many units were decoded when a turn began, and when it ended."""

        def __init__(self) -> None:
            self.seen: list[int] = []

        def __enter__(self) -> None:
            self.seen.append(len(done))

        def __exit__(self, *_error: object) -> None:
            self.seen.append(len(done))

    noted = Noted()
    deferral = Deferral(decode, noted)
    for each in waiting:
        deferral.add(each, 0.002)
    assert noted.seen == []
    deferral.add(unit(LONGEST_S + 1), 0.002)
    assert done == waiting
    assert noted.seen == [0, 1, 1, 2, 2, 3]


def test_what_waits_never_takes_long_to_decode() -> None:
    line = Line()
    for number in range(40):
        line.deferral.add(unit(number / 25), 0.01)
    assert len(line.decoded) == 40 - LONGEST_WORK_S / 0.01 - 1


def test_after_the_end_of_a_connection_nothing_is_decoded() -> None:
    line, waits = Line(), unit()
    line.deferral.add(waits, 0.002)
    line.deferral.discard()
    assert line.deferral.decoded(waits) is None
    assert line.decoded == []


def items_of(clip: Path, clock: Clock, defers: Callable[[], bool]) -> Iterator[Item]:
    """The items of a clip, read with a selection."""
    resume = Resume(selection=Selection(defers))
    with VideoReader(str(clip), "gate", clock, resume=resume) as reader:
        yield from reader.frames()
        assert reader.gauge.size == (160, 120)


def resolved(item: Item) -> Frame:
    frame = item.decode() if isinstance(item, DeferredFrame) else item
    assert isinstance(frame, Frame)
    return frame


def test_a_frame_that_is_decoded_late_is_the_same_frame(render: Render, clock: Clock) -> None:
    clip = render("c.mp4", frames=40, options=NO_B_FRAMES)
    at_once = [resolved(item) for item in items_of(clip, clock, lambda: False)]
    items = []
    late = []
    for item in items_of(clip, clock, lambda: True):
        items.append(item)
        late.append(resolved(item))
    assert [isinstance(item, DeferredFrame) for item in items] == [False] * PROMPT + [True] * 30
    for one, other in zip(at_once, late, strict=True):
        assert (one.at_s, one.sequence, one.camera) == (other.at_s, other.sequence, other.camera)
        planes = zip(one.image.planes, other.image.planes, strict=True)
        assert all((a == b).all() for a, b in planes)


def test_one_of_several_is_taken_and_shows_its_own_picture(
    render: Render, clock: Clock, number_of: NumberOf
) -> None:
    clip = render("c.mp4", frames=60, options=NO_B_FRAMES)
    seen = {}
    for number, item in enumerate(items_of(clip, clock, lambda: True)):
        if number % 7 == 6:
            frame = resolved(item)
            seen[frame.sequence] = number_of(frame.image)
    assert seen == {number: number for number in range(6, 60, 7)}


def test_two_lanes_get_the_same_pixels_of_one_frame(render: Render, clock: Clock) -> None:
    clip = render("c.mp4", frames=15, options=NO_B_FRAMES)
    *_, last = items_of_open(clip, clock)
    one, other = resolved(last), resolved(last)
    assert one.image is other.image


def items_of_open(clip: Path, clock: Clock) -> Iterator[Item]:
    reader = VideoReader(str(clip), "gate", clock, resume=Resume(selection=Selection(lambda: True)))
    for number, item in enumerate(reader.frames()):
        yield item
        if number == 13:
            return


def test_at_the_end_of_a_clip_its_last_frames_can_still_be_taken(
    render: Render, clock: Clock, number_of: NumberOf
) -> None:
    clip = render("c.mp4", frames=40, options=NO_B_FRAMES)
    items = list(items_of(clip, clock, lambda: True))
    assert number_of(resolved(items[-1]).image) == 39


def test_a_frame_of_a_connection_that_has_ended_ends_as_replaced(
    render: Render, clock: Clock
) -> None:
    clip = render("c.mp4", frames=30, options=NO_B_FRAMES)
    reader = VideoReader(str(clip), "gate", clock, resume=Resume(selection=Selection(lambda: True)))
    frames = reader.frames()
    last = [next(frames) for _ in range(PROMPT + 5)][-1]
    reader.close()
    assert isinstance(last, DeferredFrame)
    assert last.decode() == "replaced"


def test_a_stream_with_reordered_pictures_is_decoded_at_once(render: Render, clock: Clock) -> None:
    clip = render("c.mp4", frames=60, options={"bf": "3", "g": "20"})
    items = list(items_of(clip, clock, lambda: True))
    assert [type(item) for item in items] == [Frame] * 60


def test_of_damaged_units_each_ends_in_one_bucket(render: Render, clock: Clock) -> None:
    clip = render("c.h264", frames=60, options=NO_B_FRAMES)
    data = bytearray(clip.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 400):
        data[at] ^= 0x5A
    clip.write_bytes(data)
    selection, ended = Selection(lambda: True), 0
    kinds = set()
    with VideoReader(str(clip), "gate", clock, resume=Resume(selection=selection)) as reader:
        for item in reader.frames():
            ended += 1
            outcome = item.decode() if isinstance(item, DeferredFrame) else item
            kinds.add(outcome if isinstance(outcome, str) else type(outcome))
        assert ended == reader.demuxed
    assert Frame in kinds
    assert kinds <= {Frame, "decode-error", LeftOut, Undecodable}


def live(clip: Path, clock: ManualClock) -> VideoReader:
    """A clip as a camera would send it: what is wrong with it ends the connection."""
    selection = Selection(lambda: True)
    reader = VideoReader(str(clip), "gate", clock, resume=Resume(selection=selection))
    reader.info = replace(reader.info, live=True)
    return reader


def test_a_camera_of_which_a_lane_takes_a_frame_now_and_then_is_not_given_up(
    render: Render,
) -> None:
    clip, clock = render("c.mp4", frames=200, options={"bf": "0", "g": "250"}), ManualClock()
    with live(clip, clock) as reader:
        frames = reader.frames()
        for _ in range(200):
            next(frames)
            clock.advance(0.2)
        assert reader.gauge.without_picture_s == 0.0
        assert reader.gauge.last_picture_s == pytest.approx(clock.monotonic(), abs=2.0)


def test_an_error_on_our_side_ends_the_reading_and_not_the_lane(
    render: Render, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = render("c.mp4", frames=30, options=NO_B_FRAMES)
    resume = Resume(selection=Selection(lambda: True))
    with VideoReader(str(clip), "gate", clock, resume=resume) as reader:
        frames = reader.frames()
        last = [next(frames) for _ in range(PROMPT + 1)][-1]
        assert isinstance(last, DeferredFrame)

        def broken(*_: object) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr(reader._decoder, "decode", broken)
        assert last.decode() == "stopped"
        with pytest.raises(RuntimeError, match="a defect"):
            next(frames)


@pytest.mark.parametrize(("taken", "lost"), [(25, 5), (33, 0)])
def test_damage_before_a_key_that_has_come_costs_nothing_after_it(
    render: Render, clock: Clock, monkeypatch: pytest.MonkeyPatch, taken: int, lost: int
) -> None:
    # The key is open: what is before it is decoded for it, though it does not need that.
    monkeypatch.setattr(UnitReader, "read", lambda _, __, *, flagged_key: UnitMarks(flagged_key))
    options = {**NO_B_FRAMES, "sc_threshold": "0"}
    clip, selection = render("c.mp4", frames=60, options=options), Selection(lambda: True)
    with VideoReader(str(clip), "gate", clock, resume=Resume(selection=selection)) as reader:
        frames = reader.frames()
        items = [next(frames) for _ in range(taken)]
        first = items[21]
        assert isinstance(first, DeferredFrame)
        whole = reader._decoder.decode
        monkeypatch.setattr(reader._decoder, "decode", lambda *_: [Undecodable("a test")])
        assert first.decode() == "decode-error"
        monkeypatch.setattr(reader._decoder, "decode", whole)
        assert sum(isinstance(item, LeftOut) for item in frames) == lost


def test_a_connection_is_closed_while_its_lane_has_the_frame_of_another(
    render: Render, clock: Clock
) -> None:
    clip = render("c.mp4", frames=30, options=NO_B_FRAMES)
    reader = VideoReader(str(clip), "gate", clock, resume=Resume(selection=Selection(lambda: True)))
    free: list[bool] = []

    class Units:
        def close(self) -> None:
            # A camera that is silent lets libav go late: no lane waits for that.
            asked = threading.Thread(target=ask)
            asked.start()
            asked.join()

    def ask() -> None:
        free.append(reader._deferral.lock.acquire(blocking=False))
        if free[-1]:
            reader._deferral.lock.release()

    container = reader._container
    vars(reader)["_units"] = Units()
    reader.close()
    container.close()
    assert free == [True]


class Lane:
    """Takes what lies in its mailbox, at every third chance."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.mailbox = Mailbox(Buckets(), admission)
        self.frames: list[Frame] = []
        self._chances = 0

    def look(self) -> None:
        self._chances += 1
        if self._chances % 3:
            return
        timed = self.mailbox.take()
        if timed is not None:
            self.end(timed)

    def end(self, timed: Timed) -> None:
        frame = timed.frame if isinstance(timed.frame, Frame) else timed.frame.decode()
        if isinstance(frame, Frame):
            self.frames.append(frame)
        bucket = "processed" if isinstance(frame, Frame) else frame
        self.mailbox.buckets.end(timed.frame, bucket)


class Looking(ManualClock):
    """Time passes, and lanes look, whenever somebody waits."""

    def __init__(self, lanes: list[Lane]) -> None:
        super().__init__()
        self._lanes = lanes

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        waited = super().wait(stop, seconds)
        for lane in self._lanes:
            lane.look()
        return waited


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_account_of_every_lane_is_balanced(
    render: Render, number_of: NumberOf, count: int
) -> None:
    clip = render("c.mp4", frames=90, options=NO_B_FRAMES)
    lanes = [Lane() for _ in range(count)]
    clock, stop = Looking(lanes), threading.Event()
    resume = Resume(selection=Selection(lambda: True))
    with VideoReader(str(clip), "gate", clock, resume=resume) as reader:
        capture(reader, [lane.mailbox for lane in lanes], stop, clock, Pace.REALTIME)
        for lane in lanes:
            last = lane.mailbox.take()
            if last is not None:
                lane.end(last)
    for lane in lanes:
        captured, ended = lane.mailbox.buckets.account()
        assert captured == sum(ended.values()) == 90
        assert set(ended) == {"processed", "replaced"}
        assert [number_of(frame.image) for frame in lane.frames] == [
            frame.sequence for frame in lane.frames
        ]
        assert ended["processed"] == 31


def camera(lanes: list[Lane], *, busy: bool) -> Camera:
    clock = ManualClock()
    watched = Camera("gate", "rtsp://camera", clock, Pace.REALTIME, busy=lambda: busy)
    for lane in lanes:
        watched.watch(lane.mailbox, 1.0, 0.5)
    return watched


def defers(watched: Camera) -> bool:
    assert watched.selection is not None
    return watched.selection.defers()


def test_a_lane_that_could_not_compute_anyway_decodes_its_frames_itself() -> None:
    assert defers(camera([Lane(), Lane()], busy=True))


def test_while_there_is_time_for_more_the_camera_decodes_for_a_lane_that_computes() -> None:
    assert not defers(camera([Lane(), Lane()], busy=False))


def test_where_all_lanes_wait_for_the_frame_they_decode_it() -> None:
    lanes = [Lane(), Lane()]
    watched = camera(lanes, busy=False)
    never = threading.Event()
    assert not lanes[0].mailbox.wait(never, 0.0)
    assert not defers(watched)
    assert not lanes[1].mailbox.wait(never, 0.0)
    assert defers(watched)


def test_a_motion_gate_sees_every_picture() -> None:
    gate = MotionGate(MotionSettings())
    assert not defers(camera([Lane(), Lane(Admission(gate))], busy=True))
