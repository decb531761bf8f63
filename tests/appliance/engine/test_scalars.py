"""Unquoted texts and their values, and texts with variables in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.scalars import Piece, has_references, pieces, plain_scalar


def test_a_number_beyond_all_floats_stays_a_text() -> None:
    assert plain_scalar("1e999") == "1e999"
    assert plain_scalar("9" * 5000) == "9" * 5000


def test_a_text_comes_in_pieces_that_say_where_they_are_from() -> None:
    known = {"A": "one", "EMPTY": ""}
    assert [p for p in pieces("x ${A}${B:-two}$${${EMPTY}!", known.get) if p != Piece("")] == [
        Piece("x "),
        Piece("one", outside=True, reference=True),
        Piece("two", reference=True),
        Piece("${"),
        Piece("", outside=True, reference=True),
        Piece("!"),
    ]


def test_a_default_is_taken_where_nobody_may_be_asked() -> None:
    def nobody(name: str) -> str:
        raise LookupError(f"nobody knows {name}")

    assert "".join(piece.text for piece in pieces("${A:-x}", nobody)) == "x"
    with pytest.raises(LookupError, match="nobody knows A"):
        list(pieces("${A}", nobody))


def only_a(name: str) -> str | None:
    return "x" if name == "A" else None


@given(st.text("a$ }5"))
def test_a_text_without_references_is_one_piece(text: str) -> None:
    assert not has_references(text)
    assert list(pieces(text, only_a)) == [Piece(text)]


@given(st.text("A{}$:-? "))
def test_any_text_comes_in_pieces_or_is_refused(text: str) -> None:
    refusal, found = "", ""
    try:
        found = "".join(piece.text for piece in pieces(text, only_a))
    except ValueError as error:
        refusal = str(error)
    assert len(found) <= len(text)
    assert not refusal or ("${" in text and "environment variable" in refusal)


@pytest.mark.parametrize("default", ["$inputs.x", "=1+1"])
@pytest.mark.parametrize("name", ["A", "NOT_SET"])
def test_a_default_is_no_selector_and_no_expression(name: str, default: str) -> None:
    with pytest.raises(ValueError, match="a default is a plain value, no selector"):
        list(pieces(f"${{{name}:-{default}}}", {"A": "5"}.get))
    assert list(pieces(f"x${{{name}:-{default}}}", {"A": "5"}.get))
