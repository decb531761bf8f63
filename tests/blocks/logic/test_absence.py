import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.data import Detections, Moment
from blocks.logic.absence import Absence, AbsenceManifest, Absent

NOBODY = Detections.empty()
SOMEBODY = Detections.of([[0, 0, 10, 10]])


def at(at_s: float) -> Moment:
    return Moment("gate", at_s, 1.7e9 + at_s)


def absence(after_s: float = 10.0) -> Absence:
    return Absence(AbsenceManifest(after_s=after_s))


def test_nobody_for_long_enough_is_an_absence() -> None:
    block = absence()
    answers = [block.run(at(s), NOBODY) for s in (1.0, 6.0, 11.0, 12.0)]
    assert answers == [
        Absent(False, 0.0),
        Absent(False, 5.0),
        Absent(True, 10.0),
        Absent(True, 11.0),
    ]


def test_somebody_ends_it_and_time_begins_anew() -> None:
    block = absence()
    block.run(at(0.0), NOBODY)
    assert block.run(at(20.0), NOBODY).absent
    assert block.run(at(21.0), SOMEBODY) == Absent(False, 0.0)
    assert block.run(at(30.0), NOBODY) == Absent(False, 9.0)
    assert block.next_at(at(30.0)) == 31.0
    assert block.run(at(31.0), NOBODY) == Absent(True, 10.0)


def test_it_is_said_though_no_frame_comes() -> None:
    block = absence()
    block.run(at(2.0), SOMEBODY)
    assert block.next_at(at(2.0)) == 12.0
    assert block.tick(at(12.0)) == Absent(True, 10.0)


def test_without_frames_it_is_said_once() -> None:
    block = absence()
    block.run(at(2.0), SOMEBODY)
    assert block.tick(at(12.5)) == Absent(True, 10.5)
    assert block.next_at(at(12.5)) is None
    assert block.tick(at(13.0)) is None


def test_what_a_frame_has_said_no_tick_says_again() -> None:
    block = absence()
    block.run(at(0.0), NOBODY)
    block.run(at(10.0), NOBODY)
    assert block.next_at(at(10.0)) is None
    assert block.tick(at(11.0)) is None


def test_every_frame_after_the_tick_says_it_again() -> None:
    block = absence()
    block.run(at(0.0), NOBODY)
    block.tick(at(10.0))
    assert block.run(at(11.0), NOBODY) == Absent(True, 11.0)


def test_a_tick_that_comes_too_early_says_nothing_and_the_time_stands() -> None:
    block = absence()
    block.run(at(0.0), NOBODY)
    assert block.tick(at(9.9)) is None
    assert block.next_at(at(9.9)) == 10.0


def test_before_the_first_frame_nothing_is_known() -> None:
    block = absence()
    assert block.next_at(at(0.0)) is None
    assert block.tick(at(1000.0)) is None
    assert block.awake_until is None


def test_until_it_is_said_every_frame_is_asked_for() -> None:
    block = absence()
    block.run(at(0.0), SOMEBODY)
    block.run(at(4.0), NOBODY)
    assert block.awake_until == 10.0
    block.run(at(10.0), NOBODY)
    assert block.awake_until is None


@given(st.floats(0, 1e6), st.floats(1e-3, 1e5))
def test_a_tick_at_the_time_that_was_asked_for_is_never_too_early(
    seen_s: float, after_s: float
) -> None:
    block = absence(after_s)
    block.run(at(seen_s), SOMEBODY)
    due = block.next_at(at(seen_s))
    assert due is not None
    answer = block.tick(at(due))
    assert answer is not None
    assert answer.absent
    assert block.next_at(at(due)) is None


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        AbsenceManifest(after_s=0)
