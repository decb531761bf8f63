"""The loop of one camera: what reaches the lanes, and the account of it."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.clock import Clock, SystemClock
from appliance.observe.ages import Timed, Undecoded
from appliance.observe.buckets import Buckets
from appliance.video.admission import Admission
from appliance.video.capture import Pace, capture
from appliance.video.errors import VideoError
from appliance.video.gauge import Gauge
from appliance.video.mailbox import Mailbox
from appliance.video.motion import MotionGate, MotionSettings
from appliance.video.reader import VideoReader
from appliance.video.selection import Selection
from appliance.video.source import Item, LeftOut, Resume, StreamInfo, Undecodable
from blocks.data import Frame, Image

Render = Callable[..., Path]

PATIENCE_S = 10.0


class ManualClock:
    """Waiting moves it on at once; what shall happen at a time is done when it gets there."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.events: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        self.events.append((1000.0 + seconds, event))

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def cpu_s(self) -> float:
        return 0.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        end = self.seconds + seconds
        for event in sorted(self.events, key=lambda event: event[0]):
            if event[0] <= end and not stop.is_set():
                self.events.remove(event)
                self.seconds = event[0]
                event[1]()
        if not stop.is_set():
            self.seconds = end
        return stop.is_set()


class Lane:
    """Takes frames and counts them as processed, on a thread of its own if it is started."""

    def __init__(self) -> None:
        self.mailbox = Mailbox(Buckets())
        self.stop = threading.Event()
        self.timed: list[Timed] = []
        self.thread = threading.Thread(target=self._take_all)

    @property
    def frames(self) -> list[Frame]:
        return [timed.frame for timed in self.timed if isinstance(timed.frame, Frame)]

    @property
    def sequences(self) -> list[int]:
        return [frame.sequence for frame in self.frames]

    @property
    def account(self) -> dict[str, int]:
        buckets = self.mailbox.buckets
        return {"captured": buckets.captured, **buckets.snapshot()}

    def take(self, timeout_s: float | None = None) -> bool:
        timed = self.mailbox.take() if self.mailbox.wait(self.stop, timeout_s) else None
        if timed is not None:
            self.timed.append(timed)
            self.mailbox.buckets.put("processed")
        return timed is not None

    def join(self) -> None:
        """Take what is left, and be over."""
        self.mailbox.close()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def _take_all(self) -> None:
        while self.take():
            pass


def capture_clip(path: Path | str, lanes: list[Lane], clock: Clock, pace: Pace) -> None:
    with VideoReader(str(path), "gate", clock) as reader:
        capture(reader, [lane.mailbox for lane in lanes], threading.Event(), clock, pace)


def test_a_fast_run_gives_every_frame_to_every_lane(clip: Path, clock: Clock) -> None:
    lanes = [Lane(), Lane()]
    for lane in lanes:
        lane.thread.start()
    capture_clip(clip, lanes, clock, Pace.FAST)
    for lane in lanes:
        lane.join()
        assert lane.sequences == list(range(24))
        assert lane.account == {"captured": 24, "processed": 24}
        assert lane.mailbox.ended


def test_a_fast_run_goes_on_for_the_others_when_a_lane_ends(clip: Path, clock: Clock) -> None:
    ended, lane = Lane(), Lane()
    ended.mailbox.discard()
    lane.thread.start()
    capture_clip(clip, [ended, lane], clock, Pace.FAST)
    lane.join()
    assert lane.sequences == list(range(24))
    assert ended.account == {"captured": 24, "stopped": 24}


def test_a_run_without_a_lane_left_ends(clip: Path, clock: Clock) -> None:
    lane = Lane()
    lane.mailbox.discard()
    capture_clip(clip, [lane], clock, Pace.FAST)
    assert lane.mailbox.buckets.in_flight == 0
    assert lane.mailbox.buckets.captured < 24


def test_real_time_keeps_the_pace_of_the_clip(clip: Path) -> None:
    clock, lane = ManualClock(), Lane()
    # The lane looks in the midst between two frames, at 0.1, 0.5 and 0.9 s of the clip.
    for seconds in (0.1, 0.5, 0.9):
        clock.at(seconds, lambda: lane.take(0))
    capture_clip(clip, [lane], clock, Pace.REALTIME)
    assert clock.seconds == pytest.approx(1000 + 23 / 25)
    assert [frame.at_s for frame in lane.frames] == pytest.approx([0.08, 0.48, 0.88])
    assert lane.account == {"captured": 24, "processed": 3, "replaced": 20}
    assert lane.mailbox.buckets.in_flight == 1
    lane.mailbox.discard()
    assert lane.account == {"captured": 24, "processed": 3, "replaced": 20, "stopped": 1}


def test_a_slow_start_does_not_delay_the_rest_of_a_clip(render: Render) -> None:
    clock, lane = ManualClock(), Lane()
    path = render("c.mkv", frames=3, stamps=[0, 25, 50])
    clock.at(1.5, lambda: None)
    capture_clip(path, [lane], clock, Pace.REALTIME)
    assert clock.seconds == pytest.approx(1002.0)


def test_a_live_run_does_not_wait_for_anyone(clip: Path, clock: Clock) -> None:
    lane = Lane()
    capture_clip(clip, [lane], clock, Pace.LIVE)
    assert lane.account == {"captured": 24, "replaced": 23}
    assert lane.take()
    assert lane.sequences == [23]
    open_still = not lane.mailbox.ended
    assert open_still


def test_what_cannot_be_decoded_is_counted_for_every_lane(
    render: Render, clock: Clock, number_of: Callable[[Image], int]
) -> None:
    path = render("c.h264", frames=24, options={"bf": "0", "g": "8"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 20] + b"\x00\x00\x01\x67")
    lanes = [Lane(), Lane()]
    for lane in lanes:
        lane.thread.start()
    capture_clip(path, lanes, clock, Pace.FAST)
    for lane in lanes:
        lane.join()
        assert [number_of(frame.image) for frame in lane.frames[:23]] == list(range(23))
        assert lane.account["decode-error"] >= 1
        assert lane.mailbox.buckets.in_flight == 0


@pytest.mark.parametrize("pace", [Pace.REALTIME, Pace.LIVE])
def test_a_stop_ends_the_run_and_what_is_not_handed_on_is_stopped(clip: Path, pace: Pace) -> None:
    clock, lane, stop = ManualClock(), Lane(), threading.Event()
    if pace is Pace.REALTIME:
        clock.at(0.1, stop.set)
    else:
        stop.set()
    with VideoReader(str(clip), "gate", clock) as reader:
        capture(reader, [lane.mailbox], stop, clock, pace)
        demuxed = reader.demuxed
    lane.mailbox.discard()
    assert demuxed < 24
    assert lane.mailbox.buckets.captured == demuxed
    assert lane.mailbox.buckets.in_flight == 0
    # Three frames were due in 0.1 s; what the decoder held back is stopped as well.
    replaced = 2 if pace is Pace.REALTIME else 0
    assert lane.account.get("replaced", 0) == replaced
    assert lane.account["stopped"] == demuxed - replaced


def test_a_stop_wakes_a_fast_run_that_waits_for_its_lane(clip: Path, clock: Clock) -> None:
    lane, stop = Lane(), threading.Event()
    with VideoReader(str(clip), "gate", clock) as reader:
        arguments = (reader, [lane.mailbox], stop, clock, Pace.FAST)
        thread = threading.Thread(target=capture, args=arguments)
        thread.start()
        assert lane.take(PATIENCE_S)
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    lane.mailbox.discard()
    assert lane.sequences == [0]
    assert lane.mailbox.buckets.in_flight == 0


def test_a_stop_wakes_a_run_in_real_time(render: Render) -> None:
    path = render("c.mkv", frames=2, stamps=[0, 25 * 3600])
    clock, lane, stop = SystemClock(), Lane(), threading.Event()
    with VideoReader(str(path), "gate", clock) as reader:
        arguments = (reader, [lane.mailbox], stop, clock, Pace.REALTIME)
        thread = threading.Thread(target=capture, args=arguments)
        thread.start()
        assert lane.take(PATIENCE_S)
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert lane.account == {"captured": 2, "processed": 1, "stopped": 1}


def test_a_camera_that_fails_says_why_and_leaves_the_mailboxes_open_for_its_return(
    camera_server: str, clock: Clock
) -> None:
    lane = Lane()
    with pytest.raises(VideoError, match="/live/6: "):
        capture_clip(f"{camera_server}/live/6", [lane], clock, Pace.LIVE)
    assert lane.take()
    open_still = not lane.mailbox.ended
    assert open_still
    assert lane.account == {"captured": 6, "replaced": 5, "processed": 1}


def test_a_camera_that_is_opened_again_goes_on_in_number(camera_server: str, clock: Clock) -> None:
    lane = Lane()
    resume = Resume(begin_sequence=100)
    with (
        VideoReader(f"{camera_server}/live/6", "gate", clock, resume=resume) as reader,
        pytest.raises(VideoError),
    ):
        capture(reader, [lane.mailbox], threading.Event(), clock, Pace.LIVE)
    assert lane.take()
    assert lane.sequences == [105]


class Script:
    """A source that gives what is written for it, each at its time on a clock moved by hand."""

    def __init__(self, clock: ManualClock, items: Sequence[Item], *, lag_s: float = 0.0) -> None:
        self.info = StreamInfo("h264", 2, 2, 25.0, None, None, live=True)
        self.gauge = Gauge(clock.monotonic())
        self.demuxed = 0
        self.captured_s = 0.0
        self.next_s = 0.0
        self._clock = clock
        self._items = items
        self._lag_s = lag_s

    def frames(self) -> Iterator[Item]:
        for item in self._items:
            self.demuxed += 1
            self.captured_s = self._clock.monotonic()
            self._clock.seconds += self._lag_s
            yield item

    def select(self, selection: Selection) -> None:
        """Nothing is left out here."""

    def close(self) -> None:
        """Nothing is open."""


def grey(sequence: int, level: int = 0) -> Frame:
    image = Image.from_bgr(np.full((48, 64, 3), level, np.uint8))
    return Frame("gate", sequence / 25, 1000 + sequence / 25, sequence=sequence, image=image)


def test_what_is_left_out_and_what_gives_no_picture_ends_in_its_bucket_for_every_lane() -> None:
    clock, lanes = ManualClock(), [Lane(), Lane()]
    items: list[Item] = [LeftOut("no-key"), grey(1), LeftOut("over-budget"), Undecodable("odd")]
    items += [LeftOut("stale"), grey(5)]
    source = Script(clock, items)
    capture(source, [each.mailbox for each in lanes], threading.Event(), clock, Pace.LIVE)
    for lane in lanes:
        assert lane.account == {
            "captured": 6,
            "no-key": 1,
            "over-budget": 1,
            "decode-error": 1,
            "stale": 1,
            "replaced": 1,
        }
        assert lane.take()
        assert lane.sequences == [5]
        assert lane.mailbox.buckets.in_flight == 0


def test_a_live_frame_says_when_it_was_taken_and_when_it_lay_before_its_lane() -> None:
    clock, lane = ManualClock(), Lane()
    source = Script(clock, [grey(0)], lag_s=0.125)
    capture(source, [lane.mailbox], threading.Event(), clock, Pace.LIVE)
    assert lane.take()
    assert [(each.captured_s, each.ready_s) for each in lane.timed] == [(1000.0, 1000.125)]
    assert source.gauge.figures(clock.monotonic()).lag_s == pytest.approx(0.125)


def test_a_clips_frame_in_real_time_was_taken_when_it_was_due(clip: Path) -> None:
    clock, lane = ManualClock(), Lane()
    for seconds in (0.1, 0.5):
        clock.at(seconds, lambda: lane.take(0))
    capture_clip(clip, [lane], clock, Pace.REALTIME)
    assert [each.captured_s for each in lane.timed] == pytest.approx([1000.08, 1000.48])
    assert [each.ready_s for each in lane.timed] == pytest.approx([1000.08, 1000.48])


def test_what_comes_in_bursts_is_played_out_and_again_where_it_has_run_dry() -> None:
    clock, lane = ManualClock(), Lane()
    # Three frames at once, then three more that come two seconds later than they are due.
    source = Script(clock, [grey(number) for number in range(6)])
    source.info = replace(source.info, bursts=True)
    pauses = {3: lambda: clock.wait(threading.Event(), 2.04)}
    lane.thread.start()
    played: list[float] = []

    def note(timed: Timed) -> None:
        played.append(timed.ready_s)

    lane.mailbox.put = note  # type: ignore[method-assign]  # each is to be seen
    capture(Interrupted(source, pauses), [lane.mailbox], lane.stop, clock, Pace.REALTIME)
    lane.join()
    steps = [0.0, 0.04, 0.08, 2.12, 2.16, 2.2]
    assert played == pytest.approx([1000.0 + step for step in steps])


def test_lanes_of_one_camera_have_rules_of_their_own() -> None:
    clock = ManualClock()
    few, still, all_of_them = Lane(), Lane(), Lane()
    few.mailbox.admission = Admission(max_rate=5.0)
    still.mailbox.admission = Admission(MotionGate(MotionSettings()))
    lanes = [few, still, all_of_them]
    for lane in lanes:
        lane.thread.start()
    source = Script(clock, [grey(number) for number in range(50)])
    mailboxes = [each.mailbox for each in lanes]
    capture(source, mailboxes, threading.Event(), clock, Pace.FAST)
    for lane in lanes:
        lane.join()
        assert lane.mailbox.buckets.captured == 50
        assert lane.mailbox.buckets.in_flight == 0
    assert few.sequences == list(range(0, 50, 5))
    assert few.account == {"captured": 50, "processed": 10, "over-rate": 40}
    assert all_of_them.sequences == list(range(50))
    # Whatever a gate lets in while it learns, nothing moves here.
    assert still.account["no-motion"] > 0
    assert still.account["processed"] + still.account["no-motion"] == 50


def test_of_many_lanes_and_stops_at_any_time_every_frame_is_accounted_for() -> None:
    chance = random.Random(7)
    for _ in range(30):
        clock, stop = ManualClock(), threading.Event()
        lanes = [Lane() for _ in range(3)]
        kinds: list[Item] = [Undecodable("odd"), LeftOut("over-budget"), LeftOut("stale")]
        items = [
            grey(number) if chance.random() < 0.7 else chance.choice(kinds) for number in range(120)
        ]
        source = Script(clock, items)
        stops = {chance.randrange(150): lane.mailbox.discard for lane in lanes[:2]}
        stops[chance.randrange(40, 150)] = stop.set
        pace = chance.choice([Pace.FAST, Pace.LIVE])
        for lane in lanes:
            lane.thread.start()
        capture(Interrupted(source, stops), [e.mailbox for e in lanes], stop, clock, pace)
        for lane in lanes:
            lane.stop.set()
            lane.join()
            lane.mailbox.discard()
            captured, buckets = lane.mailbox.buckets.account()
            assert captured == source.demuxed
            assert sum(buckets.values()) == captured
            assert buckets.get("processed", 0) == len(lane.sequences)


class Interrupted:
    """A source in whose course things happen: before the n-th item, what is said for n."""

    def __init__(self, source: Script, happens: Mapping[int, Callable[[], object]]) -> None:
        self._source = source
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def frames(self) -> Iterator[Item]:
        for number, item in enumerate(self._source.frames()):
            self._happens.get(number, lambda: None)()
            yield item


@pytest.mark.parametrize("every", [True, False])
def test_a_frame_that_counts_by_itself_is_marked_as_kept(every: bool) -> None:
    clock, lane = ManualClock(), Lane()
    source = Script(clock, [grey(0)])
    source.info = replace(source.info, every=every)
    lane.thread.start()
    capture(source, [lane.mailbox], lane.stop, clock, Pace.LIVE)
    lane.join()
    assert [each.kept for each in lane.timed] == [every]


@pytest.mark.parametrize(
    ("late_s", "played_s"),
    [(0.4, [0.0, 0.04, 0.08, 0.52, 0.56, 0.6]), (0.08, [0.0, 0.04, 0.08, 0.2, 0.2, 0.2])],
)
def test_a_burst_that_is_late_is_played_out_evenly_and_not_at_once(
    late_s: float, played_s: list[float]
) -> None:
    clock, lane = ManualClock(), Lane()
    source = Script(clock, [grey(number) for number in range(6)])
    source.info = replace(source.info, bursts=True)
    pauses = {3: lambda: clock.wait(threading.Event(), 0.04 + late_s)}
    played: list[float] = []

    def note(timed: Timed) -> None:
        played.append(timed.ready_s)

    lane.mailbox.put = note  # type: ignore[method-assign]  # each is to be seen
    capture(Interrupted(source, pauses), [lane.mailbox], lane.stop, clock, Pace.REALTIME)
    assert played == pytest.approx([1000.0 + step for step in played_s])


class BrokenAdmission(Admission):
    """Lets three frames in, and raises for the fourth."""

    def refusal(
        self, frame: Frame | Undecoded, luma: Callable[[], Any]
    ) -> tuple[str, float | None] | None:
        if frame.sequence == 3:
            raise ValueError("the gate is broken")
        return super().refusal(frame, luma)


def test_where_the_gate_of_one_lane_raises_the_account_of_every_lane_is_balanced() -> None:
    clock, lanes = ManualClock(), [Lane(), Lane(), Lane()]
    lanes[1].mailbox.admission = BrokenAdmission()
    source = Script(clock, [LeftOut("no-key"), *(grey(number) for number in range(6))])
    mailboxes = [each.mailbox for each in lanes]
    with pytest.raises(ValueError, match="the gate is broken"):
        capture(source, mailboxes, threading.Event(), clock, Pace.LIVE)
    for lane in lanes:
        lane.mailbox.discard()
    begun = {"captured": 5, "no-key": 1}
    # Before the broken one the frame has been handed on, and lay there last.
    assert lanes[0].account == {**begun, "replaced": 3, "stopped": 1}
    assert lanes[1].account == lanes[2].account == {**begun, "replaced": 2, "stopped": 2}


class GivesUp(Script):
    """Captures one unit more than it gives out, and says that the connection is no good."""

    def frames(self) -> Iterator[Item]:
        yield from super().frames()
        self.demuxed += 1
        raise VideoError("rtsp://gate/1: nothing that came for 10 s could be decoded")


def test_the_unit_on_which_a_connection_is_given_up_was_not_stopped() -> None:
    clock, lane = ManualClock(), Lane()
    with pytest.raises(VideoError, match="could be decoded"):
        capture(
            GivesUp(clock, [Undecodable("odd")] * 3),
            [lane.mailbox],
            threading.Event(),
            clock,
            Pace.LIVE,
        )
    assert lane.account == {"captured": 4, "decode-error": 4}
