"""The three forms of a selector, and what is none."""

import pytest

from appliance.engine.selectors import (
    Selector,
    is_expression,
    is_reference,
    is_selector,
    parse_selector,
    references_in,
    selectors_in,
    texts_in,
    unescaped,
)
from appliance.engine.sources import Verbatim


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("$inputs.image", Selector("inputs", "image")),
        ("$frame.captured_at", Selector("frame", "captured_at")),
        ("$steps.gate.total_in", Selector("steps", "total_in", "gate")),
    ],
)
def test_a_selector_is_taken_apart_and_put_together(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector
    assert str(selector) == text


@pytest.mark.parametrize(
    "text",
    ["$", "$image", "$inputs", "$inputs.", "$inputs.a.b", "$steps.a", "$steps.a.b.c", "$other.a"],
)
def test_what_has_none_of_the_forms_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no selector: write") as caught:
        parse_selector(text)
    assert str(caught.value) == (
        f"'{text}' is no selector: write $inputs.name, $steps.step.output or $frame.name "
        "(a text that begins with a dollar is written with two)"
    )


@pytest.mark.parametrize("value", ["$inputs.a", "$", "$x y"])
def test_a_text_that_begins_with_a_dollar_is_meant_as_one(value: str) -> None:
    assert is_selector(value)


@pytest.mark.parametrize("value", ["$$inputs.a", "a $inputs.b", "", 5, None, ["$inputs.a"]])
def test_anything_else_is_not(value: object) -> None:
    assert not is_selector(value)


def test_two_dollars_are_one() -> None:
    assert [unescaped(t) for t in ("$$5", "$$$", "5 $$", "x")] == ["$5", "$$", "5 $$", "x"]


@pytest.mark.parametrize("text", ["$inputs.x", "= 1 + 1", "$$5", "==5"])
def test_a_text_that_came_from_outside_is_nothing_but_a_text(text: str) -> None:
    given = Verbatim(text)
    assert not is_selector(given)
    assert not is_expression(given)
    assert (unescaped(given), type(unescaped(given))) == (text, str)


@pytest.mark.parametrize(
    ("value", "expected"), [("= 1", True), ("=", True), ("==1", False), ("1", False), (1, False)]
)
def test_an_expression_begins_with_one_equals_sign(value: object, expected: bool) -> None:
    assert is_expression(value) is expected


def test_selectors_are_found_with_their_paths() -> None:
    value = {"a": "$x", "b": ["c", {"d": "$y"}], "e": "$$z", "f": 5, "g": "= h"}
    assert list(selectors_in(value)) == [(("a",), "$x"), (("b", 1, "d"), "$y")]
    assert list(selectors_in("$x", ("at",))) == [(("at",), "$x")]


def test_selectors_and_expressions_are_found_with_their_paths() -> None:
    value = {"a": "$x", "b": ["c", {"d": "=y"}], "e": "$$z", "f": 5, "g": "==1"}
    assert list(references_in(value)) == [(("a",), "$x"), (("b", 1, "d"), "=y")]
    assert list(references_in("$x", ("at",))) == [(("at",), "$x")]


def test_all_texts_are_found_with_their_paths() -> None:
    value = {"a": "$x", "b": ["c", {"d": 5}], "e": None}
    assert list(texts_in(value)) == [(("a",), "$x"), (("b", 0), "c")]


@pytest.mark.parametrize(("value", "expected"), [("$x", True), ("= 1", True), ("$$x", False)])
def test_a_reference_is_a_selector_or_an_expression(value: object, expected: bool) -> None:
    assert is_reference(value) is expected
