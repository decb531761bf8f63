"""Lanes with real mailboxes, real plans of hand-made blocks, and a real outbox."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from appliance.delivery.outbox import Outbox
from appliance.engine.errors import StepError
from appliance.engine.run import Run
from appliance.engine.testing import ManualClock, frame
from appliance.engine.ticks import MOST_TICKS
from appliance.engine.turn import Turn
from appliance.observe.ages import Timed
from appliance.pipelines.lane import (
    LATE_S,
    OVERDUE,
    UNSENDABLE,
    Lane,
    LaneName,
)
from appliance.video.mailbox import Mailbox
from blocks.data import Event, Frame

# Far more than anything here takes.
LIMIT_S = 20.0
SOURCE = "/box/people/gate"


RING = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: bell, type: alarm@1, at_s: AT_S, on_error: ON_ERROR}
  - name: tell
    type: say@1
    data: {at_s: $steps.bell.at_s, cause: $steps.bell.cause, utc: $frame.captured_at}
"""
LOOK = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: look, type: frail@1, image: $inputs.image, breaks_at: BREAKS_AT, on_error: ON_ERROR}
  - {name: tell, type: say@1, when: steps.look.sequence >= 0, data: {n: $steps.look.sequence}}
"""
TELL_TWO = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: look, type: frail@1, image: $inputs.image}
  - {name: bad, type: say@1, data: {picture: $steps.look.thing}}
  - {name: good, type: say@1, data: {n: $frame.sequence}}
"""


def look(breaks_at: Sequence[int] = (), on_error: str = "skip") -> str:
    return LOOK.replace("BREAKS_AT", str(list(breaks_at))).replace("ON_ERROR", on_error)


def timed(taken: Frame) -> Timed:
    """A frame that needed no time until it lay before its lane, at the beginning of the clock."""
    return Timed(taken, 0.0, 0.0)


def run_through(lane: Lane, mailbox: Mailbox, numbers: Sequence[int]) -> None:
    """Run the lane on this thread, on frames of these numbers that none replaces, to the end."""
    stop = threading.Event()

    def feed() -> None:
        for number in numbers:
            mailbox.buckets.capture()
            mailbox.put_waiting(timed(frame(number / 10, sequence=number)), stop)
        mailbox.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        lane.loop(stop)
    finally:
        stop.set()
        feeder.join(LIMIT_S)
        assert not feeder.is_alive()


def rows(outbox: Outbox) -> list[dict[str, Any]]:
    """What has been put, as it would be sent."""
    stopped = threading.Event()
    stopped.set()
    outbox.writer(stopped)
    return [json.loads(row.body) for row in outbox.due("plant", 1e12, 10_000)]


def sequences(turns: Sequence[Turn]) -> list[int]:
    """The numbers of the frames that were run."""
    return [turn.moment.sequence for turn in turns if isinstance(turn.moment, Frame)]


def numbers_in(outbox: Outbox) -> list[int]:
    return [row["data"]["n"] for row in rows(outbox)]


def test_every_frame_is_run_and_its_events_are_kept_in_order(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(look())
    run_through(lane, mailbox, range(50))
    assert mailbox.buckets.snapshot() == {"processed": 50}
    assert mailbox.buckets.in_flight == 0
    sent = rows(outbox)
    assert [row["data"] for row in sent] == [{"n": n} for n in range(50)]
    assert [int(row["sequence"]) for row in sent] == list(range(1, 51))
    assert {row["source"] for row in sent} == {SOURCE}


def test_a_frame_without_events_puts_nothing_into_the_outbox(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    run_through(make_lane(look([0])), mailbox, [0])
    assert rows(outbox) == []
    assert mailbox.buckets.snapshot() == {"processed": 1}


def test_whoever_wants_is_told_of_each_processed_frame(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    turns: list[Turn] = []
    lane = make_lane(look([1], on_error="stop"), on_turn=turns.append)
    with pytest.raises(StepError):
        run_through(lane, mailbox, [0, 1])
    assert sequences(turns) == [0]
    assert [event.data for event in turns[0].events] == [{"n": 0}]


# Failures.


def test_a_step_that_fails_loses_its_frame_only_for_what_depends_on_it(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(look([1, 3]))
    run_through(lane, mailbox, range(5))
    assert numbers_in(outbox) == [0, 2, 4]
    assert mailbox.buckets.snapshot() == {"processed": 5}
    status = lane.status()
    assert status.failures == {"look": 2}
    assert status.last_failure == "look: ValueError: frame 3 is odd"


def test_a_failure_with_every_frame_is_told_once_a_burst(
    make_lane: Callable[..., Lane], mailbox: Mailbox, clock: ManualClock
) -> None:
    lane = make_lane(look(range(300)), on_turn=lambda _turn: clock.advance(0.5))
    with capture_logs() as logs:
        run_through(lane, mailbox, range(300))
    assert lane.status().failures == {"look": 300}
    line = {"event": "step failed", "log_level": "warning", "lane": "people:gate", "step": "look"}
    assert logs == [
        line | {"error": "ValueError: frame 0 is odd", "count": 1},
        line | {"error": "ValueError: frame 120 is odd", "count": 120},
        line | {"error": "ValueError: frame 240 is odd", "count": 120},
    ]


def test_a_step_that_stops_the_lane_fails_its_frame_and_the_lane_can_go_on(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(look([1], on_error="stop"))
    with pytest.raises(StepError, match="step look, camera gate, frame 1: ValueError: frame 1 is"):
        run_through(lane, mailbox, [0, 1])
    assert mailbox.buckets.snapshot() == {"processed": 1, "failed": 1}
    assert lane.status().failures == {"look": 1}
    assert "frame 1 is odd" in lane.status().last_failure


def test_a_lane_that_is_called_again_goes_on_with_the_next_frame(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane, stop = make_lane(look([1], on_error="stop")), threading.Event()
    mailbox.buckets.capture(2)
    mailbox.put(timed(frame(sequence=1)))
    with pytest.raises(StepError):
        lane.loop(stop)
    mailbox.put(timed(frame(sequence=2)))
    mailbox.close()
    lane.loop(stop)
    assert mailbox.buckets.snapshot() == {"failed": 1, "processed": 1}
    assert numbers_in(outbox) == [2]


def test_a_frame_left_behind_by_a_lane_that_is_not_called_again_is_counted(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    lane = make_lane(look([1], on_error="stop"))
    mailbox.buckets.capture(2)
    mailbox.put(timed(frame(sequence=1)))
    with pytest.raises(StepError):
        lane.loop(threading.Event())
    mailbox.put(timed(frame(sequence=2)))
    lane.close()
    assert mailbox.buckets.snapshot() == {"failed": 1, "stopped": 1}
    assert mailbox.buckets.in_flight == 0


class BrokenStore:
    """An outbox with a fault that nobody thought of."""

    full = False

    def put(
        self, events: Sequence[Event], *, source: str, committed: Callable[[], None] | None = None
    ) -> None:
        raise RuntimeError("out of luck")


def test_a_frame_is_counted_whatever_breaks(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    with pytest.raises(RuntimeError, match="out of luck"):
        run_through(make_lane(look(), store=BrokenStore()), mailbox, [0])
    assert mailbox.buckets.snapshot() == {"failed": 1}
    assert mailbox.buckets.in_flight == 0


# Events that cannot be sent, and an outbox that is full.


def test_an_event_that_cannot_be_sent_loses_only_itself(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(TELL_TWO)
    with capture_logs() as logs:
        run_through(lane, mailbox, range(3))
    assert numbers_in(outbox) == [0, 1, 2]
    assert mailbox.buckets.snapshot() == {"processed": 3}
    status = lane.status()
    assert status.failures == {UNSENDABLE: 3}
    assert "`data.picture` is of the type Image" in status.last_failure
    (line,) = logs
    assert (line["event"], line["step"], line["count"]) == ("event left out", UNSENDABLE, 1)
    assert "the event seen for plant: `data.picture` is of the type Image" in line["error"]


def test_no_step_can_have_the_name_under_which_such_events_are_counted(
    run_of: Callable[..., Run],
) -> None:
    with pytest.raises(Exception, match="is no name"):
        run_of(look().replace("name: look", f"name: {UNSENDABLE}"))


def test_a_full_outbox_skips_frames_before_they_are_run(
    make_lane: Callable[..., Lane], mailbox: Mailbox, tmp_path: Path, clock: ManualClock
) -> None:
    turns: list[Turn] = []
    small = Outbox(tmp_path / "small", clock, capacity=2)
    try:
        lane = make_lane(look(), store=small, on_turn=turns.append)
        run_through(lane, mailbox, range(6))
        assert mailbox.buckets.snapshot() == {"processed": 2, "outbox": 4}
        assert sequences(turns) == [0, 1]
        assert numbers_in(small) == [0, 1]
    finally:
        small.close()


def test_an_outbox_that_is_written_again_ends_the_skipping(
    make_lane: Callable[..., Lane], mailbox: Mailbox, tmp_path: Path, clock: ManualClock
) -> None:
    small = Outbox(tmp_path / "small", clock, capacity=1)
    lane, stop = make_lane(look(), store=small), threading.Event()
    thread = threading.Thread(target=lane.loop, args=(stop,))
    thread.start()
    try:
        mailbox.buckets.capture(3)
        mailbox.put(timed(frame(sequence=0)))
        wait_until(lambda: mailbox.buckets.snapshot() == {"processed": 1})
        mailbox.put(timed(frame(sequence=1)))
        wait_until(lambda: mailbox.buckets.snapshot() == {"processed": 1, "outbox": 1})
        assert numbers_in(small) == [0]
        mailbox.put(timed(frame(sequence=2)))
        wait_until(lambda: mailbox.buckets.snapshot() == {"processed": 2, "outbox": 1})
        assert numbers_in(small) == [0, 2]
    finally:
        stop.set()
        thread.join(LIMIT_S)
        small.close()


def wait_until(condition: Callable[[], bool]) -> None:
    never = threading.Event()
    for _ in range(round(LIMIT_S / 0.01)):
        if condition():
            return
        never.wait(0.01)
    raise AssertionError("it did not come to that")


# The end.


def test_a_stop_ends_the_lane_and_counts_the_frame_that_lies_there(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    stop = threading.Event()
    stop.set()
    mailbox.buckets.capture(2)
    mailbox.put(timed(frame(sequence=0)))
    make_lane(look()).loop(stop)
    mailbox.put(timed(frame(sequence=1)))
    assert mailbox.buckets.snapshot() == {"stopped": 2}


def test_a_lane_that_waits_for_a_frame_sees_the_stop(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    stop, waited = threading.Event(), threading.Event()
    lane = make_lane(look(), on_turn=lambda _turn: waited.set())
    thread = threading.Thread(target=lane.loop, args=(stop,))
    thread.start()
    mailbox.buckets.capture()
    mailbox.put(timed(frame()))
    assert waited.wait(LIMIT_S)
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert mailbox.buckets.snapshot() == {"processed": 1}


def test_the_last_frame_of_a_source_is_still_run(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    mailbox.buckets.capture()
    mailbox.put(timed(frame()))
    mailbox.close()
    make_lane(look()).loop(threading.Event())
    assert mailbox.buckets.snapshot() == {"processed": 1}


def test_of_a_source_that_is_too_fast_every_frame_is_accounted_for(
    make_lane: Callable[..., Lane], mailbox: Mailbox, tmp_path: Path, clock: ManualClock
) -> None:
    small = Outbox(tmp_path / "small", clock, capacity=20)
    turns: list[Turn] = []
    stop = threading.Event()
    lane = make_lane(look(range(0, 2000, 7)), store=small, on_turn=turns.append)
    thread = threading.Thread(target=lane.loop, args=(stop,))
    thread.start()
    try:
        for number in range(2000):
            mailbox.buckets.capture()
            mailbox.put(timed(frame(sequence=number)))
    finally:
        stop.set()
        thread.join(LIMIT_S)
    buckets = mailbox.buckets.snapshot()
    assert mailbox.buckets.captured == 2000
    assert mailbox.buckets.in_flight == 0
    assert buckets.get("processed", 0) == len(sequences(turns))
    assert set(buckets) <= {"processed", "replaced", "outbox", "stopped"}
    numbers = sequences(turns)
    assert numbers == sorted(numbers)
    assert numbers_in(small) == [number for number in numbers if number % 7]
    small.close()


# Turns without a frame.


def ring(at_s: Sequence[float] = (), on_error: str = "skip", more: str = "") -> str:
    text = RING.replace("AT_S", str(list(at_s))).replace("ON_ERROR", on_error)
    return text.replace("type: alarm@1,", f"type: alarm@1, {more}" if more else "type: alarm@1,")


def rung_in(outbox: Outbox) -> list[tuple[float, str]]:
    return [(row["data"]["at_s"], row["data"]["cause"]) for row in rows(outbox)]


def put(mailbox: Mailbox, at_s: float) -> None:
    mailbox.buckets.capture()
    mailbox.put(timed(frame(at_s, sequence=round(at_s * 10))))


def test_a_tick_is_run_at_its_own_time_before_the_frame_that_comes_after_it(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    run_through(make_lane(ring([0.05, 0.08, 0.25]), passes=False), mailbox, range(4))
    sent = rows(outbox)
    assert [(row["data"]["at_s"], row["data"]["cause"]) for row in sent] == [
        (0.0, "frame"),
        (0.05, "tick"),
        (0.08, "tick"),
        (0.1, "frame"),
        (0.2, "frame"),
        (0.25, "tick"),
        (0.3, "frame"),
        (0.3, "stop"),
    ]
    assert sent[1]["data"]["utc"] == "2026-01-01T00:00:00.050Z"


def test_what_is_due_at_a_frame_and_what_was_due_long_ago_is_run_in_order(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    # The first is due before there is any time, so it is run at once after the first frame.
    run_through(make_lane(ring([-5.0, 0.1]), passes=False), mailbox, [0, 1])
    assert rung_in(outbox) == [
        (0.0, "frame"),
        (0.0, "tick"),
        (0.1, "tick"),
        (0.1, "frame"),
        (0.1, "stop"),
    ]


def test_before_the_first_frame_there_is_no_tick_and_without_any_no_last_turn(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox, clock: ManualClock
) -> None:
    turns: list[Turn] = []
    lane = make_lane(ring([0.0], more="always: true,"), on_turn=turns.append)
    clock.advance(60.0)
    mailbox.close()
    lane.loop(threading.Event())
    assert turns == []
    assert rows(outbox) == []


def test_time_goes_on_by_the_clock_while_no_frame_comes(
    make_lane: Callable[..., Lane],
    mailbox: Mailbox,
    outbox: Outbox,
    clock: ManualClock,
    running: Callable[[Lane], threading.Event],
) -> None:
    turns: list[Turn] = []
    stop = running(make_lane(ring([100.5, 102.0, 300.0]), on_turn=turns.append))
    put(mailbox, 100.0)
    wait_until(lambda: len(turns) == 1)
    clock.advance(0.5 + LATE_S)
    wait_until(lambda: len(turns) == 2)
    clock.advance(2.0)
    wait_until(lambda: len(turns) == 3)
    stop.set()
    wait_until(lambda: len(turns) == 4)
    assert rung_in(outbox) == [
        (100.0, "frame"),
        (100.5, "tick"),
        (102.0, "tick"),
        (100.0 + 2.5 + LATE_S, "stop"),
    ]
    assert mailbox.buckets.snapshot() == {"processed": 1}


def test_for_a_frame_that_comes_very_late_time_does_not_go_back(
    make_lane: Callable[..., Lane],
    mailbox: Mailbox,
    outbox: Outbox,
    clock: ManualClock,
    running: Callable[[Lane], threading.Event],
) -> None:
    turns: list[Turn] = []
    stop = running(make_lane(ring([2.0]), on_turn=turns.append))
    put(mailbox, 0.0)
    wait_until(lambda: len(turns) == 1)
    clock.advance(2.0 + LATE_S)
    wait_until(lambda: len(turns) == 2)
    put(mailbox, 1.5)
    wait_until(lambda: len(turns) == 3)
    stop.set()
    wait_until(lambda: len(turns) == 4)
    assert rung_in(outbox) == [(0.0, "frame"), (2.0, "tick"), (2.0, "frame"), (2.0, "stop")]


def test_what_is_due_at_the_stop_is_still_run(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox, clock: ManualClock
) -> None:
    # While the lane is busy with its only frame, time passes and the source ends.
    lane = make_lane(ring([1.0]), on_turn=lambda _turn: clock.advance(1.0))
    run_through(lane, mailbox, [0])
    assert rung_in(outbox) == [(0.0, "frame"), (1.0, "tick"), (1.0, "stop")]


def test_a_failing_tick_is_told_like_a_failing_frame(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(ring([0.05], more="broken: true,"), passes=False)
    with capture_logs() as logs:
        run_through(lane, mailbox, [0])
    assert rung_in(outbox) == [(0.0, "frame")]
    assert lane.status().failures == {"bell": 1}
    assert [(line["event"], line["error"]) for line in logs] == [
        ("step failed", "ValueError: the bell is broken")
    ]


def test_a_tick_of_a_step_that_stops_the_lane_fails_the_frame_that_waits_for_it(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    lane = make_lane(ring([0.05], "stop", "broken: true,"), passes=False)
    with pytest.raises(StepError, match="step bell, camera gate"):
        run_through(lane, mailbox, [0, 1])
    assert mailbox.buckets.snapshot() == {"processed": 1, "failed": 1}
    assert lane.status().failures == {"bell": 1}


def test_an_error_in_the_last_turn_ends_nothing_more_and_it_is_run_once(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    lane = make_lane(ring(on_error="stop", more="broken: true,"))
    with capture_logs() as logs:
        run_through(lane, mailbox, [0])
    lane.loop(threading.Event())
    lane.finish()
    assert lane.status().failures == {"bell": 1}
    assert [line["step"] for line in logs] == ["bell"]
    assert rung_in(outbox) == [(0.0, "frame")]


def test_the_last_turn_of_a_lane_that_is_not_called_again_can_be_run_after_it(
    make_lane: Callable[..., Lane], mailbox: Mailbox, outbox: Outbox
) -> None:
    text = look([1], on_error="stop") + "  - {name: bell, type: alarm@1}\n"
    text += "  - {name: rang, type: say@1, data: {n: $steps.bell.cause}}\n"
    lane = make_lane(text)
    with pytest.raises(StepError):
        run_through(lane, mailbox, [0, 1])
    lane.finish()
    lane.finish()
    assert numbers_in(outbox) == [0, "frame", "stop"]


def test_a_block_that_always_says_now_does_not_keep_the_frames_out(
    make_lane: Callable[..., Lane], mailbox: Mailbox
) -> None:
    turns: list[Turn] = []
    lane = make_lane(ring(more="always: true,"), on_turn=turns.append, passes=False)
    with capture_logs() as logs:
        run_through(lane, mailbox, range(3))
    assert mailbox.buckets.snapshot() == {"processed": 3}
    # Between the three frames, and before the last turn.
    assert len(turns) == 3 + 3 * MOST_TICKS + 1
    assert lane.status().failures == {OVERDUE: 3}
    (line,) = logs
    assert (line["step"], line["count"]) == (OVERDUE, 1)
    assert line["error"] == "more than 1000 were due by 0.100 s: a block asks for too many"


def test_a_full_outbox_puts_a_tick_off_and_loses_none(
    make_lane: Callable[..., Lane],
    mailbox: Mailbox,
    tmp_path: Path,
    clock: ManualClock,
    running: Callable[[Lane], threading.Event],
) -> None:
    small = Outbox(tmp_path / "small", clock, capacity=2)
    try:
        stop = running(make_lane(ring([0.1, 0.2]), store=small))
        put(mailbox, 0.0)
        wait_until(lambda: mailbox.buckets.snapshot() == {"processed": 1})
        put(mailbox, 0.3)
        # The first tick takes the last room: the second one waits, and the frame is left out.
        wait_until(lambda: mailbox.buckets.snapshot() == {"processed": 1, "outbox": 1})
        assert rung_in(small) == [(0.0, "frame"), (0.1, "tick")]
        clock.advance(5.0)
        wait_until(lambda: len(rung_in(small)) == 3)
        stop.set()
        wait_until(lambda: len(rung_in(small)) == 4)
        assert rung_in(small)[2:] == [(0.2, "tick"), (5.3, "stop")]
    finally:
        small.close()


# Names.


def test_the_source_of_events_is_a_reference_whatever_the_names_are() -> None:
    name = LaneName("gate count#2", "süd/1", "box")
    assert str(name) == "gate count#2:süd/1"
    assert name.source == "/box/gate%20count%232/s%C3%BCd%2F1"
