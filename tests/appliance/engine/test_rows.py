"""Where a step finds its values: in the slots themselves, or in a row for each element."""

from typing import Any

import pytest

from appliance.engine.axes import Axis, Column
from appliance.engine.rows import EachRow, SlotsRow, Value, axis_name
from appliance.engine.wiring import ABSENT, FRAME_SLOT, Wiring


def test_the_slots_are_the_row_of_a_step_that_runs_once() -> None:
    wiring = Wiring()
    row = SlotsRow(wiring)
    slot = wiring.slot("steps.a.x")
    assert (row.value(Value(slot, float)), row.slot(FRAME_SLOT)) == (slot, FRAME_SLOT)
    five, first = row.constant(5), row.position()
    slots = wiring.template({})
    assert (slots[five], slots[first]) == (5, 0.0)
    assert row.each(batch=None) is None


def test_what_is_made_before_the_call_has_a_place_of_its_own() -> None:
    wiring = Wiring()
    row = SlotsRow(wiring)
    place = row.made(lambda _: 7)
    ((built_at, make),) = row.built
    assert (built_at, make([])) == (place, 7)


@pytest.mark.parametrize(
    ("values", "collected"), [([1, ABSENT, 3], (1, 3)), (ABSENT, ABSENT), ([], ())]
)
def test_all_elements_are_collected_before_the_call(values: Any, collected: Any) -> None:
    wiring = Wiring()
    row = SlotsRow(wiring)
    slot, axis = wiring.slot("steps.a.x"), wiring.slot(axis_name("a"))
    row.collected(Value(slot, float, ("a",)), keeps_holes=False)
    ((_, make),) = row.built
    slots = wiring.template({})
    count = len(values) if values is not ABSENT else 0
    slots[slot], slots[axis] = values, Axis([0] * count, [(0, count)])
    assert make(slots) == collected


def test_a_row_for_each_has_a_cell_for_each_value_and_then_what_never_changes() -> None:
    wiring = Wiring()
    row = EachRow(("a", "b"), wiring)
    a, b = wiring.slot(axis_name("a")), wiring.slot(axis_name("b"))
    places = [
        row.value(Value(10, float, ("a", "b"))),
        row.value(Value(11, float, ("a",))),
        row.value(Value(12, float)),
        row.value(Value(10, float, ("a", "b"))),
    ]
    five, six = row.constant(5), row.constant(6)
    each = row.each(batch=(True,))
    assert places == [0, 1, 2, 0]
    assert each.columns == (Column(10, ()), Column(11, (b,)), Column(12, one=True))
    assert (each.axis, each.batch, each.position) == (b, (True,), 0)
    cells = ["x", "y", "z", *each.rest]
    assert (cells[five], cells[six]) == (5, 6)
    assert a != b


def test_what_is_collected_is_a_cell_too() -> None:
    wiring = Wiring()
    row = EachRow(("a", "b"), wiring)
    below = Value(10, float, ("a", "c"))
    other = Value(11, float, ("d",))
    assert row.collected(below, keeps_holes=True) == 0
    assert row.collected(other, keeps_holes=False) == 1
    assert row.each(batch=None).columns == (
        Column(10, (wiring.slot(axis_name("b")),), False, wiring.slot(axis_name("c")), True),
        Column(11, (), True, wiring.slot(axis_name("d")), False),
    )


def test_the_number_of_the_element_has_one_place() -> None:
    row = EachRow(("a",), Wiring())
    row.constant(5)
    place = row.position()
    assert row.position() == place
    each = row.each(batch=None)
    assert (each.position, [*each.rest][place]) == (place, None)
