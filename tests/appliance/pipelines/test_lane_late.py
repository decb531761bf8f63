"""Lanes whose models have no time for a frame before it is too old."""

import threading
from collections.abc import Callable, Sequence

import pytest

from appliance.delivery.outbox import Outbox
from appliance.engine.errors import StepError
from appliance.engine.plan import load_plan
from appliance.engine.testing import FixedHost, ManualClock, detections
from appliance.engine.turn import Turn
from appliance.pipelines.lane import Lane, LaneName
from appliance.pipelines.permits import Permits
from appliance.pipelines.source_time import SourceTime
from appliance.pipelines.terms import Terms
from blocks.block import Origin
from blocks.data import Detections, Image
from blocks.host import LateError
from blocks.loading import load_blocks
from tests.appliance.pipelines.test_lane_ages import OneByOne, taken_at

NEVER = threading.Event()
FIND = """\
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - name: find
    type: object_detection@1
    image: $inputs.image
    model: people
    on_error: ON_ERROR
"""


class Busy:
    """A model that has no time for the frames with these numbers, and notes its deadlines."""

    labels = ("person",)

    def __init__(self, terms: Terms, late: Sequence[int], error: type[Exception]) -> None:
        self.asked: list[float | None] = []
        self._deadline = terms.deadline
        self._late = late
        self._error = error

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        self.asked.append(self._deadline.until())
        if len(self.asked) - 1 in self._late:
            raise self._error("no time")
        return detections()

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        return [self.detect(image, confidence) for image in images]


MakeBusy = Callable[..., tuple[Lane, Busy, OneByOne]]


@pytest.fixture
def make_busy(clock: ManualClock, outbox: Outbox) -> MakeBusy:
    """A lane that is allowed half a second, and is given three frames, 0.1 s old each."""

    def make(
        late: Sequence[int] = (),
        *,
        on_error: str = "skip",
        passes: bool = True,
        turn_s: float = 0.0,
        error: type[Exception] = LateError,
    ) -> tuple[Lane, Busy, OneByOne]:
        terms = Terms(Permits(1, clock), max_latency_s=0.5)
        busy = Busy(terms, late, error)
        plan = load_plan(FIND.replace("ON_ERROR", on_error), "people.yaml", load_blocks())
        run = plan.start({}, FixedHost(people=busy), Origin("", "people", "gate", ""))
        slot = OneByOne([taken_at(n, 0.5 * n) for n in range(3)], lambda _timed: clock.advance(0.1))
        told: list[Turn] = []

        def on_turn(turn: Turn) -> None:
            told.append(turn)
            clock.advance(0.4)

        name, time = LaneName("people", "gate", "box"), SourceTime(clock, passes=passes)
        lane = Lane(name, run, slot, outbox, time, terms, on_turn)
        if turn_s:
            lane.ages._turn_s = turn_s
        return lane, busy, slot

    return make


def test_models_are_told_when_a_frame_is_too_old(make_busy: MakeBusy) -> None:
    lane, busy, slot = make_busy()
    lane.loop(NEVER)
    assert busy.asked == pytest.approx([0.5, 1.0, 1.5])
    assert slot.buckets.snapshot() == {"processed": 3}


def test_frames_of_a_file_are_never_too_old(make_busy: MakeBusy) -> None:
    lane, busy, _slot = make_busy(passes=False)
    lane.loop(NEVER)
    assert busy.asked == [None, None, None]


def test_a_lane_whose_turns_take_longer_anyway_has_no_deadline(make_busy: MakeBusy) -> None:
    lane, busy, _slot = make_busy(turn_s=0.6)
    lane.loop(NEVER)
    assert busy.asked[0] is None


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_frame_its_model_had_no_time_for_is_late_and_nothing_has_failed(
    make_busy: MakeBusy, on_error: str
) -> None:
    lane, _busy, slot = make_busy([1], on_error=on_error)
    lane.loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 2, "late": 1}
    status = lane.status()
    assert (status.failures, status.last_failure) == ({}, "")
    # The age of no result is not noted.
    assert lane.ages.figures(1.5).rate == pytest.approx(0.2)


def test_what_fails_for_another_reason_has_failed(make_busy: MakeBusy) -> None:
    lane, _busy, slot = make_busy([1], error=TimeoutError)
    lane.loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 3}
    assert lane.status().failures == {"find": 1}


def test_a_step_that_ends_its_lane_still_does(make_busy: MakeBusy) -> None:
    lane, _busy, slot = make_busy([1], error=TimeoutError, on_error="stop")
    with pytest.raises(StepError):
        lane.loop(NEVER)
    assert slot.buckets.snapshot() == {"processed": 1, "failed": 1}
