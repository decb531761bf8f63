"""Ages of frames: percentiles, their parts, and the window of ten seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.observe.ages import MOST, AgeFigures, Ages, Way

NOTHING = AgeFigures(0.0, 0.0, 0.0, Way(0.0, 0.0, 0.0, 0.0))

parts = st.floats(0.0, 10.0)


def turn_of(turn_s: float) -> Way:
    return Way(0.0, 0.0, turn_s, 0.0)


def test_without_frames_all_is_nothing() -> None:
    ages = Ages()
    assert ages.figures(100.0) == NOTHING
    assert ages.turn_s == 0.0


def test_half_of_the_frames_are_younger_than_p50_and_95_of_100_than_p95() -> None:
    ages = Ages()
    for number in range(100):
        ages.add(number * 0.1, turn_of(number / 100))
    figures = ages.figures(9.9)
    assert (figures.p50_s, figures.p95_s) == (0.5, 0.95)
    assert figures.worst == turn_of(0.95)
    assert figures.rate == 10.0


def test_one_frame_is_its_own_percentile() -> None:
    ages = Ages()
    ages.add(5.0, Way(0.1, 0.2, 0.3, 0.4))
    figures = ages.figures(5.0)
    assert figures.worst == Way(0.1, 0.2, 0.3, 0.4)
    assert figures.p50_s == figures.p95_s == pytest.approx(1.0)
    assert figures.rate == 0.1


def test_what_is_older_than_ten_seconds_is_forgotten() -> None:
    ages = Ages()
    ages.add(0.0, turn_of(5.0))
    ages.add(6.0, turn_of(1.0))
    assert ages.figures(10.0).p95_s == 5.0
    assert ages.figures(10.5).p95_s == 1.0
    assert ages.figures(16.5) == NOTHING


def test_a_rate_is_right_also_of_more_frames_than_are_remembered() -> None:
    ages = Ages()
    for number in range(5 * MOST):
        ages.add(number / 500, turn_of(0.001))
    assert ages.figures(5 * MOST / 500).rate == pytest.approx(500.0, rel=0.01)


def test_the_typical_turn_follows_the_turns_and_not_a_single_one() -> None:
    ages = Ages()
    ages.add(0.0, turn_of(0.2))
    assert ages.turn_s == 0.2
    ages.add(1.0, turn_of(1.2))
    assert ages.turn_s == pytest.approx(0.3)
    for number in range(100):
        ages.add(2.0 + number, turn_of(0.5))
    assert ages.turn_s == pytest.approx(0.5, abs=0.001)


@given(st.lists(st.tuples(parts, parts, parts, parts), min_size=1, max_size=50))
def test_the_parts_of_the_worst_add_up_to_p95_and_p50_is_no_more(
    ways: list[tuple[float, float, float, float]],
) -> None:
    ages = Ages()
    for way in ways:
        ages.add(1.0, Way(*way))
    figures = ages.figures(1.0)
    assert (
        figures.worst.age_s
        == figures.p95_s
        == pytest.approx(
            sum(
                (
                    figures.worst.lag_s,
                    figures.worst.wait_s,
                    figures.worst.turn_s,
                    figures.worst.commit_s,
                )
            )
        )
    )
    assert figures.p50_s <= figures.p95_s <= max(Way(*way).age_s for way in ways)
