"""Many values: kept flat, found along their axes, gathered, and shown as tuples in tuples."""

from typing import Any

import pytest

from appliance.engine.axes import Axis, Column, ancestors, gathered, joined, nested
from appliance.engine.wiring import ABSENT, LOST

# Three elements of which the second made nothing, and two, none and one below the others.
OUTER = Axis([0, 0, 0], [(0, 3)])
INNER = Axis([0, 0, 2], [(0, 2), ABSENT, (2, 3)])
OUTER_SLOT, INNER_SLOT, VALUES, DEEP, ONE = 0, 1, 2, 3, 4
SLOTS: list[Any] = [OUTER, INNER, ["a", ABSENT, "c"], [1, 2, 3], "one"]


def cells(column: Column, count: int = 3) -> list[Any]:
    return list(column.cells(SLOTS, count))


def test_the_place_of_an_element_is_counted_in_its_group() -> None:
    assert INNER.positions() == [0.0, 1.0, 0.0]


def test_a_value_on_the_own_axis_is_taken_as_it_stands() -> None:
    found = Column(DEEP).cells(SLOTS, 3)
    assert found == [1, 2, 3]
    assert found is not SLOTS[DEEP]


def test_a_value_that_is_one_is_the_same_for_each() -> None:
    assert cells(Column(ONE, one=True)) == ["one"] * 3


def test_a_value_further_up_is_that_of_the_element_above() -> None:
    assert cells(Column(VALUES, (INNER_SLOT,))) == ["a", "a", "c"]


def test_the_element_above_is_found_over_several_axes() -> None:
    deepest = Axis([2, 0, 1], [(1, 2), (2, 3), (0, 1)])
    assert ancestors([OUTER, INNER, deepest], [2, 1]) == [2, 0, 0]
    assert ancestors([OUTER, INNER, deepest], [2, 1, 0]) == [0, 0, 0]


def test_a_value_that_is_not_there_is_there_for_nobody() -> None:
    slots = [ABSENT]
    assert Column(0).cells(slots, 2) == [ABSENT, ABSENT]
    assert Column(0, one=True).cells(slots, 2) == [ABSENT, ABSENT]
    assert Column(0, gathered=INNER_SLOT).cells(slots, 2) == [ABSENT, ABSENT]


def test_what_is_gathered_below_is_one_tuple_for_each() -> None:
    assert cells(Column(DEEP, gathered=INNER_SLOT)) == [(1, 2), ABSENT, (3,)]


def test_what_is_gathered_of_all_is_the_same_for_each() -> None:
    assert cells(Column(VALUES, one=True, gathered=OUTER_SLOT), 2) == [("a", "c")] * 2


def test_what_is_gathered_may_be_lifted_too() -> None:
    assert cells(Column(DEEP, (INNER_SLOT,), gathered=INNER_SLOT)) == [(1, 2), (1, 2), (3,)]


@pytest.mark.parametrize(
    ("keeps_holes", "expected"), [(False, ("a", "c")), (True, ("a", None, "c", None))]
)
def test_holes_are_dropped_or_kept(keeps_holes: bool, expected: tuple[str | None, ...]) -> None:
    values = ["x", "a", ABSENT, "c", LOST]
    assert gathered(values, (1, 5), keeps_holes=keeps_holes) == expected


@pytest.mark.parametrize("group", [ABSENT, LOST])
def test_a_group_that_is_not_there_is_nothing_to_gather(group: Any) -> None:
    assert gathered([1, 2], group, keeps_holes=True) is group


def test_a_caller_sees_tuples_in_tuples() -> None:
    assert nested(["a", ABSENT, LOST], [OUTER]) == ("a", None, None)
    assert nested([1, 2, 3], [OUTER, INNER]) == ((1, 2), None, (3,))
    assert nested("one", []) == "one"


def test_what_is_collected_together_stays_or_goes_together() -> None:
    slots = [[1, 2, ABSENT, 4], [5, LOST, 7, 8], ABSENT]
    assert joined(slots, 0, ()) == [1, 2, ABSENT, 4]
    assert joined(slots, 0, (1, 2)) == [1, ABSENT, ABSENT, 4]
    assert joined(slots, 1, (0,)) == [5, LOST, ABSENT, 8]
