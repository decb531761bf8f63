"""YAML and JSON as plain data with places, and everything that is refused on the way."""

import json
from typing import Any

import pytest

from appliance.engine.document import (
    DEEPEST,
    LONGEST_TEXT,
    MOST_VALUES,
    dotted,
    plain_scalar,
    read_document,
    with_step_name,
)
from appliance.engine.errors import DefinitionError


def read(text: str) -> Any:
    return read_document(text, "w.yaml").data


def refused(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        read_document(text, "w.yaml")
    return str(caught.value)


@pytest.mark.parametrize("text", ["on", "off", "yes", "no", "y", "12:30", "0x1f", "1_000", ".inf"])
def test_what_only_old_yaml_reads_as_something_else_stays_a_string(text: str) -> None:
    assert read(f"a: {text}") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("null", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("08", 8),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("99999999999999999999", 1e20),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_scalars_are_read_as_yaml_1_2_reads_them(text: str, value: object) -> None:
    found = read(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["'5'", '"5"', "!!str 5", "|-\n  5", ">-\n  5"])
def test_a_quoted_number_is_a_text(text: str) -> None:
    assert read(f"a: {text}") == {"a": "5"}


def test_a_number_beyond_all_floats_stays_a_text() -> None:
    assert plain_scalar("1e999") == "1e999"
    assert plain_scalar("9" * 5000) == "9" * 5000


def test_keys_are_texts_whatever_they_look_like() -> None:
    assert read("on: 1\n5: 2\nnull: 3\n'': 4") == {"on": 1, "5": 2, "null": 3, "": 4}


def test_json_is_read_by_the_same_path() -> None:
    data = {"a": [1, 2.5, True, None, "x\ny"], "b": {"c": "ä"}}
    assert read(json.dumps(data, indent=2)) == data


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    document = read_document("\ufeffa: 1", "w.yaml")
    assert document.data == {"a": 1}
    assert document.mark(("a",)).excerpt == "a: 1"


def test_every_key_and_value_has_its_place() -> None:
    document = read_document("steps:\n  - name: gate\n    line: [1, 2]\n", "w.yaml")
    assert str(document.mark(("steps", 0, "line", 1))) == "w.yaml:3:15"
    assert str(document.key_mark(("steps", 0, "line"))) == "w.yaml:3:5"
    assert str(document.mark(())) == "w.yaml:1:1"


def test_what_has_no_place_has_that_of_what_is_around_it() -> None:
    document = read_document("a:\n  b: 1\n", "w.yaml")
    assert str(document.mark(("a", "c", 5))) == "w.yaml:2:3"
    assert str(document.key_mark(("a", "c"))) == "w.yaml:2:3"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    document = read_document(f"a: 1{end}b: 2{end}c: 3", "w.yaml")
    assert str(document.mark(("c",))) == "w.yaml:3:4"
    assert document.mark(("c",)).excerpt == "c: 3"


def test_an_alias_repeats_the_value_and_has_the_place_of_what_it_repeats() -> None:
    document = read_document("a: &x [1, 2]\nb: *x\n", "w.yaml")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.mark(("b", 1)).line == 1


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


BRACE = "(a text that begins with { goes in quotes)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topic: {camera}/gate\n", f"1:16: this is not YAML: a key is expected here {BRACE}"),
        ("- topic: {camera}/gate\n", f"1:18: this is not YAML: a key is expected here {BRACE}"),
        (
            "data: {to: {camera}/gate}\n",
            f"1:20: this is not YAML: did not find expected ',' or '}}' {BRACE}",
        ),
        (
            "topic: [a]/b\n",
            "1:11: this is not YAML: a key is expected here "
            "(a text that begins with [ goes in quotes)",
        ),
        (
            "a: [1, 2]]\n",
            "1:10: this is not YAML: a key is expected here (is this bracket one too many?)",
        ),
        (
            "when: 'a' == steps.x\n",
            "1:11: this is not YAML: a key is expected here "
            "(a text that goes on behind a quote goes in other quotes as a whole)",
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "3:2: this is not YAML: a key is expected here (is the indentation off?)",
        ),
        (
            "steps:\n  - a: 1\n  b: 2\n",
            "3:3: this is not YAML: a dash is expected here (is the indentation off?)",
        ),
        ("a: {{ b }}\n", f"1:5: a: a key is a single word or text {BRACE}"),
        ("when: {{ b }}\n", "1:8: when: a condition needs no braces"),
        (
            "when: !steps.gate.open\n",
            "1:7: when: unknown tag !steps.gate.open: "
            "a condition that begins with ! goes in quotes",
        ),
    ],
)
def test_the_usual_slips_are_explained(text: str, message: str) -> None:
    assert refused(text).splitlines()[0] == f"w.yaml:{message}"


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
    assert "w.yaml:1:4: this is not YAML: found undefined alias" in refused("a: *x")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert refused(text) == "w.yaml:1:1: the file is empty"


def test_characters_that_no_text_has_are_refused() -> None:
    assert refused("a: \x00") == (
        "w.yaml:1:1: this is not a YAML text: unacceptable character #x0000: control characters "
        "are not allowed"
    )
    assert "w.yaml:1:1: this is not a YAML text: 'utf-8' codec" in refused("a: \ud800")


def test_a_duplicate_key_is_refused_with_the_line_of_the_first() -> None:
    assert refused("a:\n  b: 1\n  c: 2\n  b: 3\n") == (
        "w.yaml:4:3: a: duplicate key 'b' (first on line 2)\n     4 |   b: 3\n       |   ^"
    )


def test_an_unknown_tag_is_refused_on_values_and_keys() -> None:
    assert refused("a: !secret mqtt\n") == (
        "w.yaml:1:4: a: unknown tag !secret: values are written without tags\n"
        "     1 | a: !secret mqtt\n"
        "       |    ^"
    )
    assert "a: unknown tag !!int: values" in refused("a: !!int 5")
    assert "a: unknown tag !key: values" in refused("!key a: 5")
    assert "a: unknown tag !!python/object:os.system: values" in refused(
        "a: !!python/object:os.system {}"
    )


def test_keys_that_are_no_words_are_refused() -> None:
    assert "w.yaml:1:3: a key is a single word or text" in refused("? [a, b]\n: 1\n")
    assert "w.yaml:1:2: there is no key in front of this colon" in refused("?\n: 5")
    assert "'<<' is not part of this language: write the keys out" in refused(
        "a: &x {b: 1}\nc:\n  <<: *x\n"
    )


def test_what_is_refused_inside_of_a_step_is_told_with_its_name() -> None:
    text = "steps:\n- line: 1\n  line: 2\n  type: !x a\n  name: gate\n- {a: 1, a: 2}\n"
    lines = [line for line in refused(text).splitlines() if line.startswith("w.yaml")]
    assert lines == [
        "w.yaml:3:3: steps.gate: duplicate key 'line' (first on line 2)",
        "w.yaml:4:9: steps.gate.type: unknown tag !x: values are written without tags",
        "w.yaml:6:10: steps.1: duplicate key 'a' (first on line 6)",
    ]


def test_a_step_stands_in_a_path_by_its_name_where_it_has_one() -> None:
    data = {"steps": [{"name": "gate"}, {"name": 5}, {"name": "a\n"}, 5]}
    paths = [with_step_name(("steps", i, "line"), data)[1] for i in range(5)]
    assert paths == ["gate", 1, 2, 3, 4]
    assert with_step_name(("inputs", 0), data) == ("inputs", 0)


def test_all_that_is_wrong_is_said_at_once() -> None:
    lines = refused("a: 1\na: 2\nb: !x 3\nb: 4\n").splitlines()
    assert [line for line in lines if line.startswith("w.yaml")] == [
        "w.yaml:2:1: duplicate key 'a' (first on line 1)",
        "w.yaml:3:4: b: unknown tag !x: values are written without tags",
        "w.yaml:4:1: duplicate key 'b' (first on line 3)",
    ]


def test_an_alias_inside_of_what_it_repeats_is_refused() -> None:
    assert refused("a: &x [1, *x]\n") == (
        "w.yaml:1:4: a.1: this alias stands inside of what it repeats\n"
        "     1 | a: &x [1, *x]\n"
        "       |    ^"
    )


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert f"the file comes to more than {MOST_VALUES:,} values" in refused("\n".join(lines))


def test_an_alias_bomb_of_long_texts_is_refused() -> None:
    long = "x" * 100_000
    assert "values" in refused(f"a: &a {long}\nb: [{', '.join(['*a'] * 1000)}]")
    assert "values" in refused(f"a: &a\n  ? {long}\n  : 1\nb: [{', '.join(['*a'] * 1000)}]")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_a_nesting_deeper_than_any_use_is_refused_before_it_can_end_the_process(
    opening: str,
) -> None:
    assert f"this is nested more than {DEEPEST} levels deep" in refused(opening * 100_000)


def test_a_nesting_made_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 60))]
    assert f"this is nested more than {DEEPEST} levels deep" in refused("\n".join(lines))


def test_the_deepest_nesting_allowed_is_read() -> None:
    depth, value = 0, read("[" * DEEPEST + "]" * DEEPEST)
    while value:
        depth, (value,) = depth + 1, value
    assert depth == DEEPEST - 1


def test_a_huge_file_is_refused_unread() -> None:
    assert refused("#" * (LONGEST_TEXT + 1)) == (
        f"w.yaml:1:1: the file is larger than {LONGEST_TEXT:,} characters"
    )


def test_a_long_line_is_shown_in_part() -> None:
    document = read_document(f"a: {'x' * 500}\n", "w.yaml")
    assert document.mark(("a",)).excerpt == f"a: {'x' * 197}"


def test_a_path_is_written_with_dots() -> None:
    assert dotted(("steps", 0, "line")) == "steps.0.line"
