"""What is written in a file as trees, and what is made of them: at the start, and in every turn."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from appliance.engine.errors import DefinitionError, InputError
from appliance.engine.expressions import ExpressionError, Language
from appliance.engine.plan import load_plan
from appliance.engine.testing import FixedHost, frame
from appliance.engine.values import (
    OPEN,
    Computed,
    Reference,
    as_whole,
    build,
    build_tuple,
    fixed,
    parsed,
    plain_number,
)
from appliance.engine.wiring import ABSENT, LOST
from blocks.block import Manifest, Origin, block

LANGUAGE = Language({"inputs.n": float, "inputs.m": float, "steps.a.x": float}, ["a"])
SLOTS = {"steps.a.x": 0, "frame.captured_at": 1, "inputs.n": 2, "steps.a": 3}


def tree_of(value: Any) -> Any:
    """A tree in which a selector stands for its own name, and an expression for its own names."""

    def resolve(text: str, _path: tuple[str | int, ...]) -> Any:
        if text.startswith("$"):
            return Reference(text[1:])
        expression = LANGUAGE.expression(text[1:])
        arguments = tuple(Reference(name) for name in expression.names)
        return Computed(expression, arguments, expression.presences)

    return parsed(value, resolve)


def made(value: Any, *slots: Any) -> Any:
    """What is made of a written value where `SLOTS` hold these."""
    return build(tree_of(value), SLOTS.__getitem__)([*slots, *[ABSENT] * (4 - len(slots))])


def test_what_stands_for_a_selector_is_asked_with_its_path() -> None:
    asked: list[tuple[str, tuple[str | int, ...]]] = []

    def resolve(text: str, path: tuple[str | int, ...]) -> str:
        asked.append((text, path))
        return "found"

    value = {"a": ["$x", 1], "b": "= y", "c": "$$1", "d": "==", "e": None}
    tree = {"a": ["found", 1], "b": "found", "c": "$1", "d": "=", "e": None}
    assert parsed(value, resolve) == tree
    assert asked == [("$x", ("a", 0)), ("= y", ("b",))]


def test_a_built_value_is_filled_from_the_slots() -> None:
    value = {"n": "$steps.a.x", "list": ["$steps.a.x", 5], "text": "$$1", "k": None}
    assert made(value, 3) == {"n": 3, "list": [3, 5], "text": "$1", "k": None}


@pytest.mark.parametrize("nothing", [ABSENT, LOST])
def test_what_is_absent_is_left_out_of_mappings_and_lists(nothing: Any) -> None:
    value = {"n": "$steps.a.x", "list": ["$steps.a.x", 5], "in": {"n": "$steps.a.x"}}
    assert made(value, nothing) == {"list": [5], "in": {}}
    assert made("$steps.a.x", nothing) is nothing


def test_none_is_not_absent() -> None:
    assert made(["$steps.a.x", None], None) == [None, None]


def test_when_a_frame_was_captured_is_a_time_in_what_is_read_outside() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 250_000, UTC)
    value = {"at": "$frame.captured_at", "n": "$steps.a.x"}
    assert made(value, 7, 1_767_225_600.25) == {"at": moment, "n": 7}
    assert made("$frame.captured_at", 7) is ABSENT


def test_an_expression_is_worked_out_in_every_turn() -> None:
    assert made({"half": "= steps.a.x / 2"}, 5.0) == {"half": 2.5}


def test_an_expression_is_absent_where_one_of_its_values_is() -> None:
    assert made("= steps.a.x + inputs.n", 5.0) is ABSENT
    assert made("= steps.a.x + inputs.n", LOST, 0.0, 1.0) is ABSENT


def test_an_expression_that_asks_whether_a_value_is_there_needs_it_not() -> None:
    assert made("= present(steps.a) ? 1.0 : 2.0", 0.0, 0.0, 0.0, True) == 1.0
    assert made("= present(steps.a) ? 1.0 : 2.0", 0.0, 0.0, 0.0) == 2.0


def test_an_argument_of_an_expression_may_be_a_fixed_value() -> None:
    tree = Computed(LANGUAGE.expression("inputs.n * 2"), (4.0,))
    assert build(tree, SLOTS.__getitem__)([]) == 8.0


@pytest.mark.parametrize(("keeps_holes", "expected"), [(False, (1, 5)), (True, (1, None, 5))])
def test_a_list_of_wires_becomes_a_tuple_with_or_without_holes(
    keeps_holes: bool, expected: tuple[int | None, ...]
) -> None:
    trees = [Reference("steps.a.x"), Reference("inputs.n"), 5]
    make = build_tuple(trees, SLOTS.__getitem__, keeps_holes=keeps_holes)
    assert make([1, ABSENT, ABSENT, ABSENT]) == expected


@pytest.mark.parametrize(("value", "expected"), [(3.0, 3), (ABSENT, ABSENT)])
def test_a_whole_number_is_made_of_a_number(value: Any, expected: Any) -> None:
    make: Callable[[Any], Any] = as_whole(lambda slots: slots[0], "x")
    whole = make([value])
    assert (whole, type(whole)) == (expected, type(expected))


def test_a_number_that_is_not_whole_is_refused_where_a_whole_one_is_taken() -> None:
    with pytest.raises(ExpressionError) as caught:
        as_whole(lambda slots: slots[0], "x / 2")([1.5])
    assert str(caught.value) == "'x / 2' gave 1.5, and a whole number is taken"


def test_inputs_are_put_into_a_setting() -> None:
    tree = tree_of({"a": "$inputs.n", "b": ["$$5", 6, "= inputs.n / 2"]})
    assert fixed(tree, {"n": 3.0}) == {"a": 3.0, "b": ["$5", 6, 1.5]}


def test_a_setting_that_was_worked_out_is_as_it_would_be_written() -> None:
    filled = fixed(tree_of("= inputs.n / 2"), {"n": 6.0})
    assert (filled, type(filled)) == (3, int)
    assert (plain_number(2.5), plain_number("2")) == (2.5, "2")


@pytest.mark.parametrize(
    "value", ["$inputs.n", {"a": "$inputs.n"}, ["$inputs.n", 1], "= inputs.n + inputs.m"]
)
def test_a_setting_is_open_while_one_of_its_inputs_has_no_value(value: Any) -> None:
    assert fixed(tree_of(value), {"m": 1.0}) is OPEN
    assert repr(OPEN) == "OPEN"


def test_an_expression_that_cannot_be_worked_out_with_these_inputs_says_so() -> None:
    tree = Computed(Language({"inputs.s": str}, []).expression("double(inputs.s)"), ("x",))
    with pytest.raises(InputError, match=r"double\(inputs.s\)"):
        fixed(tree, {})


def test_numbers_that_were_worked_out_are_whole_wherever_they_stand() -> None:
    made = plain_number({"a": [2.0, [3.0, 2.5]], "b": {"c": 4.0}, "d": "x"})
    assert repr(made) == "{'a': [2, [3, 2.5]], 'b': {'c': 4}, 'd': 'x'}"


class TagsManifest(Manifest):
    """Whole numbers, alone and in lists."""

    tags: tuple[int, ...] = ()
    by_name: Mapping[str, int] = {}


class Tags(NamedTuple):
    tags: list[int]
    by_name: Mapping[str, int]


@block("tags@1", TagsManifest)
class GiveTags:
    """Gives its settings."""

    def __init__(self, manifest: TagsManifest) -> None:
        self._manifest = manifest

    def run(self) -> Tags:
        return Tags(list(self._manifest.tags), self._manifest.by_name)


@pytest.mark.parametrize(
    "tags", ["'= [inputs.lim, 3]'", "['= inputs.lim', 3]", "[$inputs.lim, '= 1.0 + 2.0']"]
)
def test_a_setting_of_whole_numbers_may_be_worked_out(tags: str) -> None:
    text = f"""version: 1
name: w
inputs: {{lim: {{type: number}}}}
steps: [{{name: a, type: tags@1, tags: {tags}, by_name: "= {{'x': inputs.lim}}"}}]
outputs: {{tags: $steps.a.tags, by_name: $steps.a.by_name}}
"""
    plan = load_plan(text, "w.yaml", {"tags@1": vars(GiveTags)["block_type"]})
    run = plan.start({"lim": 2}, FixedHost(), Origin("", "yard", "gate", ""))
    assert repr(run.turn(frame()).outputs) == "{'tags': [2, 3], 'by_name': {'x': 2}}"
    with pytest.raises(DefinitionError, match="this must be a whole number"):
        plan.start({"lim": 2.5}, FixedHost(), Origin("", "yard", "gate", ""))
