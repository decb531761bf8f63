"""Values by number, and values of a file that are made anew in every turn."""

from datetime import UTC, datetime

import pytest

from appliance.engine.wiring import (
    ABSENT,
    FRAME_SLOT,
    Wiring,
    is_open,
    literal,
    selectors_in,
)


def test_a_name_has_one_number_and_a_constant_its_own() -> None:
    wiring = Wiring()
    first = wiring.slot("steps.a.x")
    assert wiring.slot("steps.a.x") == first != FRAME_SLOT
    assert len({wiring.constant(5), wiring.constant(5), first}) == 3


def test_a_template_holds_constants_and_what_is_given_for_names_in_use() -> None:
    wiring = Wiring()
    five, number = wiring.constant(5), wiring.slot("inputs.a")
    other = wiring.slot("steps.a.x")
    slots = wiring.template({"inputs.a": 7, "inputs.unused": 8})
    assert (slots[five], slots[number], slots[other]) == (5, 7, ABSENT)
    slots[five] = "changed"
    assert wiring.template({})[five] == 5


def test_the_names_under_a_root_are_those_in_use() -> None:
    wiring = Wiring()
    camera, image = wiring.slot("frame.camera"), wiring.slot("inputs.image")
    assert wiring.named("frame") == {"camera": camera}
    assert wiring.named("inputs") == {"image": image}


def test_a_built_value_is_filled_from_the_slots() -> None:
    wiring = Wiring()
    build = wiring.build({"n": "$steps.a.x", "list": ["$steps.a.x", 5], "text": "$$1", "k": None})
    slots = wiring.template({"steps.a.x": 3})
    assert build(slots) == {"n": 3, "list": [3, 5], "text": "$1", "k": None}


def test_what_is_absent_is_left_out_of_mappings_and_lists() -> None:
    wiring = Wiring()
    build = wiring.build({"n": "$steps.a.x", "list": ["$steps.a.x", 5], "in": {"n": "$steps.a.x"}})
    assert build(wiring.template({})) == {"list": [5], "in": {}}
    assert wiring.build("$steps.a.x")(wiring.template({})) is ABSENT


def test_when_a_frame_was_captured_is_a_time_in_what_is_read_outside() -> None:
    wiring = Wiring()
    build = wiring.build({"at": "$frame.captured_at", "number": "$frame.sequence"})
    slots = wiring.template({"frame.captured_at": 1_767_225_600.25, "frame.sequence": 7})
    moment = datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC)
    assert build(slots) == {"at": moment, "number": 7}


def test_none_is_not_absent() -> None:
    wiring = Wiring()
    build = wiring.build(["$inputs.a", None])
    assert build(wiring.template({"inputs.a": None})) == [None, None]


def test_selectors_are_found_with_their_paths() -> None:
    value = {"a": "$x", "b": ["c", {"d": "$y"}], "e": "$$z", "f": 5}
    assert list(selectors_in(value)) == [(("a",), "$x"), (("b", 1, "d"), "$y")]
    assert list(selectors_in("$x", ("at",))) == [(("at",), "$x")]


def test_inputs_are_put_into_a_setting_where_they_have_a_value() -> None:
    value = {"a": "$inputs.n", "b": ["$inputs.other", "$$5", 6]}
    assert literal(value, {"n": 3}) == {"a": 3, "b": ["$inputs.other", "$5", 6]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("$inputs.a", False), ("$inputs.b", True), ("$$inputs.b", False), ("text", False), (5, False)],
)
def test_a_setting_is_open_while_its_input_has_no_value(value: object, expected: bool) -> None:
    assert is_open(value, {"a": None}) is expected
