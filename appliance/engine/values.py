"""What is written for a setting, an input or an output: a literal, a selector, an expression.

A written value is taken apart once, into a tree of lists and mappings with references in it. Such a
tree is filled in when a pipeline starts (settings), or in every turn (inputs and outputs).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.engine.errors import InputError
from appliance.engine.expressions import Expression, ExpressionError
from appliance.engine.selectors import is_reference, unescaped
from appliance.engine.wiring import ABSENT, CAPTURED_AT, LOST, Slots

Build = Callable[[Slots], Any]
Path = tuple[str | int, ...]


class Open:
    """Stands for a setting whose inputs have no value yet."""

    def __repr__(self) -> str:
        return "OPEN"


OPEN = Open()


@dataclass(frozen=True, slots=True)
class Reference:
    """A value of the running workflow, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Computed:
    """An expression; `arguments` are trees for its names, `asked` names of what must be present."""

    expression: Expression
    arguments: tuple[Any, ...]
    asked: tuple[str, ...] = ()


def parsed(value: Any, resolve: Callable[[str, Path], Any], path: Path = ()) -> Any:
    """A written value as a tree; `resolve` gives what stands for a selector or an expression."""
    if is_reference(value):
        return resolve(value, path)
    if isinstance(value, dict):
        return {key: parsed(inner, resolve, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [parsed(inner, resolve, (*path, i)) for i, inner in enumerate(value)]
    return unescaped(value) if isinstance(value, str) else value


def fixed(tree: Any, inputs: Mapping[str, Any]) -> Any:
    """A setting with the values of inputs in it; OPEN if one of them has none.

    Raises:
        InputError: an expression cannot be worked out with these inputs.
    """
    if isinstance(tree, Reference):
        return inputs.get(tree.name.removeprefix("inputs."), OPEN)
    if isinstance(tree, Computed):
        return _worked_out(tree, inputs)
    if isinstance(tree, dict):
        filled = {key: fixed(inner, inputs) for key, inner in tree.items()}
        return OPEN if any(v is OPEN for v in filled.values()) else filled
    if isinstance(tree, list):
        items = [fixed(inner, inputs) for inner in tree]
        return OPEN if any(v is OPEN for v in items) else items
    return tree


def _worked_out(tree: Computed, inputs: Mapping[str, Any]) -> Any:
    arguments = [fixed(argument, inputs) for argument in tree.arguments]
    if any(v is OPEN for v in arguments):
        return OPEN
    try:
        return plain_number(tree.expression.value(arguments))
    except ExpressionError as error:
        raise InputError(str(error)) from error


def plain_number(value: Any) -> Any:
    """A setting that was worked out, as it would be written: 3 for 3.0."""
    if isinstance(value, list):
        return [plain_number(inner) for inner in value]
    if isinstance(value, dict):
        return {key: plain_number(inner) for key, inner in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def build(tree: Any, index_of: Callable[[str], int]) -> Build:
    """How to make the value of a tree in a turn; what is absent is left out of it.

    What is made is read outside of the workflow, so that there a time is a time, in UTC.
    """
    if isinstance(tree, Reference):
        index = index_of(tree.name)
        return _time_at(index) if tree.name == CAPTURED_AT else lambda row: row[index]
    if isinstance(tree, Computed):
        return computed(tree, index_of)
    if isinstance(tree, dict):
        parts = [(key, build(inner, index_of)) for key, inner in tree.items()]
        return lambda row: {key: v for key, make in parts if _there(v := make(row))}
    if isinstance(tree, list):
        items = [build(inner, index_of) for inner in tree]
        return lambda row: [v for make in items if _there(v := make(row))]
    return lambda _row: tree


def build_tuple(trees: list[Any], index_of: Callable[[str], int], *, keeps_holes: bool) -> Build:
    """How to make a tuple in a turn: what is absent is left out, or None where holes are kept.

    Inside of the workflow a time is a number.
    """
    items = [_argument(tree, index_of) for tree in trees]
    if keeps_holes:
        return lambda row: tuple([v if _there(v := make(row)) else None for make in items])
    return lambda row: tuple([v for make in items if _there(v := make(row))])


def as_whole(make: Build, text: str) -> Build:
    """How to make a whole number of what gives a number."""

    def whole(row: Slots) -> Any:
        value = make(row)
        if isinstance(value, float) and not value.is_integer():
            raise ExpressionError(f"'{text}' gave {value:g}, and a whole number is taken")
        return int(value) if isinstance(value, float) else value

    return whole


def computed(tree: Computed, index_of: Callable[[str], int]) -> Build:
    """How to work out an expression in a turn; absent if one of its values is."""
    expression = tree.expression
    needed = [_argument(argument, index_of) for argument in tree.arguments]
    asked = [index_of(name) for name in tree.asked]

    def work_out(row: Slots) -> Any:
        values: list[Any] = [make(row) for make in needed]
        if not all(_there(value) for value in values):
            return ABSENT
        return expression.value(values + [_there(row[i]) for i in asked])

    return work_out


def _argument(tree: Any, index_of: Callable[[str], int]) -> Build:
    """Like `build`, but that within an expression a time is a number."""
    if not isinstance(tree, Reference):
        return build(tree, index_of)
    index = index_of(tree.name)
    return lambda row: row[index]


def _time_at(index: int) -> Build:
    def time(row: Slots) -> Any:
        value = row[index]
        return datetime.fromtimestamp(value, UTC) if _there(value) else value

    return time


def _there(value: Any) -> bool:
    return value is not ABSENT and value is not LOST
