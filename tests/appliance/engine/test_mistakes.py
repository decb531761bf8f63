"""Every kind of mistake in a workflow file, with the whole message that answers it."""

from collections.abc import Callable, Sequence

import pytest

from appliance.engine.plan import Plan

Planner = Callable[..., Plan]
Refusal = Callable[..., str]

HEAD = """\
version: 1
name: w
inputs: {image: {type: image}, limit: {type: number, default: 2}, label: {type: string}}
steps:
- {name: one, type: constant@1}
- {name: parts, type: split@1}
- {name: seen, type: look@1}
"""
ONE = """\
version: 1
name: w
steps:
- {name: one, type: constant@1}
"""
SUB = """\
version: 1
name: sub
inputs: {n: {type: number}}
steps:
- {name: inner, type: add@1, a: $inputs.n}
"""


def whole(heads: Sequence[str], **files: str) -> str:
    """Messages as they are printed: each head with its source line, and a caret in its column."""
    told = []
    for head in heads:
        path, line, column = head.split(":")[:3]
        excerpt = files[path.removesuffix(".yaml")].splitlines()[int(line) - 1]
        told += [head, f"{line:>6} | {excerpt}", f"       | {' ' * (int(column) - 1)}^"]
    return "\n".join(told)


MISTAKES = [
    pytest.param(
        HEAD + "- {name: a, type: constant@1, vlue: 3}\n",
        ["w.yaml:8:31: steps.a.vlue: unknown key 'vlue' (did you mean 'value'?)"],
        id="an unknown key of a step",
    ),
    pytest.param(
        HEAD + ("- {name: a, type: constant@1}\nouputs: {x: $steps.a.value}\n"),
        ["w.yaml:9:1: ouputs: unknown key 'ouputs' (did you mean 'outputs'?)"],
        id="an unknown key of the file",
    ),
    pytest.param(
        HEAD + "- {name: a, type: find@1, image: $inputs.image}\n",
        ["w.yaml:8:3: steps.a: the key 'model' is missing"],
        id="a missing setting",
    ),
    pytest.param(
        HEAD + "- {name: a}\n",
        ["w.yaml:8:3: steps.a: the key 'type' is missing"],
        id="a step without a type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, value: hot}\n",
        ["w.yaml:8:38: steps.a.value: this must be a number, not 'hot'"],
        id="a setting of the wrong type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, value: 101}\n",
        ["w.yaml:8:38: steps.a.value: this must be at most 100, not 101"],
        id="a setting out of range",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, kind: warn}\n",
        [
            (
                "w.yaml:8:37: steps.a.kind: this must be 'warm' or 'cold', not 'warn' (did you "
                "mean 'warm'?)"
            )
        ],
        id="a choice that does not exist",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constnt@1}\n",
        ["w.yaml:8:19: steps.a.type: unknown block 'constnt@1' (did you mean 'constant@1'?)"],
        id="an unknown block",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add}\n",
        ["w.yaml:8:19: steps.a.type: 'add' lacks its version: write add@1 or add@3"],
        id="a block without its version",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@2}\n",
        ["w.yaml:8:19: steps.a.type: block 'add' has no version '2' (there is add@1 and add@3)"],
        id="an unknown version",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: $steps.won.value}\n",
        ["w.yaml:8:29: steps.a.a: there is no step 'won' (did you mean 'one'?)"],
        id="an unknown step",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: $steps.one.valeu}\n",
        ["w.yaml:8:29: steps.a.a: step 'one' has no output 'valeu' (did you mean 'value'?)"],
        id="an unknown output",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: $inputs.limt}\n",
        ["w.yaml:8:29: steps.a.a: there is no input 'limt' (did you mean 'limit'?)"],
        id="an unknown input",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: $frame.seqence}\n",
        ["w.yaml:8:29: steps.a.a: there is no frame field 'seqence' (did you mean 'sequence'?)"],
        id="an unknown field of the frame",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: $one.value}\n",
        [
            (
                "w.yaml:8:29: steps.a.a: '$one.value' is no selector: write $inputs.name, "
                "$steps.step.output or $frame.name (a text that begins with a dollar is written "
                "with two)"
            )
        ],
        id="no selector at all",
    ),
    pytest.param(
        HEAD + "- {name: one, type: add@1, a: 1}\n",
        ["w.yaml:8:10: steps.one: duplicate step name 'one' (first on line 5)"],
        id="a name used twice",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: add@1, a: $steps.b.value}\n"
            "- {name: b, type: add@1, a: $steps.c.value}\n"
            "- {name: c, type: add@1, a: $steps.a.value}\n"
        ),
        ["w.yaml:8:3: steps.a: these steps wait for each other: a → c → b → a"],
        id="a cycle",
    ),
    pytest.param(
        HEAD + "- {name: a, type: find@1, model: people, image: $steps.seen.detections}\n",
        [
            (
                "w.yaml:8:49: steps.a.image: 'image' takes an image, but $steps.seen.detections "
                "is detections"
            )
        ],
        id="a wire of the wrong type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: sum@1, values: $steps.parts.names}\n",
        [
            (
                "w.yaml:8:34: steps.a.values: 'values' takes many numbers, but "
                "$steps.parts.names is many texts"
            )
        ],
        id="many values of the wrong type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: double@1, value: $steps.parts.names}\n",
        [
            (
                "w.yaml:8:36: steps.a.value: 'value' takes a number, but each of "
                "$steps.parts.names is a text"
            )
        ],
        id="elements of the wrong type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: sum@1, values: $steps.one.value}\n",
        [
            (
                "w.yaml:8:34: steps.a.values: 'values' takes many numbers, but "
                "$steps.one.value is a number: one alone goes in a list, [$steps.one.value]"
            )
        ],
        id="one value where many are collected",
    ),
    pytest.param(
        HEAD + "- {name: a, type: keep@1, value: $steps.parts.values}\n",
        [
            (
                "w.yaml:8:3: steps.a: keep@1 remembers from turn to turn, so it cannot run once "
                "for each of what step 'parts' gives: collect them first"
            )
        ],
        id="many into a block that remembers",
    ),
    pytest.param(
        HEAD + "- {name: a, type: site@1, value: $steps.parts.values}\n",
        [
            (
                "w.yaml:8:3: steps.a: site@1 stands for all cameras, so it cannot run once for "
                "each of what step 'parts' gives: collect them first"
            )
        ],
        id="many into a block that stands for all cameras",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: more, type: split@1}\n"
            "- {name: a, type: double@1, value: $steps.parts.values, add: "
            "$steps.more.values}\n"
        ),
        [
            (
                "w.yaml:9:3: steps.a: what step 'parts' gives and what step 'more' gives are "
                "many of different origin: they cannot meet in one step; collect one of them first"
            )
        ],
        id="many of different origin",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, b: 3}\n",
        ["w.yaml:8:3: steps.a: the input 'a' is missing; it takes a number"],
        id="a required input that is not given",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: null}\n",
        [
            (
                "w.yaml:8:29: steps.a.a: 'a' is given nothing, and the step cannot do without: "
                "it takes a number"
            )
        ],
        id="nothing given to a required input",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: steps.one.value >}\n",
        ["w.yaml:8:54: steps.a.when: this is no condition: it ends too early"],
        id="a syntax error in a condition",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: steps.one.value + 1}\n",
        ["w.yaml:8:37: steps.a.when: a condition is true or false; this gives a number"],
        id="a condition that is not boolean",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: steps.one.vlaue > 1}\n",
        [
            (
                "w.yaml:8:37: steps.a.when: unknown name 'steps.one.vlaue' (did you mean "
                "'steps.one.value'?)"
            )
        ],
        id="an unknown name in a condition",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: constant@1, when: 'steps.seen.detections.exists(d, "
            'd.lable == "person")\'}\n'
        ),
        ["w.yaml:8:72: steps.a.when: detections have no field 'lable' (did you mean 'label'?)"],
        id="an unknown field of a detection",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: constant@1, when: 'steps.seen.detections.exists(d, "
            "d.direction > 3)'}\n"
        ),
        [
            (
                "w.yaml:8:82: steps.a.when: this is no condition: '>' does not go with a text "
                "and a number"
            )
        ],
        id="a field of a detection that is compared with another type",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: '[1, 2][5] > 1'}\n",
        [
            "w.yaml:8:38: steps.a.when: '[1, 2][5] > 1' cannot be worked out: there is no "
            "element 5 in a list of 2 (the first is 0)"
        ],
        id="an error that a condition always gives",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: present(steps.won)}\n",
        ["w.yaml:8:37: steps.a.when: there is no step 'won' (did you mean 'one'?)"],
        id="an unknown step in present()",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: $steps.one.value > 1}\n",
        ["w.yaml:8:37: steps.a.when: in a condition names have no dollar: steps.one.value > 1"],
        id="an expression that begins with a dollar",
    ),
    pytest.param(
        HEAD + "- {name: a, type: double@1, value: $steps.parts.values, when: item == 'x'}\n",
        [
            (
                "w.yaml:8:68: steps.a.when: this is no condition: '==' does not go with a number "
                "and a text"
            )
        ],
        id="item compared with another type",
    ),
    pytest.param(
        HEAD + "- {name: in, type: constant@1}\n",
        [
            (
                "w.yaml:8:10: steps.in.name: 'in' is a word of the conditions' language: take "
                "another name"
            )
        ],
        id="a word of the conditions' language as a name",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, on_error: ignore}\n",
        ["w.yaml:8:41: steps.a.on_error: this must be 'skip' or 'stop', not 'ignore'"],
        id="an unknown reaction to errors",
    ),
    pytest.param(
        "version: 1\n"
        "name: w\n"
        "inputs: {image: {type: image}, limit: {type: number, default: 2}, label: "
        "{type: text}}\n"
        "steps:\n"
        "- {name: one, type: constant@1}\n"
        "- {name: parts, type: split@1}\n"
        "- {name: seen, type: look@1}\n"
        "- {name: a, type: constant@1}\n",
        [
            (
                "w.yaml:3:81: inputs.label.type: this must be 'image', 'number', 'integer', "
                "'string', 'boolean', 'list', 'object' or 'any', not 'text'"
            )
        ],
        id="an unknown type of an input",
    ),
    pytest.param(
        "version: 1\nname: w\nsteps: []\n",
        ["w.yaml:3:8: steps: this needs at least 1 entry, not 0"],
        id="no steps at all",
    ),
    pytest.param(
        HEAD + "- {name: a, type: send@1, data: {x: $inputs.image}}\n",
        [
            (
                "w.yaml:8:37: steps.a.data: 'data' cannot hold an image; $inputs.image is one: "
                "leave it out"
            )
        ],
        id="an image in data",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: ''}\n",
        ["w.yaml:8:37: steps.a.when: when is empty: write a condition, or delete the line"],
        id="an empty condition",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, when: item > 3}\n",
        ["w.yaml:8:37: steps.a.when: 'item' is known only in a step that runs once for each"],
        id="item outside of once for each",
    ),
    pytest.param(
        HEAD + "- {name: a, type: send@1, data: {i: '= index'}}\n",
        ["w.yaml:8:40: steps.a.data: 'index' is known only in a step that runs once for each"],
        id="index outside of once for each",
    ),
    pytest.param(
        HEAD + "- {name: a, type: send@1, data: {x: '= steps.one.valu * 2'}}\n",
        [
            (
                "w.yaml:8:40: steps.a.data: unknown name 'steps.one.valu' (did you mean "
                "'steps.one.value'?)"
            )
        ],
        id="an expression with a mistake in data",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, value: '= inputs.limt * 2'}\n",
        [("w.yaml:8:41: steps.a.value: unknown name 'inputs.limt' (did you mean 'inputs.limit'?)")],
        id="an expression with a mistake in a setting",
    ),
    pytest.param(
        HEAD + "- {name: a, type: constant@1, value: '= steps.one.value * 2'}\n",
        [
            (
                "w.yaml:8:38: steps.a.value: 'value' is a setting, fixed when the pipeline "
                "starts: it takes a value or $inputs.x, not $steps.one.value, which changes with "
                "each frame"
            )
        ],
        id="a setting that would change with each frame",
    ),
    pytest.param(
        HEAD + "- {name: a, type: add@1, a: '= frame.camera'}\n",
        ["w.yaml:8:29: steps.a.a: 'a' takes a number, but this expression gives a text"],
        id="an expression of the wrong type",
    ),
    pytest.param(
        HEAD + ("- {name: a, type: constant@1}\noutputs: {x: '= steps.a.value +'}\n"),
        ["w.yaml:9:32: outputs.x: this is no expression: it ends too early"],
        id="an expression with a mistake in an output",
    ),
    pytest.param(
        HEAD + ("- {name: a, type: constant@1}\noutputs: {x: $steps.b.value}\n"),
        ["w.yaml:9:14: outputs.x: there is no step 'b' (one of a, one, parts or seen)"],
        id="an output that names nothing",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: find@1, image: $inputs.image, model: people, zone: [[0, "
            "0], [1, 1], [1, 0], [0, 1]]}\n"
        ),
        [
            (
                "w.yaml:8:70: steps.a.zone: the zone crosses itself: the edge from corner 1 "
                "meets the edge from corner 3; give the corners in the order in which you walk "
                "round it"
            )
        ],
        id="a zone that crosses itself",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: find@1, image: $inputs.image, model: people, zone: [[0, "
            "0], [1, 1]]}\n"
        ),
        ["w.yaml:8:70: steps.a.zone: a zone takes at least three corners [x, y]; this has 2"],
        id="a zone with two points",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: all, type: site@1, value: 1}\n"
            "- {name: a, type: find@1, image: $inputs.image, model: people, confidence: "
            "$steps.all.total}\n"
        ),
        [
            (
                "w.yaml:9:3: steps.a: a model cannot come after step 'all', which all cameras "
                "share: they would wait for each other"
            )
        ],
        id="a model after a step that all cameras share",
    ),
    pytest.param(
        "version: 1\n"
        "name: w\n"
        "inputs: {image: {type: image}, limit: {type: number, default: two}, label: "
        "{type: string}}\n"
        "steps:\n"
        "- {name: one, type: constant@1}\n"
        "- {name: parts, type: split@1}\n"
        "- {name: seen, type: look@1}\n"
        "- {name: a, type: constant@1, value: $inputs.limit}\n",
        [
            (
                "w.yaml:3:63: inputs.limit.default: this must be a number, as the input's type "
                "says, not 'two'"
            )
        ],
        id="a default of the wrong type",
    ),
]


@pytest.mark.parametrize(("text", "heads"), MISTAKES)
def test_a_mistake_is_told_with_its_place_its_line_and_a_caret(
    text: str, heads: list[str], refusal: Refusal
) -> None:
    assert refusal(text) == whole(heads, w=text)


IN_ANOTHER_FILE = [
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: 1}\n",
        [
            "sub.yaml:5:33: steps.inner.a: there is no input 'm' (there is n)",
            (
                "sub.yaml:5:44: steps.inner.c: unknown key 'c' (one of a, b, more, name, "
                "on_error, type or when)"
            ),
        ],
        (
            "version: 1\n"
            "name: sub\n"
            "inputs: {n: {type: number}}\n"
            "steps:\n"
            "- {name: inner, type: add@1, a: $inputs.m, c: 3}\n"
        ),
        id="mistakes in a file that runs as a step",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: workflow, workflow: sub.yaml, n: 1}\n"
            "- {name: b, type: workflow, workflow: sub.yaml, n: 2}\n"
        ),
        ["sub.yaml:5:33: steps.inner.a: there is no input 'm' (there is n)"],
        (
            "version: 1\n"
            "name: sub\n"
            "inputs: {n: {type: number}}\n"
            "steps:\n"
            "- {name: inner, type: add@1, a: $inputs.m}\n"
        ),
        id="a mistake in a file that runs as two steps is told once",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: 1}\n",
        ["sub.yaml:1:1: this must be a mapping, not a list"],
        ("- one\n- two\n"),
        id="a file that is no workflow",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sup.yaml, n: 1}\n",
        ["w.yaml:8:39: steps.a.workflow: there is no file 'sup.yaml' beside w.yaml"],
        SUB,
        id="a file that is not there",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: 1}\n",
        ["sub.yaml:6:43: steps.again.workflow: this workflow runs itself: sub.yaml → sub.yaml"],
        SUB + ("- {name: again, type: workflow, workflow: sub.yaml, n: 1}\n"),
        id="a file that runs itself",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, n: 1}\n",
        [
            (
                "w.yaml:8:3: steps.a.workflow: the key 'workflow' is missing: it names the file "
                "that runs as this step"
            )
        ],
        SUB,
        id="no file is named",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: 5, n: 1}\n",
        ["w.yaml:8:29: steps.a.workflow: this must be the name of a workflow file"],
        SUB,
        id="a file named by a number",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml}\n",
        ["w.yaml:8:3: steps.a: the input 'n' is missing; it takes a number"],
        SUB,
        id="an input that the file needs",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: $inputs.label}\n",
        ["w.yaml:8:52: steps.a.n: 'n' takes a number, but $inputs.label is a text"],
        SUB,
        id="an input of the wrong type for the file",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: 1, m: 2}\n",
        [
            (
                "w.yaml:8:55: steps.a.m: unknown key 'm' (one of n, name, on_error, type, when "
                "or workflow)"
            )
        ],
        SUB,
        id="an input that the file has not",
    ),
    pytest.param(
        HEAD
        + (
            "- {name: a, type: workflow, workflow: sub.yaml, n: 1}\n"
            "- {name: b, type: add@1, a: $steps.a.result}\n"
        ),
        ["w.yaml:9:29: steps.b.a: step 'a' has no output 'result' (there is total)"],
        SUB + ("outputs: {total: $steps.inner.value}\n"),
        id="an output that the file has not",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: $frame.sequence}\n",
        [
            (
                "sub.yaml:5:42: steps.inner.value: 'value' is a setting, fixed when the pipeline "
                "starts: it takes a value or $inputs.x, not $inputs.n, to which step 'a' gives "
                "what changes with each frame"
            )
        ],
        (
            "version: 1\n"
            "name: sub\n"
            "inputs: {n: {type: number}}\n"
            "steps:\n"
            "- {name: inner, type: constant@1, value: $inputs.n}\n"
        ),
        id="a setting inside of it that would change with each frame",
    ),
    pytest.param(
        HEAD + "- {name: a, type: workflow, workflow: sub.yaml, n: $steps.parts.values}\n",
        [
            (
                "sub.yaml:5:3: steps.inner: keep@1 remembers from turn to turn, so it cannot run "
                "once for each of what step 'parts' gives, as step 'a' does, in which it stands: "
                "collect them first"
            )
        ],
        (
            "version: 1\n"
            "name: sub\n"
            "inputs: {n: {type: number}}\n"
            "steps:\n"
            "- {name: inner, type: keep@1, value: $inputs.n}\n"
        ),
        id="a block that remembers inside of a file that runs once for each",
    ),
]


@pytest.mark.parametrize(("text", "heads", "sub"), IN_ANOTHER_FILE)
def test_a_mistake_around_a_file_that_runs_as_a_step_is_told_where_it_is(
    text: str, heads: list[str], sub: str, refusal: Refusal
) -> None:
    assert refusal(text, {"sub.yaml": sub}) == whole(heads, w=text, sub=sub)


PROBABLY_NOT_MEANT = [
    pytest.param(
        ONE
        + (
            "- {name: a, type: send@1, data: {x: $steps.one.value}}\n"
            "- {name: b, type: add@1, a: $steps.one.value}\n"
        ),
        [
            (
                "w.yaml:6:3: warning: steps.b: this step is for nothing: no step and no output "
                "takes what it gives"
            )
        ],
        id="a step that nobody uses",
    ),
    pytest.param(
        ONE + "- {name: a, type: send@1, when: 'false', data: {x: $steps.one.value}}\n",
        ["w.yaml:5:33: warning: steps.a.when: this can never be true: the step never runs"],
        id="a condition that is never true",
    ),
    pytest.param(
        ONE
        + (
            "- {name: a, type: add@1, when: '!present(steps.one)', a: $steps.one.value}\n"
            "outputs: {x: $steps.a.value}\n"
        ),
        ["w.yaml:5:32: warning: steps.a.when: this can never be true: the step never runs"],
        id="a condition that contradicts a wire",
    ),
    pytest.param(
        ONE
        + (
            "- {name: a, type: add@1, when: 'present(steps.one) ? [1][5] > 1 : false', "
            "a: $steps.one.value}\n"
            "outputs: {x: $steps.a.value}\n"
        ),
        ["w.yaml:5:32: warning: steps.a.when: this can never be true: the step never runs"],
        id="a condition that is an error whatever comes",
    ),
    pytest.param(
        ONE
        + (
            "- {name: a, type: add@1, when: 'false', a: $steps.one.value}\n"
            "- {name: b, type: add@1, a: $steps.a.value}\n"
            "- {name: c, type: send@1, when: steps.b.value > 1}\n"
        ),
        [
            "w.yaml:5:32: warning: steps.a.when: this can never be true: the step never runs",
            "w.yaml:6:3: warning: steps.b: this step never runs, since step 'a' never does",
            "w.yaml:7:3: warning: steps.c: this step never runs, since step 'b' never does",
        ],
        id="steps after one that never runs",
    ),
]


@pytest.mark.parametrize(("text", "heads"), PROBABLY_NOT_MEANT)
def test_what_is_probably_not_meant_is_a_warning(
    text: str, heads: list[str], plan: Planner
) -> None:
    assert "\n".join(map(str, plan(text).warnings)) == whole(heads, w=text)


def test_a_step_that_nobody_uses_in_another_file_is_told_there(plan: Planner) -> None:
    sub = SUB + "- {name: other, type: add@1, a: $inputs.n}\noutputs: {total: $steps.inner.value}\n"
    text = ONE + (
        "- {name: a, type: workflow, workflow: sub.yaml, n: $steps.one.value}\n"
        "- {name: b, type: send@1, data: {x: $steps.a.total}}\n"
    )
    head = (
        "sub.yaml:6:3: warning: steps.other: this step is for nothing: no step and no output takes "
        "what it gives"
    )
    (warning,) = plan(text, {"sub.yaml": sub}).warnings
    assert str(warning) == whole([head], sub=sub)


def test_ten_mistakes_of_one_file_are_told_at_once(refusal: Refusal) -> None:
    text = """\
version: 1
name: w
inputs:
  image: {type: image}
  limit: {type: number, default: two}
steps:
- {name: found, type: find@1, image: $inputs.imge, model: people}
- {name: zone, type: constant@1, value: 101}
- {name: zone, type: constnt@1}
- {name: parts, type: split@1, count: many}
- {name: sum, type: sum@1, values: $steps.zone.value}
- {name: alarm, type: send@1, when: steps.sum.value > , data: {n: $steps.sum.totl}}
ouputs: {}
"""
    assert (
        refusal(text)
        == """\
w.yaml:5:34: inputs.limit.default: this must be a number, as the input's type says, not 'two'
     5 |   limit: {type: number, default: two}
       |                                  ^
w.yaml:7:38: steps.found.image: there is no input 'imge' (did you mean 'image'?)
     7 | - {name: found, type: find@1, image: $inputs.imge, model: people}
       |                                      ^
w.yaml:8:41: steps.zone.value: this must be at most 100, not 101
     8 | - {name: zone, type: constant@1, value: 101}
       |                                         ^
w.yaml:9:10: steps.zone: duplicate step name 'zone' (first on line 8)
     9 | - {name: zone, type: constnt@1}
       |          ^
w.yaml:9:22: steps.zone.type: unknown block 'constnt@1' (did you mean 'constant@1'?)
     9 | - {name: zone, type: constnt@1}
       |                      ^
w.yaml:10:39: steps.parts.count: this must be a whole number, not 'many'
    10 | - {name: parts, type: split@1, count: many}
       |                                       ^
w.yaml:11:36: steps.sum.values: 'values' takes many numbers, \
but $steps.zone.value is a number: one alone goes in a list, [$steps.zone.value]
    11 | - {name: sum, type: sum@1, values: $steps.zone.value}
       |                                    ^
w.yaml:12:54: steps.alarm.when: this is no condition: it ends too early
    12 | - {name: alarm, type: send@1, when: steps.sum.value > , data: {n: $steps.sum.totl}}
       |                                                      ^
w.yaml:12:67: steps.alarm.data: step 'sum' has no output 'totl' (there is value)
    12 | - {name: alarm, type: send@1, when: steps.sum.value > , data: {n: $steps.sum.totl}}
       |                                                                   ^
w.yaml:13:1: ouputs: unknown key 'ouputs' (did you mean 'outputs'?)
    13 | ouputs: {}
       | ^\
"""
    )


def test_the_way_to_a_file_that_runs_itself_is_told(refusal: Refusal) -> None:
    files = {
        "a.yaml": SUB + "- {name: b, type: workflow, workflow: b.yaml, n: 1}\n",
        "b.yaml": SUB + "- {name: a, type: workflow, workflow: a.yaml, n: 1}\n",
    }
    told = refusal(ONE + "- {name: a, type: workflow, workflow: a.yaml, n: 1}\n", files)
    assert told.splitlines()[0] == (
        "b.yaml:6:39: steps.a.workflow: this workflow runs itself: a.yaml → b.yaml → a.yaml"
    )


def test_workflows_in_each_other_have_a_greatest_depth(refusal: Refusal, plan: Planner) -> None:
    step = "- {{name: next, type: workflow, workflow: f{}.yaml, n: 1}}\n"
    files = {f"f{i}.yaml": SUB + step.format(i + 1) for i in range(8)}
    told = refusal(ONE + step.format(0), files | {"f8.yaml": SUB})
    assert told.splitlines()[0] == (
        "f7.yaml:6:42: steps.next.workflow: workflows run in each other more than 8 deep"
    )
    made = plan(ONE + step.format(0), files | {"f7.yaml": SUB})
    assert made.steps[-1].name == "next/" * 8 + "inner"


def test_all_that_runs_in_a_workflow_together_has_a_greatest_number(refusal: Refusal) -> None:
    wide = "version: 1\nname: wide\nsteps:\n" + "".join(
        f"- {{name: s{i}, type: workflow, workflow: NEXT}}\n" for i in range(20)
    )
    last = "version: 1\nname: last\nsteps:\n" + "".join(
        f"- {{name: s{i}, type: constant@1}}\n" for i in range(20)
    )
    files = {"a": wide.replace("NEXT", "b"), "b": wide.replace("NEXT", "c"), "c": last}
    told = refusal(ONE + "- {name: a, type: workflow, workflow: a}\n", files)
    assert told.count("with all that run in it this workflow has more than 2,000 steps") == 1


def test_of_very_many_mistakes_only_the_first_are_told(refusal: Refusal) -> None:
    text = HEAD + "".join(f"- {{name: s{i}, type: add@1, a: $steps.no.x}}\n" for i in range(500))
    told = [line for line in refusal(text).splitlines() if line.startswith("w.yaml:")]
    assert told[0] == "w.yaml:1:1: of all that is wrong only the first 200 problems are told"
    assert 200 <= len(told) <= 202
