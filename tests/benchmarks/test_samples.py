"""Medians, spreads, comparisons within a round, and goals."""

import pytest

from benchmarks.machine import Load
from benchmarks.samples import Goal, Round, Rounds, Series

QUIET = Load(1.0, 1.0, 0.0)


@pytest.fixture
def rounds() -> Rounds:
    """Two variants; in the second round the machine was half as fast."""
    samples = [
        {"fast": {"time": 1.0, "speed": 9.0}, "slow": {"time": 3.0, "speed": 3.0}},
        {"fast": {"time": 2.0, "speed": 4.5}, "slow": {"time": 6.0, "speed": 1.5}},
        {"fast": {"time": 1.0, "speed": 9.0}, "slow": {"time": 2.0, "speed": 4.5}},
    ]
    units = {"time": "s", "speed": "frames/s"}
    return Rounds(units, tuple(Round(each, QUIET) for each in samples))


def test_one_wild_round_moves_neither_median_nor_spread() -> None:
    calm = Series("s", (1.0, 1.1, 1.2, 1.3, 1.4))
    wild = Series("s", (1.0, 1.1, 1.2, 1.3, 99.0))
    assert wild.median == calm.median == 1.2
    assert wild.spread == calm.spread == pytest.approx(0.1)


def test_an_even_number_of_rounds_has_its_median_between_the_middle_two() -> None:
    assert Series("s", (4.0, 1.0, 2.0, 3.0)).median == 2.5


def test_a_series_is_one_metric_of_one_variant_round_by_round(rounds: Rounds) -> None:
    assert rounds["slow", "speed"] == Series("frames/s", (3.0, 1.5, 4.5))


def test_a_ratio_compares_within_a_round_and_has_no_unit(rounds: Rounds) -> None:
    ratio = rounds["slow", "time"] / rounds["fast", "time"]
    assert ratio == Series("times", (3.0, 3.0, 2.0))
    assert (ratio.median, ratio.spread) == (3.0, 0.0)


def test_the_median_of_ratios_is_not_the_ratio_of_medians() -> None:
    slow, fast = Series("s", (2.0, 30.0, 4.0)), Series("s", (1.0, 10.0, 4.0))
    assert (slow / fast).median == 2.0
    assert slow.median / fast.median == 1.0


def test_a_difference_keeps_its_unit(rounds: Rounds) -> None:
    assert rounds["slow", "time"] - rounds["fast", "time"] == Series("s", (2.0, 4.0, 1.0))


def test_unlike_units_do_not_compare(rounds: Rounds) -> None:
    with pytest.raises(ValueError, match="s and frames/s do not compare"):
        rounds["slow", "time"] / rounds["slow", "speed"]


def test_all_series_come_in_the_order_of_the_variants(rounds: Rounds) -> None:
    assert [(variant, metric) for variant, metric, _ in rounds.all_series()] == [
        ("fast", "time"),
        ("fast", "speed"),
        ("slow", "time"),
        ("slow", "speed"),
    ]


@pytest.mark.parametrize(("limit", "met"), [(2.9, False), (3.0, True), (3.1, True)])
def test_at_most_is_met_up_to_its_limit(rounds: Rounds, limit: float, met: bool) -> None:
    verdict = Goal("slow", lambda r: r["slow", "time"], "at most", limit).verdict(rounds)
    assert (verdict.measured, verdict.goal, verdict.met) == (3.0, limit, met)


@pytest.mark.parametrize(("limit", "met"), [(8.9, True), (9.0, True), (9.1, False)])
def test_at_least_is_met_down_to_its_limit(rounds: Rounds, limit: float, met: bool) -> None:
    verdict = Goal("fast", lambda r: r["fast", "speed"], "at least", limit).verdict(rounds)
    assert (verdict.measured, verdict.goal, verdict.met) == (9.0, limit, met)
