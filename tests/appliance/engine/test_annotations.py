"""Python types as the language's: what fits what, what can be written, and what it is called."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from appliance.engine.annotations import (
    INPUT_TYPES,
    bare,
    fits,
    holds_image,
    is_of,
    members,
    optional,
    takes_images,
    words,
    writable,
)
from blocks.data import Detections, Image
from blocks.geometry import Line, Point, Polygon


class Colour(StrEnum):
    RED = "red"


Maybe = float | None


def test_what_stands_behind_a_name_is_found() -> None:
    item = TypeVar("item")
    plain = TypeAliasType("plain", Annotated[int, "mark"])
    several = TypeAliasType("several", list[item], type_params=(item,))
    assert bare(plain) is int
    assert bare(several[str]) == list[str]


def test_what_annotated_adds_is_taken_away() -> None:
    assert bare(Annotated[float, "seconds"]) is float
    assert members(Annotated[Annotated[float, 1] | None, 2]) == (float, type(None))


@pytest.mark.parametrize(
    ("annotation", "expected"), [(float, False), (Maybe, True), (Any, False), (type(None), True)]
)
def test_an_absent_value_fits_what_may_be_none(annotation: Any, expected: bool) -> None:
    assert optional(annotation) is expected


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (float, float),
        (int, float),
        (float, Maybe),
        (Maybe, float),
        (bool, bool),
        (Any, Detections),
        (Any, float),
        (Image, Any),
        (Image, object),
        (Detections, Detections | None),
        (int, int | str),
        (int | str, float | str),
        (dict, Mapping[str, Any]),
        (dict[str, int], Mapping[str, Any]),
        (list, Sequence[float]),
        (list[int], Sequence[float]),
        (tuple[Image, ...], tuple[Image, ...]),
        (tuple[Image, ...], tuple[Any, ...]),
        (Colour, str),
        (Literal["a", "b"], str),
        (str, Literal["a"]),
        (NDArray[np.float32], NDArray[np.float32]),
        (Literal["a", 5], Literal["a", 5]),
        (type(None), float),
    ],
)
def test_these_go_together(source: Any, target: Any) -> None:
    assert fits(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (float, int),
        (bool, float),
        (bool, int),
        (int, bool),
        (str, float),
        (Detections, Image),
        (Image, Detections | None),
        (int | str, float),
        (str, list[str]),
        (str, Sequence[str]),
        (list[str], Sequence[float]),
        (tuple[Image, ...], tuple[Detections, ...]),
        (list, tuple[float, ...]),
        (Image, tuple[Image, ...]),
        (Literal["a", 5], str),
        (str, Colour),
    ],
)
def test_these_do_not_go_together(source: Any, target: Any) -> None:
    assert not fits(source, target)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (float, float),
        (Maybe, float),
        (Detections, None),
        (Image | float, float),
        (Any, Any),
        (list[str], list[str]),
        (list[Image], None),
        (tuple[float, ...], tuple[float, ...]),
        (Mapping[str, float], Mapping[str, float]),
        (dict[str, Detections], None),
        (int | str, int | str),
        (object, None),
        (Literal["a", 5], None),
    ],
)
def test_only_the_writable_part_of_a_type_stands_in_a_file(annotation: Any, expected: Any) -> None:
    assert writable(annotation) == expected


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (5, float),
        (5.5, float),
        (5, int),
        ("x", str),
        (True, bool),
        ([1, 2], list[int]),
        ([1, 2], tuple[float, float]),
        ({"a": 1}, dict),
        ("red", Colour),
        ("a", Literal["a"]),
        (None, Any),
        (5, Image | float),
    ],
)
def test_a_value_of_a_file_is_of_a_type_without_conversion(value: Any, annotation: Any) -> None:
    assert is_of(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("5", float),
        (5.5, int),
        (1, bool),
        (True, int),
        (5, str),
        (None, float),
        ([1, "x"], list[int]),
        ("blue", Colour),
        (5, Image),
        (object(), Any),
    ],
)
def test_a_value_of_another_kind_is_not(value: Any, annotation: Any) -> None:
    assert not is_of(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "holds", "takes"),
    [
        (Image, True, True),
        (Image | None, True, True),
        (Annotated[Image, 5] | float, True, True),
        (tuple[Image, ...], True, True),
        (Mapping[str, list[Image]], True, True),
        (Any, False, True),
        (object, False, True),
        (Mapping[str, Any], False, False),
        (list[float] | None, False, False),
        (Detections, False, False),
    ],
)
def test_a_type_says_whether_images_are_in_it_and_may_be(
    annotation: Any, holds: bool, takes: bool
) -> None:
    assert (holds_image(annotation), takes_images(annotation)) == (holds, takes)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (float, "a number"),
        (int, "a whole number"),
        (bool, "true or false"),
        (str, "a text"),
        (Colour, "a text"),
        (Maybe, "a number or nothing"),
        (int | Annotated[int, 5], "a whole number"),
        (Literal["a", 5], "'a' or '5'"),
        (tuple[Image, ...], "many images"),
        (list[str], "a list"),
        (dict[str, int], "a mapping"),
        (Mapping[str, Any], "a mapping"),
        (Detections, "detections"),
        (Point, "a point [x, y]"),
        (Line, "two points [[x, y], [x, y]]"),
        (Polygon | None, "points [[x, y], [x, y], …] or nothing"),
        (tuple[Annotated[str, {}], ...], "many texts"),
        (Any, "any value"),
        (NDArray[np.float32], "ndarray"),
        ("later", "later"),
    ],
)
def test_types_have_plain_names(annotation: Any, text: str) -> None:
    assert words(annotation) == text


def test_every_declared_kind_of_input_has_a_name() -> None:
    assert {kind: words(annotation) for kind, annotation in INPUT_TYPES.items()} == {
        "image": "an image",
        "number": "a number",
        "integer": "a whole number",
        "string": "a text",
        "boolean": "true or false",
        "list": "a list",
        "object": "a mapping",
        "any": "any value",
    }
