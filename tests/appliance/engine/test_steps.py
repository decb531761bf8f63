"""One step against its block: settings, wires and conditions, and each refusal with its place."""

from collections.abc import Callable

import pytest

from appliance.engine.plan import Plan
from appliance.engine.values import Reference

Planner = Callable[[str], Plan]
Refusal = Callable[[str], str]
Around = Callable[[str], str]


@pytest.mark.parametrize(
    ("line", "message", "caret"),
    [
        (
            "- {name: a, type: constant@1, vlue: 3}",
            "steps.a.vlue: unknown key 'vlue' (did you mean 'value'?)",
            "vlue: 3",
        ),
        (
            "- {name: a, type: constant@1, wen: 'true'}",
            "steps.a.wen: unknown key 'wen' (did you mean 'when'?)",
            "wen:",
        ),
        (
            "- {name: a, type: constant@1, value: hot}",
            "steps.a.value: this must be a number, not 'hot'",
            "hot",
        ),
        (
            "- {name: a, type: constant@1, value: 101}",
            "steps.a.value: this must be at most 100, not 101",
            "101",
        ),
        (
            "- {name: a, type: constant@1, texts: [a, 5]}",
            "steps.a.texts.1: this must be a text, not 5",
            "5]",
        ),
        (
            "- {name: a, type: find@1, image: $inputs.image}",
            "steps.a: the key 'model' is missing",
            "{name",
        ),
        (
            "- {name: a, type: find@1, image: $inputs.image, model: m, zone: [[0,0],[2,0],[1,1]]}",
            "steps.a.zone: the point [2, 0] is outside 0..1 of the frame "
            "(for pixels, set `units: pixels`)",
            "[[0,0]",
        ),
        (
            "- {name: a, type: constant@1, value: $frame.sequence}",
            "steps.a.value: 'value' is a setting, fixed when the pipeline starts: it takes a "
            "value or $inputs.x, not $frame.sequence, which changes with each frame",
            "$frame",
        ),
        (
            "- {name: a, type: send@1, topic: $inputs.image}",
            "steps.a.topic: 'topic' is a setting, fixed when the pipeline starts: it takes a "
            "value or $inputs.x, not $inputs.image, which changes with each frame",
            "$inputs",
        ),
        (
            "- {name: a, type: constant@1, texts: [$inputs.nme]}",
            "steps.a.texts: there is no input 'nme' (did you mean 'name'?)",
            "$inputs",
        ),
        (
            "- {name: a, type: add@1}",
            "steps.a: the input 'a' is missing; it takes a number",
            "{name",
        ),
        ("- {name: a, type: add@1, a: x}", "steps.a.a: 'a' takes a number, not 'x'", "x}"),
        (
            "- {name: a, type: add@1, a: ~}",
            "steps.a.a: 'a' is given nothing, and the step cannot do without: it takes a number",
            "~",
        ),
        (
            "- {name: a, type: find@1, model: m, image: 5}",
            "steps.a.image: 'image' takes an image: wire it, as $steps.step.output",
            "5}",
        ),
        (
            "- {name: a, type: add@1, a: $frame.camera}",
            "steps.a.a: 'a' takes a number, but $frame.camera is a text",
            "$frame",
        ),
        (
            "- {name: a, type: find@1, model: m, image: $steps.one.value}",
            "steps.a.image: 'image' takes an image, but $steps.one.value is a number",
            "$steps",
        ),
        (
            "- {name: a, type: add@3, many: {x: $frame.sequence}}",
            "steps.a.many: 'many' takes a list, but this is a mapping",
            "{x:",
        ),
        (
            "- {name: a, type: send@1, data: [$frame.sequence]}",
            "steps.a.data: 'data' takes a mapping or nothing, but this is a list",
            "[$frame",
        ),
        (
            "- {name: a, type: send@1, data: {x: [$steps.one.valu]}}",
            "steps.a.data: step 'one' has no output 'valu' (did you mean 'value'?)",
            "$steps",
        ),
        (
            "- {name: a, type: add@1, a: $steps.oen.value}",
            "steps.a.a: there is no step 'oen' (did you mean 'one'?)",
            "$steps",
        ),
        (
            "- {name: a, type: add@1, a: $steps.sink.value}",
            "steps.a.a: step 'sink' has no output 'value' (it gives none)",
            "$steps",
        ),
        (
            "- {name: a, type: add@1, a: $frame.seqence}",
            "steps.a.a: there is no frame field 'seqence' (did you mean 'sequence'?)",
            "$frame",
        ),
        (
            "- {name: a, type: add@1, a: $camera}",
            "steps.a.a: '$camera' is no selector: write $inputs.name, $steps.step.output or "
            "$frame.name (a text that begins with a dollar is written with two)",
            "$camera",
        ),
        (
            "- {name: a, type: send@1, data: {x: [1, $inputs.image]}}",
            "steps.a.data: 'data' cannot hold an image; $inputs.image is one: leave it out",
            "$inputs",
        ),
        (
            "- {name: a, type: add@3, many: [$inputs.image]}",
            "steps.a.many: 'many' cannot hold an image; $inputs.image is one: leave it out",
            "$inputs",
        ),
        (
            "- {name: a, type: add@1, a: $steps.one}",
            "steps.a.a: '$steps.one' is a whole step: name one of its outputs: $steps.one.value",
            "$steps",
        ),
        (
            "- {name: a, type: constant@1, when: $steps.one.value > 0}",
            "steps.a.when: in a condition names have no dollar: steps.one.value > 0",
            "$steps",
        ),
        (
            "- {name: a, type: constant@1, when: steps.one.value >}",
            "steps.a.when: this is no condition: it ends too early",
            "}",
        ),
        (
            "- {name: a, type: constant@1, when: steps.one.value > 1 && steps.one.valu > 2}",
            "steps.a.when: unknown name 'steps.one.valu' (did you mean 'steps.one.value'?)",
            "steps.one.valu >",
        ),
        (
            "- {name: a, type: constant@1, when: 'frame.camera > 3'}",
            "steps.a.when: this is no condition: '>' does not go with a text and a number",
            "> 3",
        ),
        (
            "- {name: a, type: constant@1, when: steps.one.value + 1}",
            "steps.a.when: a condition is true or false; this gives a number",
            "steps.one",
        ),
        (
            "- {name: a, type: constnt@1}",
            "steps.a.type: unknown block 'constnt@1' (did you mean 'constant@1'?)",
            "constnt",
        ),
    ],
)
def test_a_step_is_refused_with_place_line_and_caret(
    line: str, message: str, caret: str, refusal: Refusal
) -> None:
    head = (
        "version: 1\nname: w\ninputs: {image: {type: image}, name: {type: string}}\nsteps:\n"
        "- {name: one, type: constant@1}\n- {name: sink, type: send@1}\n"
    )
    column = line.rindex(caret) + 1
    assert refusal(f"{head}{line}\n") == (
        f"w.yaml:7:{column}: {message}\n     7 | {line}\n       | {' ' * (column - 1)}^"
    )


def test_a_condition_on_lines_of_its_own_is_refused_where_it_begins(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("- name: a\n  type: constant@1\n  when: |\n    true\n    && nope\n")
    assert "w.yaml:6:9: steps.a.when: unknown name 'nope'" in refusal(text)


def test_a_value_of_no_known_type_may_hold_an_image(plan: Planner) -> None:
    made = plan("""
        version: 1
        name: w
        inputs: {image: {type: image}}
        steps: [{name: a, type: row@1, row: {x: $inputs.image}}]
    """)
    assert len(made.steps[0].built) == 1


def test_several_faults_of_several_steps_are_told_in_the_order_of_the_file(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: a, type: constant@1, value: hot, other: 1}
        - {name: b, type: nothing_like_it@1}
        - {name: c, type: add@1, a: $steps.b.value, b: $steps.a.vaule, when: steps.b.x > 1}
        - {name: d, type: add@1, a: $steps.x.value, when: 5 +}
    """)
    lines = [line for line in refusal(text).splitlines() if line.startswith("w.yaml")]
    assert lines == [
        "w.yaml:4:38: steps.a.value: this must be a number, not 'hot'",
        "w.yaml:4:43: steps.a.other: unknown key 'other' (one of kind, name, on, on_error, "
        "texts, type, value, when or whole)",
        "w.yaml:5:19: steps.b.type: unknown block 'nothing_like_it@1' "
        "(`appliance blocks` lists what there is)",
        "w.yaml:6:48: steps.c.b: step 'a' has no output 'vaule' (did you mean 'value'?)",
        "w.yaml:7:29: steps.d.a: there is no step 'x' (one of a, b, c or d)",
        "w.yaml:7:54: steps.d.when: this is no condition: it ends too early",
    ]


def test_a_wire_into_a_step_that_is_refused_is_not_refused_again(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: a, type: unknown@1}
        - {name: b, type: send@1, data: {x: $steps.a.y}, when: steps.a.z}
    """)
    assert refusal(text).count("w.yaml") == 1


def test_a_setting_that_an_input_has_yet_to_give_is_not_judged(plan: Planner) -> None:
    made = plan(
        """
        version: 1
        name: w
        inputs: {units: {type: string}, model: {type: string}}
        steps:
        - name: a
          type: find@1
          image: $inputs.picture
          model: $inputs.model
          units: $inputs.units
          zone: [[0, 0], [640, 0], [640, 480]]
    """.replace("inputs: {", "inputs: {picture: {type: image}, ")
    )
    assert made.steps[0].settings["units"] == Reference("inputs.units")


def test_a_setting_is_judged_with_the_default_of_its_input(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        inputs: {value: {type: number, default: 500}}
        steps: [{name: a, type: constant@1, value: $inputs.value}]
    """
    assert "steps.a.value: this must be at most 100, not 500" in refusal(text)


def test_another_setting_is_judged_though_one_is_not_given_yet(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        inputs: {v: {type: number}}
        steps: [{name: value, type: constant@1, value: $inputs.v, whole: 1.5, kind: cool}]
    """
    told = refusal(text)
    assert "steps.value.whole: this must be a whole number, not 1.5" in told
    assert "steps.value.kind: this must be 'warm' or 'cold'" in told


def test_a_model_and_a_connection_are_known_as_names_of_something_outside(
    plan: Planner,
) -> None:
    made = plan("""
        version: 1
        name: w
        inputs: {image: {type: image}}
        steps:
        - {name: a, type: find@1, image: $inputs.image, model: people}
        - {name: b, type: send@1}
    """)
    assert [step.names_outside for step in made.steps] == [
        {"model": "model"},
        {"connection": "connection", "spare": "connection"},
    ]
