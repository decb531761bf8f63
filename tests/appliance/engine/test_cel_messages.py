"""What CEL says of expressions, in our words."""

import re
from typing import Any

import pytest

from appliance.engine.cel_messages import Refusals, failure, in_our_words
from appliance.engine.expressions import ExpressionError, Language
from tests.appliance.engine.known_values import (
    LANGUAGE,
    refused,
    value,
)


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "this is no condition: it ends too early", 1),
        ("steps.gate.total >", "this is no condition: it ends too early", 19),
        ("size(", "this is no condition: it ends too early", 6),
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
        ("total > 3", "unknown name 'total' (names begin with inputs, steps or frame)", 1),
        ("3 > 2 && len(3)", "there is no function 'len' (did you mean 'size'?)", 13),
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
        ("steps.crop.images[0].width > 3", "an image has no field 'width'", 22),
        (
            "steps.gate.total % 2 == 0",
            "this is no condition: '%' does not go with a number and a whole number "
            "(whole numbers only: double(int(x) % 2))",
            18,
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
    ],
)  # fmt: skip
def test_what_cel_refuses_is_said_with_its_column(text: str, message: str, column: int) -> None:
    assert refused(text) == (message, column)


def test_an_expression_is_called_so_in_what_is_said_of_it() -> None:
    with pytest.raises(ExpressionError, match="in an expression names have no dollar"):
        LANGUAGE.expression("$inputs.bar")
    with pytest.raises(ExpressionError, match="this is no expression: it ends too early"):
        LANGUAGE.expression("1 +")
    with pytest.raises(ExpressionError, match="this is no expression: Unsupported map key type"):
        LANGUAGE.expression("{1.5: 2}")


def test_loops_within_loops_have_a_budget() -> None:
    text = "inputs.site.all(a, inputs.site.all(b, inputs.site.all(c, inputs.site.all(d, true))))"
    with pytest.raises(
        ExpressionError, match="it goes through too many elements: nest fewer loops"
    ):
        value(text, inputs__site=[0] * 60)


OUT_OF_RANGE = "is too large or too small for a whole number"
LONG = "a whole number or a duration gets longer than 64 bits"
NOT_DECIDED = (
    "what decides (before ?, beside && and ||, in exists() and the like) is neither true nor false"
)
NOT_WALKED = "what map(), exists() and the like go through is neither a list nor a mapping"
DOUBLE = "(write double(…) around the whole number)"
INDEX = "(an index is a whole number: x[int(i)])"
FAILING = [
    ("x.list[7]", "there is no element 7 in a list of 1 (the first is 0)"),
    ("x.list[-1]", "there is no element -1 in a list of 1 (the first is 0)"),
    ("x.empty[0]", "there is no element 0 in a list of 0"),
    ("x.list[0.5]", f"a list has no element that is told by a number {INDEX}"),
    ("x.list['a']", "a list has no element that is told by a text"),
    ("x.none", "there is no key 'none' (has(…) asks whether there is one)"),
    ("x['a\"\\\\b']", "there is no such key (has(…) asks whether there is one)"),
    ("x['é \\u2028 <(']", "there is no such key (has(…) asks whether there is one)"),
    ("x[7]", "there is no key 7 (has(…) asks whether there is one)"),
    ("x[true]", "there is no key true (has(…) asks whether there is one)"),
    ("x.number.field", "a field is asked of a value that has no fields"),
    ("has(x.list.field)", "a field is asked of a value that has no fields"),
    ("x.text[0]", "a text has no elements"),
    ("x[null]", "nothing is no key: keys are texts, whole numbers, true and false"),
    ("{x.number: 1}", "a number is no key: keys are texts, whole numbers, true and false"),
    ("{x: 1}", "a mapping is no key: keys are texts, whole numbers, true and false"),
    ("{'a': 1, 'a': x}", "a key stands twice in a mapping"),
    ("int(1) / int(x.zero)", "a whole number is divided by zero"),
    ("1u / uint(x.zero)", "a whole number is divided by zero"),
    ("int(1) % int(x.zero)", "the remainder (%) of a division by zero is asked for"),
    ("int(x.big) + int(x.big)", LONG),
    ("int(x.big) * int(-2)", LONG),
    ("timestamp('9999-01-01T00:00:00Z') - timestamp(x.year_one)", LONG),
    ("1u - uint(x.big)", "a whole number like 5u gets below 0, or longer than 64 bits"),
    ("int(x.big * 9)", f"what is given to int() {OUT_OF_RANGE}, or not finite"),
    ("int(1 / x.zero)", f"what is given to int() {OUT_OF_RANGE}, or not finite"),
    ("uint(-x.big)", f"what is given to uint() {OUT_OF_RANGE} of 0 or more, or not finite"),
    ("uint(int(-x.big))", f"what is given to uint() {OUT_OF_RANGE} of 0 or more, or not finite"),
    ("int(x.text)", "what is given to int() is not a whole number"),
    ("uint(x.text)", "what is given to uint() is not a whole number of 0 or more"),
    ("double(x.text)", "what is given to double() is not a number"),
    ("bool(x.text)", "what is given to bool() is not true or false"),
    (
        "timestamp(x.text)",
        "what is given to timestamp() is not a time (as in 2026-01-31T12:00:00Z)",
    ),
    ("duration(x.text)", "what is given to duration() is not a duration (as in 90s or 1h30m)"),
    ("string(bytes(x.text) + b'\\xff')", "the bytes given to string() are no text in UTF-8"),
    ("timestamp(int(x.big))", "a time is not within the years 1 to 9999"),
    ("timestamp('10000-01-01T00:00:00Z')", "a time is not within the years 1 to 9999"),
    ("duration('1000000000000000s')", "a duration is longer than 10,000 years"),
    (
        "timestamp(x.year_one).getHours(x.text)",
        "there is no such time zone (as in Europe/Rome, UTC or +02:00)",
    ),
    ("x.text.matches('[' + x.text)", "the regular expression is wrong"),
    ("x.number && true", NOT_DECIDED),
    ("true || x.number ? 1 : 2", None),
    ("x.number ? 1 : 2", NOT_DECIDED),
    ("x.list.exists(d, d)", NOT_DECIDED),
    ("x.list.filter(d, d)", NOT_DECIDED),
    ("x.number.map(d, d)", NOT_WALKED),
    ("x.text.all(d, true)", NOT_WALKED),
    ("1 in x.number", "what 'in' looks into is neither a list nor a mapping"),
    ("!x.nothing", "what ! turns around is neither true nor false"),
    ("-x.text", "'-' does not go with a text"),
    ("x > 3", "'>' does not go with a mapping and a number"),
    ("x.nothing + 1", "'+' does not go with nothing and a number"),
    ("x.number - int(2)", f"'-' does not go with a number and a whole number {DOUBLE}"),
    (
        "x.number % 2",
        "'%' does not go with a number and a whole number (whole numbers only: double(int(x) % 2))",
    ),
    ("size(x.number)", "'size' does not go with a number"),
    ("x.number.size()", "'size' does not go with a number"),
    ("x.text.contains(x.list)", "'contains' does not go with a text and a list"),
    ("timestamp(x.number)", "'timestamp' does not go with a number"),
]
X = {
    "list": [1], "empty": [], "number": 2.5, "text": "some", "nothing": None, "zero": 0,
    "big": 9e18, "year_one": "0001-01-01T00:00:00Z",
}  # fmt: skip


def worked_out(language: Language, text: str) -> Any:
    expression = language.expression(text)
    return expression.value([X for _ in expression.names])


@pytest.mark.parametrize(("written", "why"), FAILING)
def test_what_cannot_be_worked_out_is_said_in_our_words(written: str, why: str | None) -> None:
    text = re.sub(r"\bx\b(?!\))", "inputs.x", written)
    language = Language({"inputs.x": Any}, ())
    if why is None:
        assert worked_out(language, text) == 1
        return
    with pytest.raises(ExpressionError) as caught:
        worked_out(language, text)
    assert str(caught.value) == f"'{text}' cannot be worked out: {why}"


@pytest.mark.parametrize(
    ("message", "ours"),
    [
        ("OUT_OF_RANGE: something new [OUT_OF_RANGE]", "something new"),
        ("something new\nthat goes on", "something new"),
        ("no 'hunter2' in 'x'", "no '…' in 'x'"),
        ("", ""),
    ],
)
def test_what_cel_never_said_before_is_told_without_its_codes(message: str, ours: str) -> None:
    assert failure(message, "x == 'x'") == ours


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("list(double)", "a list"),
        ("map<string, dyn>", "a mapping"),
        ("dyn", "a value of any type"),
        ("appliance.Detection12", "a detection"),
        ("appliance.Image", "an image"),
        ("google.protobuf.Any", "google.protobuf.Any"),
    ],
)
def test_a_type_is_told_in_our_words(kind: str, ours: str) -> None:
    assert in_our_words(kind) == ours


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("frame.camera.x == 3", "this is no condition: a text has no fields", 13),
        (
            "steps.tracks.detections.label == 'car'",
            "this is no condition: a list has no fields "
            "(ask its elements: list.exists(d, d.label == 'x'))",
            24,
        ),
    ],
)
def test_what_has_no_fields_is_told(text: str, message: str, column: int) -> None:
    assert refused(text) == (message, column)


@pytest.mark.parametrize("word", ["recursion", "Iteration"])
def test_what_is_quoted_of_an_expression_is_not_taken_for_a_limit(word: str) -> None:
    with pytest.raises(ExpressionError, match=f"unknown name '{word}'"):
        LANGUAGE.condition(f"{word} == 'Iteration budget, recursion limit exceeded'")


def test_a_field_that_is_not_there_is_told_with_those_that_are() -> None:
    fields = {"appliance.Detection0": ("label", "box"), "appliance.Image": ()}
    refusals = Refusals("a condition", "a[0].lable + b.lable", [], fields)
    message = "ERROR: <input>:1:5: undefined field 'lable' not found in struct '{}'"
    error = refusals.refusal(message.format("appliance.Detection0"))
    assert str(error) == "detections have no field 'lable' (did you mean 'label'?)"
    assert error.column == 6
    error = refusals.refusal(message.format("appliance.Image"))
    assert str(error) == "an image has no field 'lable'"


def test_columns_are_those_of_the_written_text() -> None:
    refusals = Refusals("a condition", "double(size(x)) > 3.0 + y", [(0, "double("), (7, ")")], {})
    message = "ERROR: <input>:1:25: undeclared reference to 'y' (in container '')"
    error = refusals.refusal(message)
    assert (error.column, str(error)[:16]) == (17, "unknown name 'y'")
