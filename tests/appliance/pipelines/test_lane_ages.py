"""Lanes in time: permits, how old a frame may be, and what is said where results are late."""

import itertools
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from appliance.delivery.outbox import Outbox
from appliance.engine.run import Run
from appliance.engine.testing import ManualClock, frame
from appliance.engine.turn import Turn
from appliance.observe.ages import Timed, Way
from appliance.observe.buckets import Buckets
from appliance.pipelines.lane import Lane, LaneName, LaneStatus
from appliance.pipelines.permits import Permits
from appliance.pipelines.source_time import SourceTime
from appliance.pipelines.terms import Terms
from appliance.video.mailbox import Mailbox
from blocks.data import Event, Frame

LIMIT_S = 20.0
NEVER = threading.Event()

LOOK = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: look, type: frail@1, image: $inputs.image, breaks_at: BREAKS_AT}
  - {name: tell, type: say@1, when: steps.look.sequence >= 0, data: {n: $steps.look.sequence}}
"""
QUIET = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: look, type: frail@1, image: $inputs.image}
"""


def look(breaks_at: Sequence[int] = ()) -> str:
    return LOOK.replace("BREAKS_AT", str(list(breaks_at)))


class SlowDisk:
    """An outbox that commits when it is told to."""

    full = False

    def __init__(self) -> None:
        self.told: list[Callable[[], None]] = []

    def put(
        self, events: Sequence[Event], *, source: str, committed: Callable[[], None] | None = None
    ) -> None:
        if committed is not None:
            self.told.append(committed)


class OneByOne:
    """A mailbox whose frames are already there, and end when all are taken.

    `before` is called with each frame before it is taken; by then the lane has its permit.
    """

    def __init__(self, waiting: Sequence[Timed], before: Callable[[Timed], object]) -> None:
        self.buckets = Buckets()
        self.buckets.capture(len(waiting))
        self.awake: list[float] = []
        self._waiting = list(waiting)
        self._before = before

    @property
    def ended(self) -> bool:
        return not self._waiting

    def wait(self, stop: threading.Event, timeout_s: float | None = None) -> bool:
        return bool(self._waiting)

    def take(self) -> Timed | None:
        taken = self._waiting.pop(0)
        self._before(taken)
        return taken

    def keep_awake(self, until_s: float) -> None:
        self.awake.append(until_s)

    def discard(self) -> None:
        """Nothing is left."""


MakeAged = Callable[..., Lane]


@pytest.fixture
def make_aged(run_of: Callable[..., Run], clock: ManualClock) -> MakeAged:
    """A lane that is allowed half a second; a turn takes `turn_s`."""

    def make(
        slot: OneByOne, store: Any, *, turn_s: float = 0.0, passes: bool = True, text: str = QUIET
    ) -> Lane:
        looks = itertools.count()

        def timer() -> float:
            # Asked before and after the only step: the time passes in between.
            if next(looks) % 2:
                clock.advance(turn_s)
            return clock.monotonic()

        name, time = LaneName("people", "gate", "box"), SourceTime(clock, passes=passes)
        terms = Terms(Permits(1, clock), max_latency_s=0.5)
        return Lane(name, run_of(text, timer), slot, store, time, terms)

    return make


def taken_at(sequence: int, captured_s: float, lag_s: float = 0.0) -> Timed:
    return Timed(frame(sequence / 10, sequence=sequence), captured_s, captured_s + lag_s)


# How old a frame may be.


def test_a_frame_that_has_waited_too_long_is_stale_and_is_not_run(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    def before(timed: Timed) -> None:
        clock.advance(0.6 if timed.frame.sequence == 1 else 0.1)

    slot = OneByOne([taken_at(0, 0.0), taken_at(1, 0.1), taken_at(2, 0.7)], before)
    make_aged(slot, outbox).loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 2, "stale": 1}
    (stale,) = [each for each in slot.buckets.between(0.0, math.inf) if each.bucket == "stale"]
    assert stale.sequence == 1
    assert stale.number == pytest.approx(0.6)


def test_the_time_that_a_turn_takes_counts_before_it_is_run(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    # 0.35 s of waiting are too long where a turn takes 0.2 s more, and 0.25 s are not.
    waits = [0.0, 0.35, 0.25]

    def before(timed: Timed) -> None:
        clock.advance(waits[timed.frame.sequence])

    slot = OneByOne([taken_at(0, 0.0), taken_at(1, 0.2), taken_at(2, 0.55)], before)
    make_aged(slot, outbox, turn_s=0.2).loop(NEVER)
    ended = [(each.sequence, each.bucket) for each in slot.buckets.between(0.0, math.inf)]
    assert ended == [(0, "processed"), (1, "stale"), (2, "processed")]


def test_frames_that_come_too_late_by_themselves_are_still_run(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    clock.advance(2.0)
    late = [taken_at(number, 0.0, lag_s=2.0) for number in range(3)]
    slot = OneByOne(late, lambda _timed: None)
    make_aged(slot, outbox).loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 3}


def test_one_frame_that_comes_later_than_others_do_is_stale(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    clock.advance(3.0)
    lags_s = [0.1] * 5 + [0.6] + [0.1] * 2
    frames = [taken_at(n, 3.0 - lag_s, lag_s=lag_s) for n, lag_s in enumerate(lags_s)]
    slot = OneByOne(frames, lambda _timed: None)
    make_aged(slot, outbox).loop(NEVER)
    ended = [(each.sequence, each.bucket) for each in slot.buckets.between(0.0, math.inf)]
    assert [sequence for sequence, bucket in ended if bucket == "stale"] == [5]


def test_turns_that_take_too_long_by_themselves_are_still_run(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    waiting = [taken_at(number, number * 0.8) for number in range(3)]
    slot = OneByOne(waiting, lambda _timed: None)
    make_aged(slot, outbox, turn_s=0.8).loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 3}


def test_of_a_clip_that_is_read_as_fast_as_can_be_no_frame_is_stale(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    slot = OneByOne([taken_at(0, 0.0)], lambda _timed: clock.advance(60.0))
    make_aged(slot, outbox, passes=False).loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 1}


# Where the time went.


def test_the_parts_of_an_age_add_up_to_the_time_from_the_capture_to_the_disk(
    make_aged: MakeAged, clock: ManualClock
) -> None:
    disk = SlowDisk()
    slot = OneByOne([taken_at(0, 0.0, lag_s=0.04)], lambda _timed: clock.advance(0.05))
    clock.advance(0.04)
    lane = make_aged(slot, disk, turn_s=0.1, text=QUIET + TELL)
    lane.loop(NEVER)
    assert lane.status().age_ms["p95"] == 0.0
    clock.advance(0.2)
    (committed,) = disk.told
    committed()
    figures = lane.ages.figures(clock.monotonic())
    way = figures.worst
    assert way.lag_s == pytest.approx(0.04)
    assert way.wait_s == pytest.approx(0.05)
    # Two steps.
    assert way.turn_s == pytest.approx(0.2)
    assert way.commit_s == pytest.approx(0.2)
    assert way.age_s == pytest.approx(clock.monotonic())
    ages = {"p50": 490.0, "p95": 490.0, "lag": 40.0, "wait": 50.0, "turn": 200.0, "commit": 200.0}
    assert lane.status().age_ms == ages
    assert lane.status().short == ""


TELL = "  - {name: tell, type: say@1, data: {n: $frame.sequence}}\n"


def test_what_a_lane_decodes_itself_is_part_of_the_way_to_the_picture(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    picture = frame(0.0)

    class Undecoded:
        sequence, captured_at, at_s = picture.sequence, picture.captured_at, picture.at_s

        def decode(self) -> Frame | str:
            clock.advance(0.03)
            return picture

    slot = OneByOne([Timed(Undecoded(), 0.0, 0.01)], lambda _timed: clock.advance(0.05))
    lane = make_aged(slot, outbox, turn_s=0.2)
    lane.loop(NEVER)
    worst = lane.ages.figures(clock.monotonic()).worst
    assert (worst.lag_s, worst.wait_s) == pytest.approx((0.04, 0.04))
    assert worst.turn_s == pytest.approx(0.2)


def test_a_result_without_events_is_there_when_the_turn_is_over(
    make_aged: MakeAged, clock: ManualClock
) -> None:
    disk = SlowDisk()
    slot = OneByOne([taken_at(0, 0.0)], lambda _timed: None)
    lane = make_aged(slot, disk, turn_s=0.25)
    lane.loop(NEVER)
    assert disk.told == []
    assert lane.ages.figures(clock.monotonic()).worst == Way(0.0, 0.0, 0.25, 0.0)
    assert lane.ages.turn_s == 0.25


def test_late_results_are_told_with_what_is_short(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    slot = OneByOne([taken_at(0, 0.0)], lambda _timed: None)
    lane = make_aged(slot, outbox, turn_s=0.8)
    lane.loop(NEVER)
    assert lane.status().short == (
        "results are 0.80 s old, 0.5 s are allowed: the step look takes 800 ms by itself"
    )
    clock.advance(11.0)
    assert lane.status().short == ""


# Permits.


def test_a_lane_takes_its_frame_only_when_it_holds_a_permit(
    make_lane: Callable[..., Lane],
    mailbox: Mailbox,
    clock: ManualClock,
    running: Callable[[Lane], threading.Event],
) -> None:
    permits = Permits(1, clock)
    permits.join("other", 1.0)
    turns: list[Turn] = []
    run = threading.Event()

    def on_turn(turn: Turn) -> None:
        turns.append(turn)
        run.set()

    lane = make_lane(look(), terms=Terms(permits, math.inf), on_turn=on_turn)
    mailbox.buckets.capture(5)
    with permits.hold("other", NEVER):
        running(lane)
        for number in range(5):
            mailbox.put(Timed(frame(number / 10, sequence=number), 0.0, 0.0))
        # A permit that is not granted is looked for again and again.
        assert not run.wait(0.3)
    assert run.wait(LIMIT_S)
    assert turns[0].moment.at_s == 0.4
    assert mailbox.buckets.snapshot() == {"replaced": 4, "processed": 1}


def test_a_lane_that_waits_for_a_permit_sees_the_stop(
    make_lane: Callable[..., Lane],
    mailbox: Mailbox,
    clock: ManualClock,
) -> None:
    permits, stop = Permits(1, clock), threading.Event()
    permits.join("other", 1.0)
    lane = make_lane(look(), terms=Terms(permits, math.inf))
    mailbox.buckets.capture()
    mailbox.put(Timed(frame(), 0.0, 0.0))
    with permits.hold("other", NEVER):
        thread = threading.Thread(target=lane.loop, args=(stop,))
        thread.start()
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert mailbox.buckets.snapshot() == {"stopped": 1}


def test_a_lane_gives_its_permit_back_after_each_frame_also_when_it_fails(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    slot = OneByOne([taken_at(number, 0.0) for number in range(3)], lambda _timed: None)
    lane = make_aged(slot, outbox, text=look([0, 1, 2]))
    lane.loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 3}
    assert lane.status().failures == {"look": 3}


def test_after_each_frame_the_lane_says_until_when_its_blocks_ask_for_every_frame(
    make_aged: MakeAged, outbox: Outbox
) -> None:
    frames = [taken_at(0, 0.0), taken_at(1, 0.0)]
    asleep, awake = (OneByOne(frames, lambda _timed: None) for _ in range(2))
    make_aged(asleep, outbox).loop(NEVER)
    assert asleep.awake == [-math.inf, -math.inf]
    make_aged(awake, outbox, text=QUIET + "  - {name: wait, type: wakeful@1}\n").loop(NEVER)
    # Two seconds after each of them.
    assert awake.awake == pytest.approx([2.0, 2.1])


# Status.


def test_the_status_says_what_became_of_the_frames_and_what_the_steps_cost(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    lane = make_lane(look([1]), timer=itertools.count(0.0, 0.25).__next__)
    mailbox.buckets.capture(3)
    stop = threading.Event()

    def feed() -> None:
        for number in range(3):
            mailbox.put_waiting(Timed(frame(number / 10, sequence=number), 0.0, 0.0), stop)
        mailbox.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    lane.loop(stop)
    feeder.join(LIMIT_S)
    parts = ("p50", "p95", "lag", "wait", "turn", "commit")
    assert lane.status() == LaneStatus(
        name="people:gate",
        captured=3,
        buckets={"processed": 3},
        steps_ms={"look": 250.0, "tell": 250.0},
        failures={"look": 1},
        last_failure="look: ValueError: frame 1 is odd",
        last_failures={"look": "ValueError: frame 1 is odd"},
        # What is still on its way to the disk is not there yet: the two events.
        rate=0.1,
        age_ms=dict.fromkeys(parts, 0.0),
        short="",
    )


def test_before_the_first_frame_there_is_no_status_of_steps(
    make_lane: Callable[..., Lane],
) -> None:
    ages = dict.fromkeys(("p50", "p95", "lag", "wait", "turn", "commit"), 0.0)
    assert make_lane(look()).status() == LaneStatus(
        "people:gate", 0, {}, {}, {}, "", {}, 0.0, ages, ""
    )


# Every frame.


def test_of_several_lanes_that_share_two_permits_every_frame_is_accounted_for(
    run_of: Callable[..., Run], outbox: Outbox, clock: ManualClock
) -> None:
    permits = Permits(2, clock)
    mailboxes = [Mailbox(Buckets()) for _ in range(6)]
    stops = [threading.Event() for _ in mailboxes]
    processed: list[list[int]] = [[] for _ in mailboxes]

    def lane(number: int) -> Lane:
        def on_turn(turn: Turn) -> None:
            assert permits.held <= 2
            processed[number].append(round(turn.moment.at_s * 10))

        name, time = LaneName("people", f"c{number}", "box"), SourceTime(clock, passes=True)
        terms = Terms(permits, math.inf, 1.0 + number)
        return Lane(name, run_of(QUIET), mailboxes[number], outbox, time, terms, on_turn)

    lanes = [lane(number) for number in range(6)]
    threads = [
        threading.Thread(target=each.loop, args=(stop,))
        for each, stop in zip(lanes, stops, strict=True)
    ]
    for thread in threads:
        thread.start()
    for number in range(400):
        for i, mailbox in enumerate(mailboxes):
            mailbox.buckets.capture()
            mailbox.put(Timed(frame(number / 10, sequence=number), 0.0, 0.0))
            if number == 60 * i:
                stops[i].set()
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    for mailbox, numbers in zip(mailboxes, processed, strict=True):
        captured, buckets = mailbox.buckets.account()
        assert captured == 400
        assert sum(buckets.values()) == 400
        assert numbers == sorted(numbers)
        assert set(buckets) <= {"processed", "replaced", "stopped"}
    assert permits.held == 0


def test_what_has_been_put_is_in_the_outbox(outbox: Outbox, make_aged: MakeAged) -> None:
    slot = OneByOne([taken_at(0, 0.0)], lambda _timed: None)
    make_aged(slot, outbox, text=QUIET + TELL).loop(NEVER)
    stopped = threading.Event()
    stopped.set()
    outbox.writer(stopped)
    assert [json.loads(row.body)["data"] for row in outbox.due("plant", 1e12, 10)] == [{"n": 0}]


def test_a_frame_that_is_kept_is_never_stale(
    make_aged: MakeAged, outbox: Outbox, clock: ManualClock
) -> None:
    images = [replace(taken_at(number, 0.0), kept=True) for number in range(3)]
    slot = OneByOne(images, lambda _timed: clock.advance(2.0))
    make_aged(slot, outbox, turn_s=0.1).loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 3}
