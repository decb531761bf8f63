"""By when a result is wanted, and who knows it."""

import threading

import pytest

from appliance.engine.failures import StepFailure
from appliance.engine.testing import ManualClock, frame
from appliance.engine.turn import Turn
from appliance.pipelines.permits import Permits
from appliance.pipelines.terms import Deadline, Terms, was_late
from blocks.host import LateError


def test_a_deadline_holds_for_what_is_done_inside_and_on_this_thread_only() -> None:
    deadline, seen = Deadline(), []
    with deadline.at(3.0):
        other = threading.Thread(target=lambda: seen.append(deadline.until()))
        other.start()
        other.join(20.0)
        assert deadline.until() == 3.0
    assert seen == [None]
    assert deadline.until() is None


def test_a_deadline_is_over_when_the_work_has_failed() -> None:
    deadline = Deadline()
    with pytest.raises(ValueError, match="bad frame"), deadline.at(3.0):
        raise ValueError("bad frame")
    assert deadline.until() is None


@pytest.mark.parametrize(("done_s", "until_s"), [(10.3, 10.5), (10.5, 10.5), (10.6, None)])
def test_a_result_that_is_late_anyway_is_wanted_late(done_s: float, until_s: float | None) -> None:
    terms = Terms(Permits(1, ManualClock()), max_latency_s=0.5)
    assert terms.until_s(10.0, done_s) == until_s


@pytest.mark.parametrize(
    ("errors", "late"), [([], False), ([ValueError()], False), ([ValueError(), LateError()], True)]
)
def test_a_turn_is_late_if_a_step_got_no_answer_in_time(
    errors: list[Exception], late: bool
) -> None:
    failures = tuple(StepFailure("find", error) for error in errors)
    assert was_late(Turn(frame(), (), {}, failures)) is late
