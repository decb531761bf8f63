"""Conditions: what they mean, what is refused with its column, and that an error is never true."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.engine.expressions import LONGEST, ExpressionError, compile_condition
from blocks.data import Detections, Image

KNOWN: dict[str, Any] = {
    "steps.gate.total": int,
    "steps.gate.speed": float | None,
    "steps.gate.label": str,
    "steps.gate.open": bool,
    "steps.tracks.detections": Detections,
    "steps.crop.image": Image,
    "steps.crop.sizes": list[float],
    "inputs.site": Any,
    "frame.camera": str,
}
VALUES: dict[str, Any] = {
    "steps.gate.total": 7,
    "steps.gate.speed": np.float32(2.5),
    "steps.gate.label": "hé",
    "steps.gate.open": np.True_,
    "steps.tracks.detections": Detections.of(
        [[0, 0, 1, 1], [0, 0, 2, 2]], confidence=[0.9, 0.25], label=["person", "car"]
    ),
    "steps.crop.sizes": [1, 2, 3],
    "inputs.site": {"zones": [1, 2], "name": "yard", "size": 4, "none": None, "yes": np.True_},
    "frame.camera": "gate",
}


def holds(text: str) -> bool:
    condition = compile_condition(text, KNOWN)
    return condition.holds(tuple(VALUES[name] for name in condition.names))


def refused(text: str) -> tuple[str, int]:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text, KNOWN)
    return str(caught.value), caught.value.column


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "steps.gate.total == 7",
        "steps.gate.total / 2 == 3.5",
        "steps.gate.total > 3.5 && steps.gate.speed < 3",
        "-steps.gate.total < -6",
        "1e1 > steps.gate.total",
        ".5 < 1",
        "steps . gate . total > 1",
        "steps.gate.open",
        "steps.gate.open == true",
        'steps.gate.label == "hé"',
        'frame.camera in ["gate", "yard"]',
        "3 in steps.crop.sizes",
        "steps.crop.sizes == [1, 2, 3]",
        "2 in [1, 2]",
        "size(steps.tracks.detections) == 2",
        "size (steps.crop.sizes) == 3",
        "size(size(steps.gate.label) == 2 ? [1, 2, 3] : [1]) == 3",
        "steps.crop.sizes.size() == 3",
        'steps.tracks.detections.filter(d, d.label == "person").size() == 1',
        "steps.crop.sizes.map(x, x + 1).filter(y, y > 2).size() == 2",
        "(steps.crop.sizes).size() == 3",
        "[steps.crop.sizes, [1]][0].size() == 3",
        "[[1, 2]][0].map(x, x)[1] == 2",
        "3 == {'a': 1, 'b': 2, 'c': 3}.size()",
        'steps.tracks.detections.exists(d, d.label == "car" && d.confidence < 0.5)',
        "steps.tracks.detections.all(d, d.box[0] == 0)",
        "steps.crop.sizes[2] == 3",
        "inputs.site.zones[0] == 1",
        'inputs.site["zones"][1] == 2',
        "inputs.site.size > (3 - 1)",
        "inputs.site.none == null",
        "inputs.site.yes",
        "has(inputs.site.name) && !has(inputs.site.nothing)",
        "double(int(steps.gate.total) % 2) == 1",
        "steps.gate.total == 7 // its size( is 3 and it's [",
        "// steps.nothing.here\n steps.gate.open",
        "1 // ends with a dot.\n < steps.gate.total",
        '"size(3) // [" == "size(3) // ["',
        '"\\"3" == "\\"3" && \'\\\'\' == "\'"',
        'r"\\d3" == "\\\\d3"',
        'b"3" == b"3"',
        '"""a "3" b""" == "a \\"3\\" b"',
        "'''3''' == \"3\"",
        'steps.gate.label.matches("^h.$")',
        '{"a": 1}.a == 1 && [1][0] == 1',
        "inputs.site.missing || true",
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
        ("steps.gate.total + 1", "a condition is true or false; this gives a number", 1),
        ("frame.camera", "a condition is true or false; this gives a text", 1),
        ("[true]", "a condition is true or false; this gives a list", 1),
        ("null", "a condition is true or false; this gives nothing", 1),
        ("duration('3s')", "a condition is true or false; this gives duration", 1),
        ("steps.crop.image", "'steps.crop.image' is an image: a condition cannot look at it", 1),
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
        ("3 > 2\n&& nope", "unknown name 'nope' (names begin with inputs, steps or frame)", 1),
        (
            "(" * 40 + "true" + ")" * 40,
            "this is no condition: Expression recursion limit exceeded. limit: 32",
            1,
        ),
        ("'\ud800' == ''", "there is half a character (a lone surrogate) in this condition", 1),
        ("x" * (LONGEST + 1), "a condition has at most 10,000 characters", 1),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_column(text: str, message: str, column: int) -> None:
    assert refused(text) == (message, column)


def test_a_condition_names_each_value_it_needs_once() -> None:
    text = "steps.gate.total > 1 && inputs.site.zones[0] < steps.gate.total"
    assert compile_condition(text, KNOWN).names == ("steps.gate.total", "inputs.site")


def test_a_value_that_no_condition_can_look_at_is_an_error() -> None:
    condition = compile_condition("inputs.site == 3", KNOWN)
    with pytest.raises(TypeError):
        condition.holds((object(),))


@pytest.mark.parametrize("text", ["size(" * 1900, ".size()" * 1400, "(" * 9999, '"""' * 3333])
def test_a_hostile_text_is_refused_in_no_time(text: str) -> None:
    assert refused(text)[0].startswith(("this is no condition", "unknown name"))


PIECES = st.sampled_from(
    ["steps.gate.total", "inputs.site", "frame.camera", "steps.gate", "size", "has", "(", ")",
     "[", "]", "{", "}", "3", "0x1f", "1e5", "5u", ".5", "%", "+", "-", "&&", "||", "!", "?", ":",
     "==", "in", ".", ",", '"', "'", '"""', "r'", "b", "\\", "//", "\n", " ", "x", "é", "\x00",
     ".size()", ".exists(x, x > 3)", "true", "null", "$"]
)  # fmt: skip


def assert_is_refused_or_decides(text: str) -> None:
    found: object = None
    try:
        condition = compile_condition(text, KNOWN)
        found = condition.holds(tuple(VALUES[name] for name in condition.names))
    except ExpressionError as error:
        found = error if 1 <= error.column <= len(text) + 2 and str(error) else None
    assert isinstance(found, bool | ExpressionError)


@given(st.text(max_size=40))
@example("\ud800")
def test_any_text_is_refused_with_a_sentence_or_decides(text: str) -> None:
    assert_is_refused_or_decides(text)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_mixture_of_the_language_is_refused_with_a_sentence_or_decides(text: str) -> None:
    assert_is_refused_or_decides(text)
