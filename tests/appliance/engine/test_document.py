"""YAML and JSON as plain data with places, and everything that is refused on the way."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.engine.document import (
    MOST_HIDDEN,
    MOST_VALUES,
    Document,
    dotted,
    read_document,
    with_step_name,
)
from appliance.engine.errors import DefinitionError, Problem
from appliance.engine.sources import Verbatim
from appliance.engine.syntax import DEEPEST, LONGEST_TEXT


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


def test_a_duplicate_key_is_refused_with_the_line_of_the_first() -> None:
    assert refused("a:\n  b: 1\n  c: 2\n  b: 3\n") == (
        "w.yaml:4:3: a: duplicate key 'b' (first on line 2)\n     4 |   b: 3\n       |   ^"
    )


def test_an_unknown_tag_is_refused_on_values_and_keys() -> None:
    assert refused("a: !secrets mqtt\n") == (
        "w.yaml:1:4: a: unknown tag !secrets: values are written without tags\n"
        "     1 | a: !secrets mqtt\n"
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


def test_a_nesting_made_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [1]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 60))]
    assert f"this is nested more than {DEEPEST} levels deep" in refused("\n".join(lines))


def test_the_deepest_nesting_allowed_is_read() -> None:
    depth, value = 0, read("[" * DEEPEST + "]" * DEEPEST)
    while value:
        depth, (value,) = depth + 1, value
    assert depth == DEEPEST - 1


def test_a_long_line_is_shown_in_part() -> None:
    document = read_document(f"a: {'x' * 500}\n", "w.yaml")
    assert document.mark(("a",)).excerpt == f"a: {'x' * 197}"


def test_a_path_is_written_with_dots() -> None:
    assert dotted(("steps", 0, "line")) == "steps.0.line"


# What comes from outside.


class Outside:
    """Sources with everything in them."""

    def __init__(self, files: dict[str, str] | None = None, **variables: str) -> None:
        self.files = files or {}
        self.variables = variables

    def secret(self, name: str) -> str:
        if name != "pin":
            raise LookupError(f"there is no secret '{name}'")
        return "hunter2-0815"

    def variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def file(self, name: str, beside: str) -> tuple[str, str]:
        if name not in self.files:
            raise LookupError(f"'{name}' is not beside {beside}")
        return self.files[name], name


def found(text: str, files: dict[str, str] | None = None, **variables: str) -> Any:
    return read_document(text, "w.yaml", Outside(files, **variables)).data


def refusals(text: str, files: dict[str, str] | None = None, **variables: str) -> list[str]:
    """The first line of each problem; what is given goes on being read."""
    problems: list[Problem] = []
    document = read_document(text, "w.yaml", Outside(files, **variables), problems)
    assert list(document.refusals) == problems
    return [str(problem).splitlines()[0] for problem in problems]


def test_a_secret_is_a_text_that_is_never_shown() -> None:
    document = read_document("a: !secret pin\nb: [!secret 'pin']", "w.yaml", Outside())
    assert document.data == {"a": "hunter2-0815", "b": ["hunter2-0815"]}
    assert isinstance(document.data["a"], Verbatim)
    assert document.hidden == {"hunter2-0815"}
    assert document.outside == {("a",), ("b", 0)}
    assert "hunter2" not in repr(document) + repr(document.data)


def test_a_secret_that_cannot_be_had_is_refused_where_it_is_asked_for() -> None:
    assert refusals("a: !secret pni\nb: !secret\nc: !secret [pin]\nd: !secret {a: 1}") == [
        "w.yaml:1:4: a: there is no secret 'pni'",
        "w.yaml:2:4: b: !secret takes the name of a secret: write !secret name",
        "w.yaml:3:4: c: !secret takes the name of a secret: write !secret name",
        "w.yaml:4:4: d: !secret takes the name of a secret: write !secret name",
    ]


def test_no_key_comes_from_outside() -> None:
    assert refusals("!secret a: 1\n!include b: 2\n") == [
        "w.yaml:1:1: a: !secret stands in front of a value, never of a key",
        "w.yaml:2:1: b: !include stands in front of a value, never of a key",
    ]
    assert found("${A}: 1", A="x") == {"${A}": 1}


@pytest.mark.parametrize("key", ["name", "type", "when"])
def test_what_of_a_step_is_for_all_to_see_is_neither_a_secret_nor_looked_into(key: str) -> None:
    text = f"steps:\n- {key}: !secret pin\n- {key}: a ${{X}} $${{Y}}\n"
    assert refusals(text) == [
        f"w.yaml:2:{5 + len(key)}: steps.0.{key}: "
        f"the {key} of a step is for all to see: it cannot be a secret"
    ]
    assert found(text.replace("!secret pin", "a"))["steps"][1] == {key: "a ${X} $${Y}"}


def test_what_stands_outside_is_told_apart_where_there_is_nothing() -> None:
    said = refused("a: !secret x\nb: !include x\nc: ${X}\nd: ${X:-5}").splitlines()
    assert [line for line in said if line.startswith("w.yaml")] == [
        "w.yaml:1:4: a: the secret 'x' is not known here: secrets are read for files only",
        "w.yaml:2:4: b: w.yaml stands in no folder that 'x' could be read from",
        "w.yaml:3:4: c: the environment variable X is not known here: it is read for files only",
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${LIMIT:-0.4}", 0.4),
        ("${N}", 5),
        ("${N:-7}", 5),
        ("'${N}'", "5"),
        ("!!str ${N}", "5"),
        ("${N}${N}", "55"),
        ("a ${N} b", "a 5 b"),
        ("${YES}", True),
        ("${EMPTY}", None),
        ("'${EMPTY}'", ""),
        ("${EMPTY:-x}", "x"),
        ("${UNSET:-}", None),
        ("${UNSET:-a b}", "a b"),
        ("${WORD:?say it}", "on"),
        ("a$${N}", "a${N}"),
        ("$${N}", "${N}"),
        ("a $5", "a $5"),
        ("$$5 ${N}", "$5 5"),
        ("'==${N}'", "=5"),
        ("${SELECTOR}", "$inputs.x"),
    ],
)
def test_a_variable_stands_as_if_it_were_written_there(written: str, value: object) -> None:
    variables = {"N": "5", "YES": "true", "EMPTY": "", "WORD": "on", "SELECTOR": "$inputs.x"}
    read_value = found(f"a: {written}", None, **variables)["a"]
    assert (read_value, isinstance(read_value, str)) == (value, isinstance(value, str))


def test_a_text_from_the_environment_is_no_selector() -> None:
    data = found("a: ${A}\nb: x${A}\nc: ${B:-x}\nd: ${N}\ne: $${N}", A="$inputs.x", N="1")
    assert [isinstance(data[key], Verbatim) for key in "abcde"] == [True, True, False, False, True]


def test_only_what_comes_from_outside_is_hidden() -> None:
    text = "a: mqtt://${HOST}:${PORT:-1883}/${TOPIC:-plant}\nb: ${LIMIT}\nc: ${ON}"
    document = read_document(text, "w", Outside(HOST="broker", LIMIT="+0.50", ON="true"))
    assert document.hidden == {"broker", "+0.50", "0.5"}
    assert document.outside == {("a",), ("b",), ("c",)}


def test_variables_are_looked_up_in_json_as_well() -> None:
    assert found('{"a": "${A}", "b": ["${B:-5}"]}', A="x") == {"a": "x", "b": ["5"]}


FORMS = "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is the text ${"


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("${A}", "the environment variable A is not set"),
        ("x ${A:?name the broker}", "the environment variable A is not set: name the broker"),
        ("${EMPTY:?}", "the environment variable EMPTY is empty"),
        ("${", f"a ${{ that begins no environment variable: {FORMS}"),
        ("${}", f"a ${{ that begins no environment variable: {FORMS}"),
        ("${1A}", f"a ${{ that begins no environment variable: {FORMS}"),
        ("${A-x}", f"a ${{ that begins no environment variable: {FORMS}"),
        ("${A:+x}", f"a ${{ that begins no environment variable: {FORMS}"),
        ("${A:-${B}}", f"a ${{ that begins no environment variable: {FORMS}"),
        (
            "$inputs.${N}",
            "no selector or expression can be made with ${NAME} "
            "(a text that begins with $ is written with two)",
        ),
        (
            "=1 + ${N}",
            "no selector or expression can be made with ${NAME} "
            "(a text that begins with = is written with two)",
        ),
    ],
)
def test_a_variable_that_cannot_be_had_is_refused_in_a_sentence(written: str, what: str) -> None:
    assert refusals(f"a: {written}", EMPTY="", N="5") == [f"w.yaml:1:4: a: {what}"]


def test_a_file_is_included_with_its_own_places() -> None:
    text = "steps:\n- !include step.yaml\n- name: b\n"
    files = {"step.yaml": "# gate\nname: gate\nline: !include line.yaml\nurl: x${A}\n"}
    files["line.yaml"] = "[1, 2]"
    document = read_document(text, "w.yaml", Outside(files, A="y"))
    assert document.data == {
        "steps": [{"name": "gate", "line": [1, 2], "url": "xy"}, {"name": "b"}]
    }
    assert str(document.mark(("steps", 0, "url"))) == "step.yaml:4:6"
    assert str(document.mark(("steps", 0, "line", 1))) == "line.yaml:1:5"
    assert str(document.key_mark(("steps", 1, "name"))) == "w.yaml:3:3"
    assert document.mark(("steps", 0, "url")).excerpt == "url: x${A}"


def test_what_is_wrong_with_included_files_is_said_with_all_the_rest() -> None:
    files = {"a.yaml": "x: 1\nx: 2", "b.yaml": "[\n", "c.yaml": "", "d.yaml": "!secret no"}
    text = "a: !include a.yaml\nb: !include b.yaml\nc: !include c.yaml\nd: !include d.yaml\n"
    assert refusals(f"{text}e: !include e.yaml\nf: !include [a]\ng: !x 5", files) == [
        "a.yaml:2:1: a: duplicate key 'x' (first on line 1)",
        "b.yaml:2:1: this is not YAML: did not find expected node content",
        "c.yaml:1:1: the file is empty",
        "d.yaml:1:1: d: there is no secret 'no'",
        "w.yaml:5:4: e: 'e.yaml' is not beside w.yaml",
        "w.yaml:6:4: f: !include takes the name of a file: write !include name",
        "w.yaml:7:4: g: unknown tag !x: values are written without tags",
    ]


def test_files_that_include_each_other_are_refused_with_the_chain() -> None:
    files = {"a.yaml": "[!include b.yaml]", "b.yaml": "!include a.yaml", "w.yaml": "x"}
    assert refusals("!include a.yaml", files) == [
        "b.yaml:1:1: 0: this file includes itself: a.yaml → b.yaml → a.yaml"
    ]
    assert refusals("- !include w.yaml", files) == [
        "w.yaml:1:3: 0: this file includes itself: w.yaml → w.yaml"
    ]


def test_a_long_chain_of_files_is_refused() -> None:
    files = {f"{i}": f"!include {i + 1}" for i in range(1000)}
    assert refusals("!include 0", files) == [
        f"{DEEPEST - 1}:1:1: files include each other more than {DEEPEST} levels deep"
    ]


def test_included_files_share_the_bounds_of_the_outer_one() -> None:
    many = f"[{', '.join('x' * (MOST_VALUES * 3 // 4))}]"
    with pytest.raises(DefinitionError, match=f"comes to more than {MOST_VALUES:,} values"):
        found("[!include many, !include many]", {"many": many})
    comment = "x #" + "#" * (LONGEST_TEXT - 3)
    with pytest.raises(DefinitionError, match=f"comes to more than {MOST_VALUES:,} values"):
        found(
            f"[{', '.join(['!include comment'] * (MOST_VALUES * 100 // LONGEST_TEXT + 1))}]",
            {"comment": comment},
        )
    deep = "[" * 30 + "]" * 30
    with pytest.raises(DefinitionError, match=f"nested more than {DEEPEST} levels deep"):
        found("[" * 30 + "!include deep" + "]" * 30, {"deep": deep})


def test_variables_cannot_make_a_text_beyond_all_use() -> None:
    with pytest.raises(DefinitionError, match=f"comes to more than {MOST_VALUES:,} values"):
        found(f"a: {'${A}' * 1000}", A="x" * 100_000)


def test_more_values_from_outside_than_any_use_are_refused() -> None:
    variables = {f"A{i}": f"text {i}" for i in range(MOST_HIDDEN + 1)}
    text = "\n".join(f"- x${{{name}}}" for name in variables)
    with pytest.raises(DefinitionError) as caught:
        found(text, None, **variables)
    assert str(caught.value).splitlines()[0] == (
        f"w.yaml:{MOST_HIDDEN + 1}:3: the file takes more than {MOST_HIDDEN:,} different values "
        "from outside"
    )
    assert len(found(text.rpartition("\n")[0], None, **variables)) == MOST_HIDDEN


def test_what_else_is_wrong_with_a_value_that_could_not_be_read_is_left_out() -> None:
    problems: list[Problem] = []
    files = {"empty": ""}
    text = "a: !secret no\nb: 5\nc: !include empty\n"
    document = read_document(text, "w", Outside(files), problems)
    found = [Problem(document.mark((key,)), key, "this must be a text") for key in "abc"]
    told = document.discreet([*problems, *found])
    assert [(problem.where, problem.what) for problem in told] == [
        ("a", "there is no secret 'no'"),
        ("", "the file is empty"),
        ("b", "this must be a text"),
    ]
    # Nothing is left out for a reason that is not told.
    assert document.discreet(found) == found


def test_problems_that_are_told_show_nothing_that_is_hidden() -> None:
    document = read_document("a: !secret pin\nhunter2-0815: 1", "w", Outside())
    told = document.discreet(
        [
            Problem(document.mark(("a",)), "a", "'hunter2-0815' is no name"),
            Problem(document.key_mark(("hunter2-0815",)), "hunter2-0815", "unknown key"),
        ]
    )
    assert [str(problem) for problem in told] == [
        "w:1:4: a: '…' is no name\n     1 | a: !secret pin\n       |    ^",
        "w:2:1: …: unknown key",
    ]


def test_a_problem_at_a_hidden_value_quotes_no_part_of_it() -> None:
    text = "n: 'x'\nsteps: [{set: {a: '${Q}', b: '${T}'}}, {set: '${Q}'}]"
    document = read_document(text, "w", Outside(Q="q", T="abc{Tok99}"))
    settings = ("steps", 0, "set")
    told = document.discreet(
        [
            Problem(document.mark((*settings, "a")), "a", "there is no model 'Q' (one of 'yolo')"),
            Problem(document.key_mark((*settings, "a")), "a", "'a q' is none"),
            Problem(document.mark((*settings, "b")), "b", "{Tok99} is none; there is {camera}"),
            Problem(document.mark(settings), "set", "'q' stands there twice"),
            Problem(document.mark(("steps", 0)), "steps", "unknown step 'q'"),
            Problem(document.mark(("n",)), "n", "'q' is unknown"),
        ]
    )
    assert [problem.what for problem in told] == [
        "there is no model '…' (one of 'yolo')",
        "'…' is none",
        "{…} is none; there is {camera}",
        "'…' stands there twice",
        "unknown step 'q'",
        "'q' is unknown",
    ]


def test_the_name_of_a_workflow_is_no_secret() -> None:
    assert refusals("name: !secret pin") == [
        "w.yaml:1:7: name: the name of a workflow is for all to see: it cannot be a secret"
    ]


def test_what_is_refused_in_reading_shows_nothing_that_is_hidden() -> None:
    assert refusals("a: !secret pin\nb: !hunter2-0815 5\nc: ${A:?hunter2-0815}") == [
        "w.yaml:2:4: b: unknown tag !…: values are written without tags",
        "w.yaml:3:4: c: the environment variable A is not set: …",
    ]


# Whatever stands in a file.

TOKENS = st.sampled_from(
    ["a", ": ", "- ", "? ", "\n", "  ", "[", "]", "{", "}", ", ", "&x ", "*x", "!secret ", "pin",
     "!include ", "again", "!x ", "${A}", "${", "}", ":-", "$${", "|", ">", "'", '"', "#", "%",
     "\t", "---\n", "...", "<<", "steps", "when", "5", "~", "\ufeff", "\x85", "\u2028", "\ud800"]
)  # fmt: skip


def read_or_refused(text: str) -> None:
    problems: list[Problem] = []
    sources = Outside({"again": text, "a": "[x, !include again]"}, A="value")
    try:
        document: Document | None = read_document(text, "w", sources, problems)
    except DefinitionError as error:
        problems += error.problems
        document = None
    assert problems or (document is not None and document.mark(("no", 5)) == document.mark(()))
    assert all(str(problem).startswith(("w:", "again:", "a:")) for problem in problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_sentences(content: bytes) -> None:
    read_or_refused(content.decode("latin-1"))
    read_or_refused(content.decode("utf-8", "replace"))


@given(st.lists(TOKENS, max_size=40).map("".join))
@example("!include again")
@example("? !include again\n: [*x, &x ${A}]")
def test_anything_like_yaml_is_read_or_refused_in_sentences(text: str) -> None:
    read_or_refused(text)


PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text("ab:$-\n"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\n"), inner),
)


@given(PLAIN_DATA)
def test_json_is_read_as_it_was_written(data: object) -> None:
    assert read(json.dumps(data)) == data
