"""Expressions: what they mean, what is refused with its column, and that an error is never true."""

import resource
from collections.abc import Sequence
from typing import Annotated, Any

import pytest

from appliance.engine.expressions import ExpressionError, Language
from blocks.data import Columns, Detections, Image
from tests.appliance.engine.known_values import (
    FOUND,
    KNOWN,
    LANGUAGE,
    STEPS,
    ZONES,
    holds,
    refused,
    value,
    values_of,
)


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
        'frame.camera in ["gate", "yard"]',
        "3 in steps.crop.sizes",
        "steps.crop.sizes == [1, 2, 3]",
        "2 in [1, 2]",
        'steps.tracks.detections.exists(d, d.label == "car" && d.confidence < 0.5)',
        "steps.tracks.detections.all(d, d.box[0] == 0)",
        "!steps.tracks.detections.all(d, d.label == 'car' || d.box[2] > 5)",
        "steps.tracks.detections.exists_one(d, d.confidence >= 0.9)",
        "steps.tracks.detections.exists(d, has(d.tracker_id) && d.tracker_id == 7)",
        "has(inputs.site.name) && !has(inputs.site.nothing)",
        "double(int(steps.gate.total) % 2) == 1",
        "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')",
    ],
)
def test_it_holds(text: str) -> None:
    assert holds(text) is True


NO_KEY = "there is no key 'missing' (has(…) asks whether there is one)"


@pytest.mark.parametrize("text", ["false", "steps.gate.total > 7", "!steps.gate.open", "1 in [2]"])
def test_it_does_not_hold(text: str) -> None:
    assert holds(text) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inputs.site.missing", f"cannot be worked out: {NO_KEY}"),
        ("!inputs.site.missing", f"cannot be worked out: {NO_KEY}"),
        ("inputs.site.missing > 3", f"cannot be worked out: {NO_KEY}"),
        ("inputs.site.missing && steps.gate.open", f"cannot be worked out: {NO_KEY}"),
        (
            "inputs.site.name ? true : false",
            "cannot be worked out: what decides (before ?, beside && and ||, in exists() and "
            "the like) is neither true nor false",
        ),
        ("inputs.site.name", "gave a text"),
        ("inputs.site.zones", "gave a list"),
        ("inputs.site.none", "gave nothing"),
        (
            "steps.crop.sizes[9] == 1",
            "cannot be worked out: there is no element 9 in a list of 3 (the first is 0)",
        ),
        (
            "steps.gate.label.matches('(')",
            "cannot be worked out: the regular expression is wrong: missing ): (",
        ),
    ],
)
def test_an_error_or_a_value_of_another_kind_is_never_true(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        holds(text)
    assert str(caught.value) == f"'{text}' {message}"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        (
            "steps.gate.totl > 3",
            "unknown name 'steps.gate.totl' (did you mean 'steps.gate.total'?)",
            1,
        ),
        ("true && steps.gate", "unknown name 'steps.gate' (did you mean 'steps.gate.open'?)", 9),
        ("steps.gate.total + 1", "a condition is true or false; this gives a number", 1),
        ("frame.camera", "a condition is true or false; this gives a text", 1),
        ("[true]", "a condition is true or false; this gives a list", 1),
        ("null", "a condition is true or false; this gives nothing", 1),
        ("duration('3s')", "a condition is true or false; this gives a duration", 1),
        ("steps.tracks.detections[0]", "a condition is true or false; this gives a detection", 1),
        ("steps.crop.image", "'steps.crop.image' is an image: a condition cannot look at it", 1),
        (
            "[1][3] == 1",
            "'[1][3] == 1' cannot be worked out: "
            "there is no element 3 in a list of 1 (the first is 0)",
            1,
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text: str, message: str, column: int) -> None:
    assert refused(text) == (message, column)


def test_what_names_nothing_has_one_value_for_ever() -> None:
    assert LANGUAGE.expression("1 + 2").constant == 3.0
    assert LANGUAGE.condition("1 > 2").constant is False
    assert LANGUAGE.expression("inputs.bar").constant is None
    assert LANGUAGE.condition("present(steps.gate)").constant is None


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


def test_what_becomes_known_later_is_known() -> None:
    known: dict[str, Any] = {"inputs.a": float}
    language = Language(known, ())
    assert language.condition("inputs.a > 1").holds([2])
    known["inputs.b"] = str
    assert language.condition("inputs.b > 'a'").holds(["b"])


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


def test_a_value_that_cannot_be_given_is_told_by_its_name() -> None:
    expression = LANGUAGE.expression("inputs.bar + steps.gate.total")
    with pytest.raises(ExpressionError) as caught:
        expression.value([1, "7"])
    said = "cannot look at the value of steps.gate.total: a text is no number"
    assert str(caught.value) == f"'inputs.bar + steps.gate.total' {said}"
    with pytest.raises(ExpressionError, match="there is half a character"):
        LANGUAGE.expression("frame.camera").value(["\ud800"])


def test_a_budget_that_is_spent_is_an_error() -> None:
    text = "inputs.site.all(a, inputs.site.all(b, inputs.site.all(c, true)))"
    with pytest.raises(ExpressionError, match="cannot be worked out: it goes through too many"):
        value(text, inputs__site=[0] * 250)


def test_results_are_of_the_type_that_was_told_before() -> None:
    assert value("[1, 'a']") == [1.0, "a"]
    assert LANGUAGE.expression("[1, 'a']").annotation is list
    with pytest.raises(ExpressionError, match="gave no plain value: there is a Type in it"):
        LANGUAGE.expression("[type(1)]")
    with pytest.raises(ExpressionError, match=r"'dyn\(type\(1\)\)' gave"):
        LANGUAGE.expression("dyn(type(1))")
    said = "an expression gives numbers, texts and the like; this gives an image"
    with pytest.raises(ExpressionError, match=said):
        LANGUAGE.expression("steps.crop.images[0]")


def test_names_can_be_read_without_compiling() -> None:
    text = "steps.later.total > 'x' && present(steps.gate)"
    assert Language({}, ("gate",)).names(text) == (("steps.later.total",), ("steps.gate",))
    with pytest.raises(ExpressionError, match="there is no step 'gate'"):
        Language({}, ()).names(text)


def test_presences_follow_the_values() -> None:
    condition = LANGUAGE.condition("inputs.bar > 0 && present(steps.crop.image)")
    assert (condition.names, condition.presences) == (("inputs.bar",), ("steps.crop.image",))
    assert condition.holds([1, True]) is True
    assert condition.holds([1, False]) is False
    with pytest.raises(ExpressionError, match=r"unknown name 'steps\.crop\.imag'"):
        LANGUAGE.condition("present(steps.crop.imag)")


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("true && 1 > 'x'", "this is no condition: '>' does not go with a number and a text", 11),
        ("present(steps.gat)", "there is no step 'gat' (did you mean 'gate'?)", 1),
        ("inputs.bat > 1", "unknown name 'inputs.bat' (did you mean 'inputs.bar'?)", 1),
    ],
)
def test_what_does_not_compile_is_refused_in_our_words(
    text: str, message: str, column: int
) -> None:
    assert refused(text) == (message, column)
