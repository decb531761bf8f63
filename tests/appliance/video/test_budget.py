"""The cores that decoding may have."""

import pytest

from appliance.video.budget import REST_AT_MOST_S, REST_S, Budget


def test_it_begins_at_four_fifths_of_the_cores() -> None:
    assert Budget(2.0).now == pytest.approx(1.6)


def test_strain_that_lasts_cuts_it_below_what_was_used() -> None:
    budget = Budget(2.0)

    budget.see_strain(1.0, 0.0, 2.0)
    assert budget.now == pytest.approx(1.6)
    budget.see_strain(1.0, 1.0, 2.0)

    assert budget.now == pytest.approx(0.8)


def test_it_grows_again_after_a_rest() -> None:
    budget = Budget(2.0)
    for second in (0.0, 1.0):
        budget.see_strain(1.0, second, 2.0)

    budget.see_strain(0.8, 1.0 + REST_S - 0.1, None)
    assert budget.now == pytest.approx(0.8)
    for second in range(4):
        budget.see_strain(0.8, 1.0 + REST_S + second, None)
    assert budget.now == pytest.approx(1.6)


def test_each_growth_that_fails_doubles_the_rest_up_to_a_bound() -> None:
    budget = Budget(2.0)
    now = 0.0
    for _ in range(12):
        for _ in range(2):
            budget.see_strain(0.5, now, 2.0)
            now += 2.0
        now = budget.cut_s + budget.rest_s
        budget.see_strain(0.4, now, None)

    assert budget.rest_s == REST_AT_MOST_S


def test_what_others_take_comes_off_once_it_shows_and_ends_the_rest_when_it_is_back() -> None:
    budget = Budget(2.0)
    budget.see_left(1.0)
    assert budget.now == pytest.approx(1.6)
    budget.see_strain(1.0, 0.0, 2.0)
    budget.see_left(1.0)
    assert budget.now == pytest.approx(0.8)
    budget.rest_s = 100.0

    budget.see_left(2.0)

    assert budget.now == pytest.approx(1.6)
    assert budget.rest_s == REST_S


def test_lags_that_fall_by_themselves_end_the_rest() -> None:
    budget = Budget(2.0)
    budget.rest_s = 100.0
    for _ in range(20):
        budget.see_relief(0.8, 2.0)
    assert budget.rest_s == 100.0

    for _ in range(3):
        budget.see_relief(0.2, 2.0)

    assert budget.rest_s == REST_S


def test_costs_that_fall_end_the_rest() -> None:
    budget = Budget(2.0)
    budget.rest_s = 100.0
    budget.see_relief(0.8, 2.0)

    budget.see_relief(0.8, 1.0)

    assert budget.rest_s == REST_S
