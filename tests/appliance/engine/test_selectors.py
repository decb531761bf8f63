"""The three forms of a selector, and what is none."""

import pytest

from appliance.engine.selectors import Selector, is_selector, parse_selector, unescaped


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
