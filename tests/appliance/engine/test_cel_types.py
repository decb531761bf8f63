"""Values in expressions: what they are checked as, what can be asked of them, what results are."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest

from appliance.engine.cel_types import Kinds, blanks, python_value, root
from appliance.engine.expressions import ExpressionError, Language
from blocks.data import Columns, Detections, Image
from tests.appliance.engine.known_values import (
    FOUND,
    KNOWN,
    LANGUAGE,
    PIXELS,
    STEPS,
    ZONES,
    holds,
    value,
)


@pytest.mark.parametrize(
    "text",
    [
        "steps.gate.open",
        "steps.gate.open == true",
        'steps.gate.label == "hé"',
        "size(steps.zones.maybe) == 2",
        "steps.zones.detections.exists(d, d.direction == 'in' && d.dwell_s > 31 && d.inside)",
        "steps.zones.detections[0].turns / 2 == 1.5",
        "steps.zones.maybe[1].direction == 'out'",
        "size(steps.crop.found) == 2",
        "steps.crop.found.all(ds, ds.exists(d, d.direction == 'in'))",
        "steps.crop.images.exists(i, true)",
        "steps.crop.sizes[2] == 3",
        "inputs.site.zones[0] == 1",
        'inputs.site["zones"][1] == 2',
        "inputs.site.none == null",
        "inputs.site.yes",
        "inputs.site.since > 1.7e9",
        "inputs.site.grid[1][0] == 3",
        "inputs.site.boxes.exists(d, d.label == 'car')",
        'steps.gate.label.matches("^h.$")',
    ],
)
def test_a_value_is_what_it_is_in_python(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        (
            "steps.tracks.detections.exists(d, d.lable == 'car')",
            "detections have no field 'lable' (did you mean 'label'?)",
            37,
        ),
        (
            "size(steps.zones.detections) > 3 &&\n steps.zones.detections.all(d, d . dwel_s > 3)",
            "detections have no field 'dwel_s' (did you mean 'dwell_s'?)",
            72,
        ),
        (
            "steps.tracks.detections.exists(d, d.direction == 'in')",
            "detections have no field 'direction' (one of box, confidence, label or tracker_id)",
            37,
        ),
        (
            "has(steps.tracks.detections[0].trackr_id)",
            "detections have no field 'trackr_id' (did you mean 'tracker_id'?)",
            32,
        ),
        (
            "steps.crop.found[0][0].directin == 'in'",
            "detections have no field 'directin' (did you mean 'direction'?)",
            24,
        ),
        (
            "steps.zones.detections[0].direction > 3",
            "this is no condition: '>' does not go with a text and a number",
            37,
        ),
        (
            "steps.tracks.detections[0]['label'] == 'car'",
            "this is no condition: '[_]' does not go with a detection and a text",
            27,
        ),
        (
            "steps.tracks.detections.label == 'car'",
            "this is no condition: a list has no fields "
            "(ask its elements: list.exists(d, d.label == 'x'))",
            24,
        ),
    ],
)
def test_a_field_that_detections_do_not_have_is_refused(
    text: str, message: str, column: int
) -> None:
    found = Language(KNOWN, STEPS)
    with pytest.raises(ExpressionError) as caught:
        found.condition(text)
    assert (str(caught.value), caught.value.column) == (message, column)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps.gate.total", 7.0),
        ("int(steps.gate.total)", 7),
        ("int(steps.gate.total) % 4", 3),
        ("steps.gate.total / 2", 3.5),
        ("size(steps.crop.sizes)", 3.0),
        ("5u", 5),
        ("'a' + frame.camera", "agate"),
        ("'' + string(steps.gate.speed)", "2.5"),
        ("b'ab'", b"ab"),
        ("null", None),
        ("[1, 'a', null, {'k': [true]}]", [1.0, "a", None, {"k": [True]}]),
        ("{'total': steps.gate.total, 'on': [true]}", {"total": 7.0, "on": [True]}),
        ("timestamp('2026-01-01T00:00:00Z')", datetime(2026, 1, 1, tzinfo=UTC)),
        ("duration('90s')", timedelta(seconds=90)),
        ("inputs.site.zones", [1.0, 2.0]),
        ("inputs.site.name", "yard"),
        ("inputs.site.none", None),
        ("steps.tracks.detections.map(d, d.label)", ["person", "car"]),
        (
            "steps.tracks.detections.filter(d, has(d.tracker_id))",
            [
                {
                    "label": "car",
                    "confidence": 0.25,
                    "box": [0.0, 0.0, 2.0, 2.0],
                    "tracker_id": 7.0,
                }
            ],
        ),
        (
            "steps.zones.detections[0]",
            {
                "label": "person",
                "confidence": 0.9,
                "box": [0.0, 0.0, 1.0, 1.0],
                "direction": "in",
                "dwell_s": 31.5,
                "turns": 3.0,
                "inside": True,
                "note": None,
            },
        ),
        ("present(steps.gate) ? 1 : 2", 1.0),
        ("steps.gate.open && present(steps.alarm)", False),
    ],
)
def test_an_expression_gives_plain_python(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("1 < 2", bool),
        ("1", float),
        ("int(1)", int),
        ("'a'", str),
        ("[1]", list),
        ("{'a': 1}", dict),
        ("steps.tracks.detections", list),
        ("steps.tracks.detections[0]", dict),
        ("timestamp('2026-01-01T00:00:00Z')", datetime),
        ("duration('1s')", timedelta),
        ("null", type(None)),
        ("inputs.site.name", Any),
    ],
)
def test_the_type_of_a_result_is_known_before(text: str, annotation: Any) -> None:
    assert LANGUAGE.expression(text).annotation is annotation


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("type(1)", "a type"),
        ("steps.crop.images", "a list"),
        ("steps.crop.images[0]", "an image"),
    ],
)
def test_a_result_that_is_no_plain_value_is_refused(text: str, given: str) -> None:
    said = f"an expression gives numbers, texts and the like; this gives {given}"
    with pytest.raises(ExpressionError, match=said):
        LANGUAGE.expression(text)


@pytest.mark.parametrize("text", ["[type(1)]", "dyn(type(1))", "{'a': [type(1)]}"])
def test_a_type_inside_of_a_result_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="gave"):
        LANGUAGE.expression(text)


def test_columns_that_no_expression_can_name_are_passed_over() -> None:
    columns = Columns(größe=float, box=str, path=list, direction=str)
    language = Language({"steps.a.d": Annotated[Detections, columns]}, ("a",))
    condition = language.condition("steps.a.d[0].direction == 'in' && steps.a.d[0].box[2] == 1")
    assert condition.holds([ZONES]) is True
    with pytest.raises(ExpressionError, match="detections have no field 'path'"):
        language.condition("steps.a.d[0].path == 1")


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("inputs.site", object(), "a value of type object is no number"),
        ("inputs.site", {"a": [PIXELS]}, "a value of type Image is no number"),
        ("inputs.site", "a\0b", "the text has a character of code zero in it"),
        ("frame.camera", "\ud800", "there is half a character (a lone surrogate) in the text"),
        ("frame.camera", None, "nothing is no text"),
        ("steps.gate.total", "7", "a text is no number"),
        ("steps.gate.total", None, "nothing is no number"),
        ("steps.gate.total", 10**400, "int too large to convert to float"),
        ("steps.tracks.detections", PIXELS, "a value of type Image is no detections"),
        ("steps.gate.open", "no", "a text is not true or false"),
        ("steps.gate.open", 1, "a number is not true or false"),
    ],
)
def test_a_value_that_no_expression_can_look_at_is_an_error(
    name: str, given: Any, said: str
) -> None:
    expression = LANGUAGE.expression(name)
    with pytest.raises(ExpressionError) as caught:
        expression.value([given])
    assert str(caught.value) == f"'{name}' cannot look at the value of {name}: {said}"


def test_a_value_that_is_nested_for_ever_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ExpressionError, match="nested deeper than 32 levels"):
        value("inputs.site", inputs__site=endless)


def test_a_key_that_is_no_text_becomes_one() -> None:
    assert value("inputs.site['3']", inputs__site={3: "x"}) == "x"


def test_detections_without_labels_or_ids_are_rows_all_the_same() -> None:
    bare = Detections(FOUND.xyxy, FOUND.confidence, FOUND.class_id, FOUND.tracker_id)
    assert value("steps.tracks.detections[0].label", steps__tracks__detections=bare) == ""
    empty = Detections.empty()
    assert value("steps.tracks.detections", steps__tracks__detections=empty) == []


@pytest.mark.parametrize(
    ("annotation", "running", "structured"),
    [
        (bool, "BOOL", False),
        (int, "DOUBLE", False),
        (float | None, "DOUBLE", False),
        (str, "STRING", False),
        (Any, "DYN", False),
        (float | str, "DYN", False),
        (list[float], "DYN", False),
        (dict[str, float], "DYN", False),
        (Image, "DYN", True),
        (Detections, "LIST", True),
        (tuple[Detections, ...], "LIST", True),
        (list[Image], "LIST", True),
    ],
)
def test_a_value_runs_as_the_type_that_its_annotation_asks_for(
    annotation: Any, running: str, structured: bool
) -> None:
    kind = Kinds().of(annotation)
    assert (root(kind.running), kind.structured) == (running, structured)


def test_detections_of_the_same_columns_are_of_one_message_type() -> None:
    kinds = Kinds()
    plain, further = kinds.of(Detections), kinds.of(Annotated[Detections, Columns(speed=float)])
    again = kinds.of(Annotated[Detections, Columns(speed=float)] | None)
    assert again.checked.name() == further.checked.name() != plain.checked.name()
    assert kinds.fields == {
        "appliance.Image": (),
        "appliance.Detection0": ("label", "confidence", "box", "tracker_id"),
        "appliance.Detection1": ("label", "confidence", "box", "speed", "tracker_id"),
    }


def test_many_detections_are_lists_of_rows_and_many_images_are_blank() -> None:
    kinds = Kinds()
    many = kinds.of(tuple[Detections, ...])
    assert [[row["label"] for row in rows] for rows in many.convert((FOUND, FOUND[[1]]))] == [
        ["person", "car"],
        ["car"],
    ]
    assert kinds.of(tuple[Image, ...]).convert((PIXELS, PIXELS)) == [None, None]
    assert blanks((PIXELS, FOUND, 3)) == [None, None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"ab", b"ab"),
        (bytearray(b"ab"), b"ab"),
        ([1, [b"a", None]], [1, [b"a", None]]),
        ({"a": {True: "x"}}, {"a": {True: "x"}}),
        (timedelta(seconds=3), timedelta(seconds=3)),
    ],
)
def test_a_result_is_taken_apart_to_the_last_value(given: Any, expected: Any) -> None:
    found = python_value(given)
    assert (found, type(found)) == (expected, type(expected))


def test_a_result_that_has_no_form_in_python_is_named_by_its_type() -> None:
    with pytest.raises(TypeError, match="there is a complex in it"):
        python_value([{"a": 1j}])
