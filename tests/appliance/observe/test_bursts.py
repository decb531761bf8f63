"""When a failure is worth a line in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.testing import ManualClock
from appliance.observe.bursts import QUIET_S, Bursts


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bursts(clock: ManualClock) -> Bursts:
    return Bursts(clock)


def test_the_first_failure_is_told_at_once(bursts: Bursts) -> None:
    assert bursts.add("gate", "no line") == 1


@given(st.floats(0.0, 1e9))
def test_the_first_failure_is_told_whatever_the_time(now: float) -> None:
    clock = ManualClock()
    clock.advance(now)
    assert Bursts(clock).add("gate", "no line") == 1


def test_those_that_follow_are_told_together_once_a_minute(
    bursts: Bursts, clock: ManualClock
) -> None:
    told = []
    for _ in range(13):
        told.append(bursts.add("gate", "no line"))
        clock.advance(QUIET_S / 6)
    assert told == [1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 6]
    assert bursts.counts() == {"gate": 13}


def test_a_failure_after_a_pause_is_told_with_those_not_told_yet(
    bursts: Bursts, clock: ManualClock
) -> None:
    assert bursts.add("gate", "no line") == 1
    assert bursts.add("gate", "no line") == 0
    clock.advance(1000.0)
    assert bursts.add("gate", "no line") == 2
    clock.advance(1000.0)
    assert bursts.add("gate", "no line") == 1


def test_one_kind_does_not_hide_another(bursts: Bursts) -> None:
    assert bursts.add("gate", "no line") == 1
    assert bursts.add("yard", "no zone") == 1
    assert bursts.add("gate", "no line") == 0
    assert bursts.counts() == {"gate": 2, "yard": 1}


def test_the_last_failure_is_remembered_also_where_it_was_not_told(bursts: Bursts) -> None:
    assert bursts.last == ""
    bursts.add("gate", "no line")
    bursts.add("gate", "no camera")
    assert bursts.last == "gate: no camera"


def test_counts_that_were_given_away_do_not_change(bursts: Bursts) -> None:
    before = bursts.counts()
    bursts.add("gate", "no line")
    assert before == {}


def test_setting_the_wall_clock_ends_no_burst(bursts: Bursts, clock: ManualClock) -> None:
    bursts.add("gate", "no line")
    clock.step(86_400.0)
    assert bursts.add("gate", "no line") == 0


def test_of_each_kind_the_last_failure_is_remembered(bursts: Bursts) -> None:
    for kind, what in (("gate", "one"), ("tracks", "two"), ("gate", "three")):
        bursts.add(kind, what)
    assert bursts.last_of_each() == {"gate": "three", "tracks": "two"}
