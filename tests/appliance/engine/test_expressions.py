"""Expressions: what they mean, what is refused with its column, and that an error is never true."""

import resource
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from appliance.engine.expressions import LONGEST, Expression, ExpressionError, Language
from blocks.data import Columns, Detections, Image

KNOWN: dict[str, Any] = {
    "steps.gate.total": int,
    "steps.gate.speed": float | None,
    "steps.gate.label": Literal["hé", "ho"],
    "steps.gate.open": bool,
    "steps.gate.longest_s": float,
    "steps.tracks.detections": Detections,
    "steps.zones.detections": Annotated[
        Detections, Columns(direction=str, dwell_s=float, turns=int, inside=bool)
    ],
    "steps.zones.maybe": Annotated[Detections, Columns(direction=str)] | None,
    "steps.crop.image": Image,
    "steps.crop.images": tuple[Image, ...],
    "steps.crop.sizes": list[float],
    "steps.crop.found": tuple[Annotated[Detections, Columns(direction=str)], ...],
    "inputs.site": Any,
    "inputs.bar": float,
    "frame.camera": str,
    "frame.captured_at": float,
    "frame.sequence": int,
}
STEPS = ("gate", "tracks", "zones", "crop", "alarm")
BOXES = [[0, 0, 1, 1], [0, 0, 2, 2]]
FOUND = Detections.of(BOXES, confidence=[0.9, 0.25], label=["person", "car"], tracker_id=[-1, 7])
ZONES = Detections(
    FOUND.xyxy,
    FOUND.confidence,
    FOUND.class_id,
    FOUND.tracker_id,
    data={
        "label": FOUND.label,
        "direction": np.array(["in", "out"]),
        "dwell_s": np.array([31.5, 2.0], np.float32),
        "turns": np.array([3, 0]),
        "inside": np.array([True, False]),
        "path": np.zeros((2, 5)),
        "note": np.array([None, 4], object),
    },
)
PIXELS = Image.from_bgr(np.zeros((2, 2, 3), np.uint8))
VALUES: dict[str, Any] = {
    "steps.gate.total": 7,
    "steps.gate.speed": np.float32(2.5),
    "steps.gate.label": "hé",
    "steps.gate.open": np.True_,
    "steps.gate.longest_s": 30.25,
    "steps.tracks.detections": FOUND,
    "steps.zones.detections": ZONES,
    "steps.zones.maybe": ZONES,
    "steps.crop.images": (PIXELS, PIXELS),
    "steps.crop.sizes": [1, 2, 3],
    "steps.crop.found": (ZONES, ZONES[[0]]),
    "inputs.site": {
        "zones": [1, 2],
        "name": "yard",
        "size": 4,
        "none": None,
        "yes": np.True_,
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "grid": np.array([[1, 2], [3, 4]]),
        "mixed": [{"on": True}, {"on": "x"}, {}],
        "exists": 1,
        "boxes": FOUND,
        "a-b": 5,
    },
    "inputs.bar": 0.5,
    "frame.camera": "gate",
    "frame.captured_at": 1.5,
    "frame.sequence": 12,
}
PRESENT = ("steps.gate", "steps.crop.image", "inputs.bar")
LANGUAGE = Language(KNOWN, STEPS)


def values_of(expression: Expression, given: Mapping[str, Any] = VALUES) -> list[Any]:
    asked = [name in PRESENT for name in expression.presences]
    return [given[name] for name in expression.names] + asked


def holds(text: str) -> bool:
    condition = LANGUAGE.condition(text)
    return condition.holds(values_of(condition))


def value(text: str, **given: Any) -> Any:
    named = {name.replace("__", "."): v for name, v in given.items()}
    expression = LANGUAGE.expression(text)
    return expression.value(values_of(expression, VALUES | named))


def refused(text: str, item: Any = None) -> tuple[str, int]:
    with pytest.raises(ExpressionError) as caught:
        LANGUAGE.condition(text, item)
    return str(caught.value), caught.value.column


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "steps.gate.total == 7",
        "steps.gate.total / 2 == 3.5",
        "steps.gate.total / 12 > 0.58 && steps.gate.total / 12 < 0.59",
        "steps.gate.longest_s > 30",
        "steps.gate.total > 3.5 && steps.gate.speed < 3",
        "-steps.gate.total < -6",
        "1e1 > steps.gate.total",
        ".5 < 1",
        "steps . gate . total > 1",
        ".steps.gate.total > 1 && .frame.sequence == 12",
        "steps.gate.open",
        "steps.gate.open == true",
        'steps.gate.label == "hé"',
        'frame.camera in ["gate", "yard"]',
        "3 in steps.crop.sizes",
        "steps.crop.sizes == [1, 2, 3]",
        "2 in [1, 2]",
        "size(steps.tracks.detections) == 2",
        "steps.tracks.detections.size() == 2",
        "size(steps.tracks.detections) == 2 && steps.tracks.detections[0].label == 'person'",
        "size(steps.zones.maybe) == 2",
        "size (steps.crop.sizes) == 3",
        "size(size(steps.gate.label) == 2 ? [1, 2, 3] : [1]) == 3",
        "steps.crop.sizes.size() == 3",
        'steps.tracks.detections.filter(d, d.label == "person").size() == 1',
        "steps.crop.sizes.map(x, x + 1).filter(y, y > 2).size() == 2",
        "(steps.crop.sizes).size() == 3",
        "[steps.crop.sizes, [1]][0].size() == 3",
        "[[1, 2]][0].map(x, x)[1] == 2",
        "3 == {'a': 1, 'b': 2, 'c': 3}.size()",
        "{1: 'a', 2: 'b'}[2] == 'b'",
        'steps.tracks.detections.exists(d, d.label == "car" && d.confidence < 0.5)',
        "steps.tracks.detections.all(d, d.box[0] == 0)",
        "!steps.tracks.detections.all(d, d.label == 'car' || d.box[2] > 5)",
        "steps.tracks.detections.exists_one(d, d.confidence >= 0.9)",
        "steps.tracks.detections.exists(d, has(d.tracker_id) && d.tracker_id == 7)",
        "steps.zones.detections.exists(d, d.direction == 'in' && d.dwell_s > 31 && d.inside)",
        "steps.zones.detections[0].turns / 2 == 1.5",
        "steps.zones.maybe[1].direction == 'out'",
        "size(steps.crop.found) == 2",
        "steps.crop.found.all(ds, ds.exists(d, d.direction == 'in'))",
        "size(steps.crop.images) == 2",
        "steps.crop.images.size() > 1",
        "steps.crop.images.exists(i, true)",
        "steps.crop.sizes[2] == 3",
        "inputs.site.zones[0] == 1",
        'inputs.site["zones"][1] == 2',
        "inputs.site.size > (3 - 1)",
        "inputs.site.none == null",
        "inputs.site.yes",
        "inputs.site.since > 1.7e9",
        "inputs.site.grid[1][0] == 3",
        "inputs.site.exists == 1",
        "inputs.site.boxes.exists(d, d.label == 'car')",
        "inputs.site.`a-b` == 5",
        "has(inputs.site.name) && !has(inputs.site.nothing)",
        "double(int(steps.gate.total) % 2) == 1",
        "steps.gate.total == 7 // its size( is 3 and it's [ || {",
        "// steps.nothing.here\n steps.gate.open",
        "1 // ends with a dot.\n < steps.gate.total",
        '"size(3) // [" == "size(3) // ["',
        '"a || b, c ? d : e" == "a || b, c ? d : e" && true',
        '"\\"3" == "\\"3" && \'\\\'\' == "\'"',
        'r"\\d3" == "\\\\d3"',
        'b"3" == b"3"',
        '"""a "3" b""" == "a \\"3\\" b"',
        "'''3''' == \"3\"",
        'steps.gate.label.matches("^h.$")',
        '{"a": 1}.a == 1 && [1][0] == 1',
        "present(steps.gate) && !present(steps.alarm)",
        "present ( steps . crop\n.image )==true",
        "present(inputs.bar) ? inputs.bar == 0.5 : false",
        "!present(steps.gate.total) || size('') == 0",
        "[1, 2].exists(item, item == 2) && [3].all(index, index > 2)",
        "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')",
    ],
)
def test_it_holds(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize("text", ["false", "steps.gate.total > 7", "!steps.gate.open", "1 in [2]"])
def test_it_does_not_hold(text: str) -> None:
    assert holds(text) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs.site.missing", 'gave NOT_FOUND: Key not found in map : "missing"'),
        ("!inputs.site.missing", 'gave NOT_FOUND: Key not found in map : "missing"'),
        ("inputs.site.missing > 3", 'gave NOT_FOUND: Key not found in map : "missing"'),
        ("inputs.site.missing && steps.gate.open", "NOT_FOUND"),
        ("inputs.site.name ? true : false", "gave UNKNOWN: No matching overloads found"),
        ("inputs.site.name", "gave yard"),
        ("inputs.site.zones", "gave [1.0, 2.0]"),
        ("inputs.site.none", "gave None"),
        ("steps.crop.sizes[9] == 1", "Index error: index=9 size=3"),
        ("steps.gate.label.matches('(')", "invalid regular expression"),
    ],
)
def test_an_error_or_a_value_of_another_kind_is_never_true(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        holds(text)
    assert str(caught.value).startswith(f"'{text}' gave ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "inputs.site.off || true",
        "!(inputs.site.off && false)",
        "inputs.site.off == 1 || inputs.site.off == 2 || steps.gate.open",
        "(steps.gate.total > 100 || inputs.site.off) || steps.gate.open",
        "!(steps.gate.open && inputs.site.off && false)",
        "false ? true : inputs.site.off || true",
        "[inputs.site.off || true][0]",
        "{'a': inputs.site.off || true}.a",
        "inputs.site.mixed.exists(m, m.on)",
        "!inputs.site.mixed.all(m, m.on == 'nothing')",
        "steps.tracks.detections.exists(d, d.tracker_id == 7)",
        "steps.tracks.detections.exists(d, d.label == 'car' || d.tracker_id == 7)",
        "!steps.tracks.detections.all(d, d.tracker_id == 8 && false)",
        "inputs.site.name || true",
        "(steps.gate.open && inputs.site.name) == inputs.site.name",
    ],
)
def test_what_is_missing_is_not_made_up_for_by_what_stands_beside_it(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"Key not found|No matching overloads|gave yard"):
        holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "true || inputs.site.missing",
        "!(false && inputs.site.missing)",
        "true ? true : inputs.site.missing",
        "!has(inputs.site.off) || inputs.site.off",
        "steps.tracks.detections.all(d, !has(d.tracker_id) || d.tracker_id == 7)",
    ],
)
def test_what_is_decided_from_the_left_asks_no_further(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize("operator", ["||", "&&"])
def test_a_long_row_does_not_nest_deeply(operator: str) -> None:
    row = f" {operator} ".join(f"steps.gate.total == {i}" for i in range(200))
    assert holds(row) is (operator == "||")


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "this is no condition: it ends too early", 1),
        ("steps.gate.total >", "this is no condition: it ends too early", 19),
        ("size(", "this is no condition: it ends too early", 6),
        (
            "steps.gate.open &&\n $steps.gate.total > 0 && $frame.camera != '$frame.x'",
            "in a condition names have no dollar: "
            "steps.gate.open && steps.gate.total > 0 && frame.camera != '$frame.x'",
            21,
        ),
        ("$inputs.site", "in a condition names have no dollar: inputs.site", 1),
        ("{{ steps.gate.open }}", "a condition needs no braces: steps.gate.open", 1),
        ("${{ steps.gate.open }}", "a condition needs no braces: steps.gate.open", 1),
        (" ${inputs.site}", "a condition needs no braces: inputs.site", 1),
        ("steps.gate.total > 3)", "this is no condition: extraneous input ')'", 21),
        ("3 == 3 and true", "this is no condition: mismatched input 'and' (write && for and)", 8),
        ("3 == 3 or true", "this is no condition: mismatched input 'or' (write || for or)", 8),
        ("3 == 3 AND true", "this is no condition: mismatched input 'AND' (write && for and)", 8),
        (
            "true & false",
            "this is no condition: token recognition error at: '& ' (write && for and)",
            6,
        ),
        (
            "true ? 2 : 'a'",
            "this is no condition: '?_:' does not go with true or false and a number and a text "
            "(both sides of ? : are of one type)",
            6,
        ),
        (
            "steps.gate.total = 3",
            "this is no condition: token recognition error at: '= ' (write == to compare)",
            18,
        ),
        ('frame.camera == "gate', "this is no condition: token recognition error at: '\"gate'", 17),
        (
            "steps.gate.totl > 3",
            "unknown name 'steps.gate.totl' (did you mean 'steps.gate.total'?)",
            1,
        ),
        ("true && steps.gate", "unknown name 'steps.gate' (did you mean 'steps.gate.open'?)", 9),
        ("total > 3", "unknown name 'total' (names begin with inputs, steps or frame)", 1),
        ("3 > 2 && nope(3)", "unknown name 'nope' (names begin with inputs, steps or frame)", 14),
        ("present_0", "unknown name 'present_0'", 1),
        (
            "3 > 2 && 3 > 'x'",
            "this is no condition: '>' does not go with a number and a text",
            12,
        ),
        ("!steps.gate.total", "this is no condition: '!' does not go with a number", 1),
        (
            "int(steps.gate.total) == 3",
            "this is no condition: '==' does not go with a whole number and a number "
            "(write double(…) around the whole number)",
            23,
        ),
        (
            "size(steps.gate.total) == 1",
            "this is no condition: 'size' does not go with a number",
            5,
        ),
        (
            "[1] == {'a': 1}",
            "this is no condition: '==' does not go with a list and a mapping",
            5,
        ),
        (
            "steps.gate.total.exists(x, true)",
            "this is no condition: expression of type 'double' cannot be the range of a "
            "comprehension (must be list, map, or dynamic)",
            11,
        ),
        (
            "steps.crop.found[steps.gate.total].size() == 1",
            "this is no condition: '[_]' does not go with a list and a number "
            "(an index is a whole number: x[int(i)])",
            17,
        ),
        (
            "steps.gate.total != null",
            "this is no condition: '!=' does not go with a number and nothing "
            "(present(…) asks whether there is a value)",
            18,
        ),
        ("steps.gate.total + 1", "a condition is true or false; this gives a number", 1),
        ("frame.camera", "a condition is true or false; this gives a text", 1),
        ("[true]", "a condition is true or false; this gives a list", 1),
        ("null", "a condition is true or false; this gives nothing", 1),
        ("duration('3s')", "a condition is true or false; this gives a duration", 1),
        ("steps.tracks.detections[0]", "a condition is true or false; this gives a detection", 1),
        ("steps.crop.image", "'steps.crop.image' is an image: a condition cannot look at it", 1),
        ("steps.crop.images[0].width > 3", "an image has no field 'width'", 22),
        (
            "steps.gate.total % 2 == 0",
            "this is no condition: '%' does not go with a number and a whole number "
            "(whole numbers only: double(int(x) % 2))",
            18,
        ),
        (
            "3 > 2 && has(steps.gate.open)",
            "has() asks for a key inside of a value; 'steps.gate.open' is a value that is there "
            "whenever this step runs",
            14,
        ),
        ("3 > 2\n&& nope", "unknown name 'nope' (names begin with inputs, steps or frame)", 10),
        ("'é' == 'é' &&\n\n 1 == 1 && nope", "unknown name 'nope' "
         "(names begin with inputs, steps or frame)", 27),
        (
            "(" * 40 + "true" + ")" * 40,
            "this is no condition: it is nested deeper than 32 levels: "
            "write it flatter, or in several steps",
            1,
        ),
        (
            "1" + " + 1" * 40 + " > 3",
            "this is no condition: it is nested deeper than 32 levels: "
            "write it flatter, or in several steps",
            1,
        ),
        ("[1][3] == 1", "'[1][3] == 1' gave UNKNOWN: Index error: index=3 size=1", 1),
        ("'\ud800' == ''", "there is half a character (a lone surrogate) in this condition", 1),
        ("x" * (LONGEST + 1), "a condition has at most 10,000 characters", 1),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_column(text: str, message: str, column: int) -> None:
    assert refused(text) == (message, column)


HOW = "present() asks for a step, an output or an input, as in present(steps.gate)"
NO_VALUE = "present is no value: ask it of something, as in present(steps.gate)"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("true && present", NO_VALUE, 9),
        ("present == true", NO_VALUE, 1),
        ("present.steps.gate", NO_VALUE, 1),
        ("present[0]", NO_VALUE, 1),
        ("[true].all(present, true)", NO_VALUE, 12),
        ("present()", HOW, 9),
        ("present(", NO_VALUE, 1),
        ("present(3)", HOW, 9),
        ("present('steps.gate')", HOW, 9),
        ("present(steps)", HOW, 9),
        ("present(frame.camera)", HOW, 9),
        ("present(steps.gate.total.more)", HOW, 9),
        ("present(inputs.site.name)", HOW, 9),
        ("present(!steps.gate)", HOW, 9),
        ("present($steps.gate)", HOW, 9),
        ("present(steps.gate, steps.tracks)", HOW, 9),
        ("true || present(steps.gat)", "there is no step 'gat' (did you mean 'gate'?)", 9),
        (
            "present(steps.gate.totl)",
            "unknown name 'steps.gate.totl' (did you mean 'steps.gate.total'?)",
            1,
        ),
        ("present(inputs.bat)", "unknown name 'inputs.bat' (did you mean 'inputs.bar'?)", 1),
        (
            "present(steps.gate).total > 3",
            "this is no condition: true or false has no fields",
            20,
        ),
        (
            "present(steps.gate) && 1 > 'x'",
            "this is no condition: '>' does not go with a number and a text",
            26,
        ),
    ],
)
def test_present_is_asked_of_a_step_an_output_or_an_input(
    text: str, message: str, column: int
) -> None:
    assert refused(text) == (message, column)


def test_what_is_only_asked_to_be_present_is_no_value_that_is_needed() -> None:
    text = (
        "present(steps.gate) && present(steps.crop.image) && inputs.bar > 0 || present(inputs.bar)"
    )
    condition = LANGUAGE.condition(text)
    assert condition.names == ("inputs.bar",)
    assert condition.presences == ("steps.gate", "steps.crop.image", "inputs.bar")
    assert condition.holds([0.5, True, True, False]) is True
    assert condition.holds([0.5, True, False, False]) is False


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


def test_an_expression_is_called_so_in_what_is_said_of_it() -> None:
    with pytest.raises(ExpressionError, match="in an expression names have no dollar"):
        LANGUAGE.expression("$inputs.bar")
    with pytest.raises(ExpressionError, match="this is no expression: it ends too early"):
        LANGUAGE.expression("1 +")
    with pytest.raises(ExpressionError, match="this is no expression: Unsupported map key type"):
        LANGUAGE.expression("{1.5: 2}")


def test_what_names_nothing_has_one_value_for_ever() -> None:
    assert LANGUAGE.expression("1 + 2").constant == 3.0
    assert LANGUAGE.condition("1 > 2").constant is False
    assert LANGUAGE.expression("inputs.bar").constant is None
    assert LANGUAGE.condition("present(steps.gate)").constant is None


def test_each_value_and_presence_is_named_once() -> None:
    text = "steps.gate.total > 1 && inputs.site.zones[0] < steps.gate.total"
    assert LANGUAGE.condition(text).names == ("steps.gate.total", "inputs.site")
    assert LANGUAGE.names(f"present(steps.gate) && {text} || present(steps.gate)") == (
        ("steps.gate.total", "inputs.site"),
        ("steps.gate",),
    )


def test_names_are_read_from_what_does_not_compile() -> None:
    text = "steps.later.total + 'x' > inputs.none.a.b && item.box[index] . steps . size("
    assert Language({}, ()).names(text) == (
        ("steps.later.total", "inputs.none", "item", "index"),
        (),
    )


@pytest.mark.parametrize("text", ["$steps.a.b", "present(3)", "present(steps.a)", "{{ 3 }}"])
def test_names_are_refused_where_they_say_nothing(text: str) -> None:
    with pytest.raises(ExpressionError):
        Language({}, ()).names(text)


def test_names_in_texts_and_comments_are_none() -> None:
    text = "'steps.a.b' + \"inputs.c\" + `steps.d.e` // present(steps.f) item"
    assert LANGUAGE.names(text) == ((), ())


def test_columns_that_no_expression_can_name_are_passed_over() -> None:
    columns = Columns(größe=float, box=str, path=list, direction=str)
    language = Language({"steps.a.d": Annotated[Detections, columns]}, ("a",))
    condition = language.condition("steps.a.d[0].direction == 'in' && steps.a.d[0].box[2] == 1")
    assert condition.holds([ZONES]) is True
    with pytest.raises(ExpressionError, match="detections have no field 'path'"):
        language.condition("steps.a.d[0].path == 1")


ITEMS: Sequence[tuple[str, Any, Any]] = (
    ("item > 3 && index == 2", float, 4),
    ("item == 'x' && index > 1", str, "x"),
    ("item.exists(d, d.direction == 'in')", Annotated[Detections, Columns(direction=str)], ZONES),
    ("size(item) == 2 && item[0].label == 'person'", Detections, FOUND),
    ("item.on", Any, {"on": True}),
    ("[9].exists(item, item == 9) && item == 4", float, 4),
)


@pytest.mark.parametrize(("text", "annotation", "element"), ITEMS)
def test_a_step_that_runs_once_for_each_sees_its_element(
    text: str, annotation: Any, element: Any
) -> None:
    condition = LANGUAGE.condition(text, annotation)
    given = {"item": element, "index": 2}
    assert condition.holds([given[name] for name in condition.names]) is True


def test_elements_of_different_types_do_not_mix() -> None:
    language = Language(KNOWN, STEPS)
    assert language.condition("item > 3", float).holds([4]) is True
    assert language.condition("item > 'a'", str).holds(["b"]) is True
    assert language.condition("item > 3", float).holds([4]) is True
    with pytest.raises(ExpressionError, match="'>' does not go with a text and a number"):
        language.condition("item > 3", str)


@pytest.mark.parametrize(
    ("text", "item", "message", "column"),
    [
        ("true && item > 3", None, "'item' is known only in a step that runs once for each", 9),
        ("index > 3", None, "'index' is known only in a step that runs once for each", 1),
        ("item.x", Image, "item is an image: a condition cannot look at it", 1),
        ("item == 3", Image | None, "item is an image: a condition cannot look at it", 1),
        (
            "item[0].lable == 'x'",
            Detections,
            "detections have no field 'lable' (did you mean 'label'?)",
            9,
        ),
    ],
)
def test_an_element_is_refused_where_there_is_none_to_look_at(
    text: str, item: Any, message: str, column: int
) -> None:
    assert refused(text, item) == (message, column)


def test_a_step_over_images_may_look_at_their_index() -> None:
    assert LANGUAGE.condition("index < 3", Image).holds([2]) is True


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("inputs.site", object(), "a value of type object is no number"),
        ("inputs.site", {"a": [PIXELS]}, "a value of type Image is no number"),
        ("inputs.site", "a\0b", "the text has a character of code zero in it"),
        ("frame.camera", "\ud800", "there is half a character (a lone surrogate) in the text"),
        ("frame.camera", None, "nothing is no text"),
        ("steps.gate.total", "7", "'7' is no number"),
        ("steps.gate.total", None, "nothing is no number"),
        ("steps.gate.total", 10**400, "int too large to convert to float"),
        ("steps.tracks.detections", PIXELS, "a value of type Image is no detections"),
        ("steps.gate.open", "no", "'no' is not true or false"),
        ("steps.gate.open", 1, "1 is not true or false"),
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


def test_loops_within_loops_have_a_budget() -> None:
    text = "inputs.site.map(a, inputs.site.map(b, inputs.site.map(c, inputs.site.map(d, a))))"
    with pytest.raises(ExpressionError, match="Iteration budget exceeded"):
        value(text, inputs__site=[0] * 60)


def test_a_key_that_is_no_text_becomes_one() -> None:
    assert value("inputs.site['3']", inputs__site={3: "x"}) == "x"


def test_detections_without_labels_or_ids_are_rows_all_the_same() -> None:
    bare = Detections(FOUND.xyxy, FOUND.confidence, FOUND.class_id, FOUND.tracker_id)
    assert value("steps.tracks.detections[0].label", steps__tracks__detections=bare) == ""
    empty = Detections.empty()
    assert value("steps.tracks.detections", steps__tracks__detections=empty) == []


def test_what_becomes_known_later_is_known() -> None:
    known: dict[str, Any] = {"inputs.a": float}
    language = Language(known, ())
    assert language.condition("inputs.a > 1").holds([2])
    known["inputs.b"] = str
    assert language.condition("inputs.b > 'a'").holds(["b"])


@pytest.mark.parametrize(
    "text",
    ["size(" * 1900, ".size()" * 1400, "(" * 9999, '"""' * 3333, "a||" * 3333, "present(" * 1200],
)
def test_a_hostile_text_is_refused_in_no_time(text: str) -> None:
    assert refused(text)[0].startswith(("this is no condition", "unknown name", "present is no"))


def test_working_out_keeps_no_memory() -> None:
    texts = ("steps.gate.total > 3", "frame.camera + 'x' == 'y'", "inputs.site.missing > 3")
    conditions = [LANGUAGE.condition(text) for text in texts]
    pairs = [(condition, values_of(condition)) for condition in conditions]

    def work(times: int) -> None:
        for _ in range(times):
            for condition, values in pairs:
                try:
                    condition.holds(values)
                except ExpressionError:
                    continue

    work(2_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work(33_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_192  # KiB
