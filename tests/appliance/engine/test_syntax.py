"""Texts as nodes with their places, and hints for what is no YAML."""

import pytest

from appliance.engine.errors import DefinitionError, Mark
from appliance.engine.syntax import DEEPEST, LONGEST_TEXT, PLAIN, Lines, compose


def refused(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        compose(text, "w.yaml")
    return str(caught.value)


def test_a_text_becomes_a_node_and_lines_for_its_marks() -> None:
    node, lines = compose("\ufeffa:\r\n- b\n", "w")
    ((key, value),) = node.value
    assert (key.value, key.tag, value.value[0].value) == ("a", PLAIN, "b")
    mark = lines.mark(value.value[0].start_mark)
    assert (str(mark), mark.excerpt) == ("w:2:3", "- b")


def test_a_place_behind_the_last_line_is_its_end() -> None:
    class Place:
        line, column = 7, 0

    assert Lines("a\nbc", "w").mark(Place) == Mark("w", 2, 3, "bc")


def test_a_variable_unquoted_in_brackets_is_explained() -> None:
    assert refused("a: [${X}]").splitlines()[0] == (
        "w.yaml:1:6: this is not YAML: did not find expected ',' or ']' "
        "(a text with ${ goes in quotes where it stands in brackets)"
    )
    assert refused("a: {b: ${X}}").splitlines()[0] == (
        "w.yaml:1:9: this is not YAML: did not find expected ',' or '}' "
        "(a text with ${ goes in quotes where it stands in brackets)"
    )
    assert (
        refused("a: {b: ${X:-0.4}}")
        .splitlines()[0]
        .endswith(
            "in brackets; for a number write it without brackets on a line of its own: "
            "default: ${CONF:-0.4})"
        )
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n  b: x\n  c:y@1\n  d: 2", "w.yaml:3:5: a space is missing behind the colon"),
        ("- b: x\n- c:y@1\n  d: 2", "w.yaml:2:5: a space is missing behind the colon"),
        (
            "a: [*x]",
            "w.yaml:1:5: this is an alias that no anchor gives "
            "(a text that begins with * goes in quotes)",
        ),
        ("a: [@x]", "w.yaml:1:5: no text begins so (a text that begins with @ goes in quotes)"),
    ],
)
def test_slips_of_the_pen_are_explained(text: str, message: str) -> None:
    place, _, what = message.partition(": ")
    assert refused(text).splitlines()[0] == f"{place}: this is not YAML: {what}"


def test_broken_yaml_is_refused_with_its_place() -> None:
    assert refused("a: [1, 2\nb: 3\n") == (
        "w.yaml:2:2: this is not YAML: did not find expected ',' or ']'\n     2 | b: 3\n       |  ^"
    )


def test_a_colon_too_many_is_explained() -> None:
    assert refused("name: gate: north\n") == (
        "w.yaml:1:11: this is not YAML: a colon where none can be (is a text with a colon in it "
        "missing its quotes, or is the indentation off?)\n"
        "     1 | name: gate: north\n"
        "       |           ^"
    )


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quote_that_is_never_closed_is_shown_where_it_opens(quote: str) -> None:
    assert refused(f"a: 1\nb: {quote}x\nc: 3\nd: 4\n") == (
        "w.yaml:2:4: this is not YAML: the quote that opens here is never closed\n"
        f"     2 | b: {quote}x\n"
        "       |    ^"
    )


def test_a_tab_is_named_as_the_fault() -> None:
    assert refused("a:\n\tb: 1\n") == (
        "w.yaml:2:1: this is not YAML: found character that cannot start any token "
        "(YAML is indented with spaces, never with tabs)\n"
        "     2 | \tb: 1\n"
        "       | ^"
    )


def test_two_documents_in_a_file_are_refused() -> None:
    assert refused("a: 1\n---\nb: 2\n") == (
        "w.yaml:2:1: this is not YAML: a second document begins here; a file holds one\n"
        "     2 | ---\n"
        "       | ^"
    )


def test_an_anchor_twice_and_an_alias_of_nothing_are_refused() -> None:
    assert refused("a: &x 1\nb: &x 2\n") == (
        "w.yaml:2:4: this is not YAML: an anchor of this name is there already\n"
        "     2 | b: &x 2\n"
        "       |    ^"
    )
    assert "w.yaml:1:4: this is not YAML: this is an alias that no anchor gives" in refused("a: *x")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert refused(text) == "w.yaml:1:1: the file is empty"


def test_characters_that_no_text_has_are_refused() -> None:
    assert refused("a: \x00") == (
        "w.yaml:1:1: this is not a YAML text: unacceptable character #x0000: control characters "
        "are not allowed"
    )
    assert "w.yaml:1:1: this is not a YAML text: 'utf-8' codec" in refused("a: \ud800")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_a_nesting_deeper_than_any_use_is_refused_before_it_can_end_the_process(
    opening: str,
) -> None:
    assert f"this is nested more than {DEEPEST} levels deep" in refused(
        opening * (LONGEST_TEXT // len(opening))
    )


def test_a_huge_file_is_refused_unread() -> None:
    assert refused("#" * (LONGEST_TEXT + 1)) == (
        f"w.yaml:1:1: the file is larger than {LONGEST_TEXT:,} characters"
    )
