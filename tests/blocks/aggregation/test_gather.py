"""Many values in one list."""

import pytest

from blocks.aggregation.gather import Gather, GatherManifest


@pytest.fixture
def gather() -> Gather:
    return Gather(GatherManifest())


def test_all_values_are_there_in_their_order(gather: Gather) -> None:
    assert gather.run((3, "a", 1.5)).values == [3, "a", 1.5]


def test_sum_extremes_and_mean_are_of_the_numbers(gather: Gather) -> None:
    assert gather.run((3, "a", True, 1.5))[1:] == (4.5, 1.5, 3.0, 2.25)


def test_over_nothing_the_sum_is_zero_and_the_rest_absent(gather: Gather) -> None:
    assert gather.run(()) == ([], 0.0, None, None, None)
    assert gather.run(("a",))[1:] == (0.0, None, None, None)
