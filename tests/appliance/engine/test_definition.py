"""The outer form of a workflow file: its keys, names, inputs, steps and outputs."""

from dataclasses import FrozenInstanceError

import pytest

from appliance.engine.definition import parse_definition, read_definition
from appliance.engine.errors import MOST_PROBLEMS, DefinitionError, Problem
from appliance.engine.sources import NOTHING_OUTSIDE
from blocks.data import Image

WHOLE = """\
version: 1
name: gate-count.v2
description: Counts.
inputs:
  image: {type: image}
  confidence: {type: number, default: 0.4, description: How sure.}
  nothing: {type: any, default: null}
steps:
  - name: people
    type: find@1
    image: $inputs.image
    on_error: stop
    when: inputs.confidence > 0
outputs:
  found: $steps.people.detections
"""


def refused(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        read_definition(text, "w.yaml")
    return str(caught.value)


def test_a_whole_file_is_read_as_it_stands() -> None:
    definition, document = read_definition(WHOLE, "w.yaml")
    assert definition.name == "gate-count.v2"
    (step,) = definition.steps
    assert (step.name, step.type, step.when) == ("people", "find@1", "inputs.confidence > 0")
    assert step.on_error == "stop"
    assert step.given == {"image": "$inputs.image"}
    assert definition.outputs == {"found": "$steps.people.detections"}
    assert document.path == "w.yaml"


def test_a_file_says_little_where_little_is_meant() -> None:
    text = "version: 1\nname: w\nsteps: [{name: a, type: b@1}]"
    definition, _ = read_definition(text, "w.yaml")
    assert (definition.description, definition.inputs, definition.outputs) == ("", {}, {})
    assert (definition.steps[0].when, definition.steps[0].on_error) == (None, "skip")


def test_an_input_knows_its_python_type_and_whether_it_may_be_left_out() -> None:
    inputs = read_definition(WHOLE, "w.yaml")[0].inputs
    assert inputs["image"].annotation is Image
    assert inputs["confidence"].annotation is float
    assert {name: spec.has_default for name, spec in inputs.items()} == {
        "image": False,
        "confidence": True,
        "nothing": True,
    }


@pytest.mark.parametrize("word", ["on", "off", "yes", "no"])
def test_a_step_may_be_called_what_old_yaml_takes_for_a_boolean(word: str) -> None:
    text = WHOLE.replace("name: people", f"name: {word}")
    assert read_definition(text, "w.yaml")[0].steps[0].name == word


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "version: 1",
            "version: 2",
            "w.yaml:1:10: version: there is only version 1 of the workflow language, no 2\n"
            "     1 | version: 2\n"
            "       |          ^",
        ),
        (
            "version: 1",
            "version: true",
            "w.yaml:1:10: version: this must be a whole number, not true\n"
            "     1 | version: true\n"
            "       |          ^",
        ),
        (
            "gate-count.v2",
            "gate count",
            "w.yaml:2:7: name: 'gate count' is no name of a workflow: a letter or digit, then "
            "also '_', '.' and '-'\n"
            "     2 | name: gate count\n"
            "       |       ^",
        ),
        (
            "description: Counts.",
            "desription: Counts.",
            "w.yaml:3:1: desription: unknown key 'desription' (did you mean 'description'?)\n"
            "     3 | desription: Counts.\n"
            "       | ^",
        ),
        (
            "type: number",
            "type: nmber",
            "w.yaml:6:22: inputs.confidence.type: this must be 'image', 'number', 'integer', "
            "'string', 'boolean', 'list', 'object' or 'any', not 'nmber' (did you mean 'number'?)\n"
            "     6 |   confidence: {type: nmber, default: 0.4, description: How sure.}\n"
            "       |                      ^",
        ),
        (
            "default: 0.4",
            "defalt: 0.4",
            "w.yaml:6:30: inputs.confidence.defalt: unknown key 'defalt' "
            "(did you mean 'default'?)\n"
            "     6 |   confidence: {type: number, defalt: 0.4, description: How sure.}\n"
            "       |                              ^",
        ),
        (
            "  nothing:",
            "  no-thing:",
            "w.yaml:7:3: inputs.no-thing: 'no-thing' is no name: a letter, then letters, digits "
            "and underscores\n"
            "     7 |   no-thing: {type: any, default: null}\n"
            "       |   ^",
        ),
        (
            "  found:",
            "  1st:",
            "w.yaml:15:3: outputs.1st: '1st' is no name: a letter, then letters, digits and "
            "underscores\n"
            "    15 |   1st: $steps.people.detections\n"
            "       |   ^",
        ),
        (
            "- name: people",
            "- name: in",
            "w.yaml:9:11: steps.in.name: 'in' is a word of the conditions' language: "
            "take another name\n"
            "     9 |   - name: in\n"
            "       |           ^",
        ),
        (
            "- name: people",
            '- name: "people\\n"',
            "w.yaml:9:11: steps.0.name: 'people\\n' is no name: a letter, then letters, "
            "digits and underscores\n"
            '     9 |   - name: "people\\n"\n'
            "       |           ^",
        ),
        (
            "on_error: stop",
            "on_error: stp",
            "w.yaml:12:15: steps.people.on_error: this must be 'skip' or 'stop', not 'stp' "
            "(did you mean 'stop'?)\n"
            "    12 |     on_error: stp\n"
            "       |               ^",
        ),
        (
            "when: inputs.confidence > 0",
            "when: true",
            "w.yaml:13:11: steps.people.when: this must be a text, not true\n"
            "    13 |     when: true\n"
            "       |           ^",
        ),
        (
            "when: inputs.confidence > 0",
            "when:",
            "w.yaml:13:10: steps.people.when: when is empty: write a condition, or delete "
            "the line\n"
            "    13 |     when:\n"
            "       |          ^",
        ),
        (
            "when: inputs.confidence > 0",
            "when: ' '",
            "w.yaml:13:11: steps.people.when: when is empty: write a condition, or delete "
            "the line\n"
            "    13 |     when: ' '\n"
            "       |           ^",
        ),
        (
            "when: inputs.confidence > 0",
            "when: {inputs.confidence > 0}",
            "w.yaml:13:11: steps.people.when: a condition needs no braces\n"
            "    13 |     when: {inputs.confidence > 0}\n"
            "       |           ^",
        ),
        (
            "type: find@1",
            "type: {find}",
            "w.yaml:10:11: steps.people.type: this must be a text, not a mapping "
            "(a text that begins with { goes in quotes)\n"
            "    10 |     type: {find}\n"
            "       |           ^",
        ),
        (
            "- name: people\n    type",
            "- nam: people\n    type",
            "w.yaml:9:5: steps.0: the key 'name' is missing (is 'nam' meant to be it?)\n"
            "     9 |   - nam: people\n"
            "       |     ^",
        ),
        (
            "    type: find@1\n",
            "",
            "w.yaml:9:5: steps.people: the key 'type' is missing\n"
            "     9 |   - name: people\n"
            "       |     ^",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, text: str) -> None:
    assert WHOLE.count(old) == 1
    assert refused(WHOLE.replace(old, new)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "w.yaml:1:1: this must be a mapping, not a list\n     1 | []\n       | ^"),
        ("5", "w.yaml:1:1: this must be a mapping, not 5\n     1 | 5\n       | ^"),
        ("---", "w.yaml:1:4: this must be a mapping, not nothing\n     1 | ---\n       |    ^"),
        (
            "version: 1\nname: w\nsteps: []",
            "w.yaml:3:8: steps: this needs at least 1 entry, not 0\n"
            "     3 | steps: []\n"
            "       |        ^",
        ),
        (
            "version: 1\nname: w\nsteps: [5]",
            "w.yaml:3:9: steps.0: this must be a mapping, not 5\n"
            "     3 | steps: [5]\n"
            "       |         ^",
        ),
        (
            "name: w\nsteps: {a: 1}",
            "w.yaml:1:1: the key 'version' is missing: write version: 1\n"
            "     1 | name: w\n"
            "       | ^\n"
            "w.yaml:2:8: steps: this must be a list, not a mapping "
            "(each step begins with `- name:`)\n"
            "     2 | steps: {a: 1}\n"
            "       |        ^",
        ),
    ],
)
def test_what_is_no_workflow_at_all_is_refused(text: str, message: str) -> None:
    assert refused(text) == message


@pytest.mark.parametrize("key", ["cameras", "connections", "pipelines"])
def test_a_settings_file_is_no_workflow(key: str) -> None:
    assert refused(f"version: 1\nstate_dir: x\n{key}: {{}}\n") == (
        "w.yaml:3:1: this looks like a settings file: check it with --config\n"
        f"     3 | {key}: {{}}\n"
        "       | ^"
    )
    assert f"{key}: unknown key '{key}'" in refused(f"{WHOLE}{key}: {{}}\n")


def test_a_step_name_may_be_used_once() -> None:
    text = "version: 1\nname: w\nsteps:\n- {name: a, type: b@1}\n- {type: b@1, name: a}\n"
    assert refused(text) == (
        "w.yaml:5:21: steps.a: duplicate step name 'a' (first on line 4)\n"
        "     5 | - {type: b@1, name: a}\n"
        "       |                     ^"
    )


def test_several_problems_are_told_in_the_order_of_the_file() -> None:
    text = WHOLE.replace("on_error: stop", "on_error: 1").replace("version: 1", "version: 1.5")
    lines = [line for line in refused(text).splitlines() if line.startswith("w.yaml")]
    assert lines == [
        "w.yaml:1:10: version: this must be a whole number, not 1.5",
        "w.yaml:12:15: steps.people.on_error: this must be 'skip' or 'stop', not 1",
    ]


def test_a_definition_is_frozen() -> None:
    definition, _ = read_definition(WHOLE, "w.yaml")
    with pytest.raises(FrozenInstanceError):
        definition.name = "other"  # type: ignore[misc]  # on purpose


def test_a_file_that_is_made_of_mistakes_is_read_no_further() -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definition(WHOLE + "name: w\n" * (MOST_PROBLEMS + 50), "w.yaml")
    assert len(caught.value.problems) <= MOST_PROBLEMS + 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "{image: image}",
            "inputs.image: this must be a mapping, not 'image' (write {type: image})",
        ),
        ("{a: number}", "inputs.a: this must be a mapping, not 'number' (write {type: …})"),
        (
            '{a: {type: number, default: "${NOT_SET:-0.4}"}}',
            "inputs.a.default: this must be a number, as the input's type says, not '0.4' (for a "
            "number write it without brackets on a line of its own: default: ${CONF:-0.4})",
        ),
    ],
)
def test_inputs_written_too_short_or_in_quotes_get_a_hint(line: str, message: str) -> None:
    problems: list[Problem] = []
    text = f"version: 1\nname: w\ninputs: {line}\nsteps: [{{name: a, type: x@1}}]"
    parse_definition(text, "w", NOTHING_OUTSIDE, problems)
    assert [f"{problem.where}: {problem.what}" for problem in problems] == [message]
