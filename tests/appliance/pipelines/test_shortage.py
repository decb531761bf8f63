"""What a lane is short of, in sentences with figures."""

from collections.abc import Mapping

import pytest

from appliance.observe.ages import AgeFigures, Way
from appliance.pipelines.shortage import in_ms, shortage

NOTHING_LATE = AgeFigures(10.0, 0.2, 0.5, Way(0.1, 0.1, 0.2, 0.1))


def late(
    lag_s: float = 0.1, wait_s: float = 0.1, turn_s: float = 0.1, commit_s: float = 0.1
) -> str:
    way = Way(lag_s, wait_s, turn_s, commit_s)
    return told(AgeFigures(10.0, way.age_s / 2, way.age_s, way), {})


def told(figures: AgeFigures, steps_ms: Mapping[str, float]) -> str:
    return shortage(figures, 0.5, steps_ms)


def test_results_that_are_young_enough_are_short_of_nothing() -> None:
    assert told(NOTHING_LATE, {"look": 190.0}) == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (late(lag_s=0.7), "a picture is decoded 0.70 s after it was taken"),
        (late(wait_s=0.7), "a frame waits 0.70 s until the lane may compute"),
        (late(turn_s=0.7), "a turn takes 0.70 s"),
        (late(commit_s=0.7), "a result waits 0.70 s for the disk"),
    ],
)
def test_the_longest_part_of_an_age_says_what_is_short(said: str, why: str) -> None:
    assert said == f"results are 1.00 s old, 0.5 s are allowed: {why}"


def test_a_workflow_that_is_too_slow_names_its_slowest_step() -> None:
    figures = AgeFigures(10.0, 0.4, 0.75, Way(0.05, 0.05, 0.6, 0.05))
    assert told(figures, {"look": 120.0, "find": 455.4, "tell": 1.0}) == (
        "results are 0.75 s old, 0.5 s are allowed: the step find takes 455 ms by itself"
    )


def test_ages_are_told_in_milliseconds_with_one_decimal() -> None:
    figures = AgeFigures(10.0, 0.12345, 0.4, Way(0.01, 0.02, 0.36, 0.01))
    assert in_ms(figures) == {
        "p50": 123.5,
        "p95": 400.0,
        "lag": 10.0,
        "wait": 20.0,
        "turn": 360.0,
        "commit": 10.0,
    }
