"""Annotations as JSON Schema: what may be written for them, and what may not."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from appliance.engine.annotations import INPUT_TYPES, is_of
from appliance.engine.definition import StepSpec
from appliance.engine.json_schema import (
    DEFINITIONS,
    required_settings,
    schema_of_input,
    schema_of_settings,
    schemas_of_input_types,
)
from appliance.engine.validation import strict
from blocks.block import Manifest
from blocks.data import Detections, Image
from blocks.geometry import Line, Point, Polygon


class Side(StrEnum):
    """Which side."""

    LEFT = "left"
    RIGHT = "right"


class DoorManifest(Manifest):
    """A door."""

    side: Side = Field(default=Side.LEFT, description="Where it hangs.")
    open_s: float = Field(gt=0, le=60, description="Seconds it stays open.")
    count: int | None = Field(default=None, ge=1, description="How many.")
    labels: tuple[str, ...] = Field(default=(), description="For whom.")
    table: str = Field(default="doors", pattern="^[a-z]+$", description="Its table.")
    corner: Point = Field(default=(0.0, 0.0), description="A corner.")
    line: Line | None = Field(default=None, description="A line.")
    zone: Polygon | None = Field(default=None, description="A zone.")
    extra: Any = Field(default=None, description="Whatever.")


SETTINGS = schema_of_settings(DoorManifest)


class Case(NamedTuple):
    name: str
    good: tuple[Any, ...]
    bad: tuple[Any, ...]


def fits(schema: dict[str, Any], value: Any) -> bool:
    found = Draft202012Validator({**schema, "$defs": dict(DEFINITIONS)}).is_valid(value)
    assert isinstance(found, bool)
    return found


@pytest.mark.parametrize(
    "case",
    [
        Case("side", ("left", "right"), ("up", 1, None)),
        Case("open_s", (0.5, 60), (0, 61, "5", True)),
        Case("count", (1, None), (0, 1.5, "many")),
        Case("labels", ([], ["a", "$inputs.b"], ["$$5"]), ("a", [1], ["$steps.x.y"], ["$input.b"])),
        Case("table", ("doors",), ("Doors", "")),
        Case("corner", ([0.1, 2], [0, "$inputs.y"]), ([1], [1, 2, 3], ["a", 1], 1)),
        Case("line", ([[0, 0], [1, 1]], [[0, 0], "$inputs.end"]), ([[0, 0]], [0, 1])),
        Case("zone", ([[0, 0], [1, 1], [1, 0]],), ([[0, 0], [1, 1]], {})),
        Case("extra", (None, 1, "x", [{"a": ["$inputs.x", "= 1"]}]), ("$steps.a.b", ["$x"])),
    ],
    ids=lambda case: case.name,
)
def test_a_setting_takes_its_own_values_or_what_stands_for_them(case: Case) -> None:
    schema = SETTINGS[case.name]
    for value in (*case.good, "$inputs.some", "= inputs.some * 2", "${SOME:-1}", "${SOME}"):
        assert fits(schema, value), value
    for value in (*case.bad, "$steps.a.b", "$frame.camera", "$", "=", "$inputs", "$inputs.a.b"):
        assert not fits(schema, value), value


def test_a_setting_tells_its_description_its_default_and_whether_it_must_be_there() -> None:
    assert SETTINGS["open_s"]["description"] == "Seconds it stays open."
    assert "default" not in SETTINGS["open_s"]
    assert SETTINGS["side"]["default"] == "left"
    assert required_settings(DoorManifest) == ["open_s"]


def test_an_enumeration_says_what_it_is_of() -> None:
    (choice,) = [part for part in SETTINGS["side"]["anyOf"] if "enum" in part]
    assert choice["enum"] == ["left", "right"]
    assert choice["description"] == "Which side."


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Image, (), (1, "a picture", None, [], ["$inputs.image"])),
        (Image | None, (None,), (1, "a picture")),
        (tuple[Detections, ...], (["$steps.a.b", "$steps.c.d"],), ([1], ["b"], [])),
        (float, (1, 2.5), ("1", True, None, [1])),
        (tuple[float, ...], ([1, "$steps.a.b"],), (["1"], 1)),
        (str, ("a", "$$a", "==a"), (1, "$a", "$steps.a")),
        (Mapping[str, Any], ({"a": 1, "b": {"c": ["$steps.a.b"]}}, {}), ([], 1, {"a": "$a"})),
        (Any, (1, None, "a", [], {"a": "= 1"}), ("$a", ["$steps.a"])),
        (Point, ([1, 2],), ([1], [1, 2, 3])),
    ],
    # Not `str`: the address of a function in it would differ from process to process.
    ids=["image", "optional", "many", "number", "numbers", "text", "mapping", "any", "point"],
)
def test_an_input_takes_what_can_be_written_of_its_type_or_a_wire(
    annotation: Any, good: tuple[Any, ...], bad: tuple[Any, ...]
) -> None:
    schema = schema_of_input(annotation)
    wires = ("$inputs.a", "$steps.a.b", "$frame.camera", "= steps.a.b + 1", "${SOME:?is missing}")
    for value in (*good, *wires):
        assert fits(schema, value), value
    for value in (*bad, "$frame.colour", "$steps.a.b.c"):
        assert not fits(schema, value), value


def test_an_input_says_in_words_what_it_takes() -> None:
    assert schema_of_input(tuple[Detections, ...])["description"] == "Many detections."


@pytest.mark.parametrize("type_", INPUT_TYPES)
def test_the_default_of_an_input_fits_the_schema_as_it_fits_the_engine(type_: str) -> None:
    schema = schemas_of_input_types()[type_]
    for value in (1, 1.5, "a", True, [1], {"a": 1}, None):
        taken = schema is not None and fits(schema, value)
        assert taken == is_of(value, INPUT_TYPES[type_]), value


@pytest.mark.parametrize("name", ["a", "a_1", "In", "in", "true", "null", "inner", "1a", "a-b", ""])
def test_a_name_fits_the_schema_as_it_fits_the_engine(name: str) -> None:
    try:
        strict(StepSpec, {"name": name, "type": "x@1"})
        taken = True
    except ValueError:
        taken = False
    assert fits({"$ref": "#/$defs/name"}, name) == taken
