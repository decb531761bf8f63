"""A whole workflow against its blocks: inputs, needs, start; and that no file makes a traceback."""

import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.definition import read_definition
from appliance.engine.errors import DefinitionError, InputError, StepError
from appliance.engine.plan import Plan, load_plan, make_plan
from appliance.engine.run import Run
from appliance.engine.testing import FixedDetector, FixedHost, frame
from blocks.block import BlockType, Origin
from blocks.host import Detector, Gives
from blocks.loading import load_blocks

Planner = Callable[[str], Plan]
Refusal = Callable[[str], str]
Starter = Callable[..., Run]

SHIPPED = (Path(__file__).parents[3] / "workflows" / "people-count.yaml").read_text("utf-8")

INPUTS = """
    version: 1
    name: w
    inputs:
      image: {type: image}
      model: {type: string}
      confidence: {type: number, default: 0.4}
      labels: {type: list, default: [person]}
    steps:
    - name: a
      type: find@1
      image: $inputs.image
      model: $inputs.model
      confidence: $inputs.confidence
      labels: $inputs.labels
    - {name: b, type: send@1, connection: plant}
    - {name: c, type: send@1}
    outputs: {found: $steps.a.detections}
"""


@pytest.fixture(scope="session")
def shipped_blocks() -> Mapping[str, BlockType]:
    return load_blocks()


def test_a_plan_is_made_of_a_text_or_of_a_definition(blocks: Mapping[str, BlockType]) -> None:
    text = "version: 1\nname: w\nsteps: [{name: a, type: constant@1}]"
    made = make_plan(*read_definition(text, "w.yaml"), blocks)
    assert made.name == load_plan(text, "w.yaml", blocks).name == "w"
    assert [step.name for step in made.steps] == ["a"]


def test_the_values_of_inputs_are_those_given_and_the_defaults(plan: Planner) -> None:
    values = plan(INPUTS).values({"model": "people", "confidence": 1})
    assert values == {"model": "people", "confidence": 1, "labels": ["person"]}


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({}, "workflow w needs a value for its input 'model' (a text)"),
        (
            {"modl": "people"},
            "workflow w has no input 'modl' (did you mean 'model'?)",
        ),
        (
            {"model": "people", "image": 5},
            "workflow w has no input 'image' (one of confidence, labels or model)",
        ),
        ({"model": 5}, "input 'model' of workflow w must be a text, not 5"),
        (
            {"model": "people", "confidence": "high"},
            "input 'confidence' of workflow w must be a number, not 'high'",
        ),
        (
            {"model": "people", "confidence": True},
            "input 'confidence' of workflow w must be a number, not true",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    given_values: dict[str, object], message: str, plan: Planner, start: Starter
) -> None:
    with pytest.raises(InputError) as caught:
        plan(INPUTS).values(given_values)
    assert str(caught.value) == message
    with pytest.raises(InputError, match=r"workflow w"):
        start(INPUTS, **given_values)


def test_a_workflow_without_inputs_says_so(plan: Planner) -> None:
    made = plan("version: 1\nname: w\nsteps: [{name: a, type: constant@1}]")
    with pytest.raises(InputError) as caught:
        made.values({"x": 1})
    assert str(caught.value) == "workflow w has no input 'x' (it has none)"


def test_what_a_workflow_names_outside_is_told_with_its_place(plan: Planner) -> None:
    needs = plan(INPUTS).needs({"model": "people"})
    assert [(n.kind, n.name, n.where, n.mark.line) for n in needs] == [
        ("model", "people", "steps.a.model", 12),
        ("connection", "plant", "steps.b.connection", 15),
        ("connection", "local", "steps.c.connection", 16),
    ]


def test_what_only_an_input_will_name_is_not_needed_yet(plan: Planner) -> None:
    assert [need.name for need in plan(INPUTS).needs()] == ["plant", "local"]


def test_the_default_of_an_input_may_name_what_is_needed(plan: Planner) -> None:
    text = INPUTS.replace("model: {type: string}", "model: {type: string, default: cars}")
    assert plan(text).needs()[0].name == "cars"


def test_a_name_that_begins_with_a_dollar_is_told_with_one(plan: Planner) -> None:
    assert plan(INPUTS.replace("plant", "$$plant")).needs()[0].name == "$plant"


def test_what_cannot_be_worked_out_is_told_and_not_needed(plan: Planner) -> None:
    text = INPUTS.replace("connection: plant", 'connection: "= string(double(inputs.model))"')
    made = plan(text)
    assert [need.name for need in made.needs({"model": "people"})] == ["people", "local"]
    assert [need.name for need in made.needs({"model": "7"})] == ["7", "7", "local"]
    (misfit,) = made.misfits({"model": "people"})
    assert misfit.problem.where == "steps.b.connection"


def test_outputs_that_are_inputs_are_copies(plan: Planner) -> None:
    made = plan("""
        version: 1
        name: w
        inputs: {given: {type: list}, left: {type: list, default: [1, [2]]}, i: {type: image}}
        steps: [{name: a, type: constant@1}]
        outputs: {given: $inputs.given, left: $inputs.left, i: $inputs.i}
    """)
    given = [3, [4]]
    run = made.start({"given": given}, NobodyFound(), Origin("", "p", "gate", ""))
    picture = frame()
    first = run.turn(picture).outputs
    for name in ("given", "left"):
        first[name][1].append("changed")
    assert run.turn(picture).outputs == {"given": [3, [4]], "left": [1, [2]], "i": picture.image}
    assert first["i"] is picture.image
    assert given == [3, [4]]
    again = made.start({"given": given}, NobodyFound(), Origin("", "p", "gate", ""))
    assert again.turn(picture).outputs["left"] == [1, [2]]


def test_a_setting_that_its_input_makes_wrong_is_refused_at_the_start(start: Starter) -> None:
    text = INPUTS.replace("{type: list, default: [person]}", "{type: list}")
    with pytest.raises(DefinitionError) as caught:
        start(text, model="people", labels=["a", 5])
    assert str(caught.value) == (
        "w.yaml:14:11: steps.a.labels: this must be a text, not 5\n"
        "    14 |   labels: $inputs.labels\n"
        "       |           ^"
    )


def test_a_block_that_refuses_to_start_is_answered_with_its_sentence_and_place(
    start: Starter,
) -> None:
    text = """
        version: 1
        name: w
        steps:
        - {name: a, type: refuse@1, kind: lookup}
        - {name: b, type: constant@1}
        - {name: c, type: refuse@1}
    """
    with pytest.raises(DefinitionError) as caught:
        start(text)
    assert str(caught.value) == (
        "w.yaml:4:3: steps.a: there is no such thing\n"
        "     4 | - {name: a, type: refuse@1, kind: lookup}\n"
        "       |   ^\n"
        "w.yaml:6:3: steps.c: this kind of block is refused\n"
        "     6 | - {name: c, type: refuse@1}\n"
        "       |   ^"
    )


def test_a_model_that_the_host_does_not_have_is_refused_at_the_start(start: Starter) -> None:
    with pytest.raises(DefinitionError, match=r"steps\.a: there is no model 'cars'"):
        start(INPUTS, model="cars")


def test_a_block_is_told_where_it_stands(start: Starter) -> None:
    (first, _) = start(INPUTS, model="people").turn(frame()).events
    assert first.subject == "w/yard/gate/b"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{type: image, default: 5}", "inputs.x.default: an image has no default: it is the "
                                      "camera's"),
        ("{type: number, default: a}", "inputs.x.default: this must be a number, as the input's "
                                       "type says, not 'a'"),
        ("{type: number, default: ~}", "inputs.x.default: this must be a number, as the input's "
                                       "type says, not nothing"),
    ],
)  # fmt: skip
def test_a_default_of_another_type_is_refused(spec: str, message: str, refusal: Refusal) -> None:
    text = f"version: 1\nname: w\ninputs:\n  x: {spec}\nsteps: [{{name: a, type: constant@1}}]"
    column = spec.index("default: ") + 15
    assert refusal(text).splitlines()[0] == f"w.yaml:4:{column}: {message}"


def test_outputs_are_checked_like_wires(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        steps: [{name: a, type: constant@1}]
        outputs:
          one: $steps.a.valu
          two: {x: [$nope, $frame.camera]}
    """
    lines = [line for line in refusal(text).splitlines() if line.startswith("w.yaml")]
    assert lines == [
        "w.yaml:5:8: outputs.one: step 'a' has no output 'valu' (did you mean 'value'?)",
        "w.yaml:6:13: outputs.two: '$nope' is no selector: write $inputs.name, "
        "$steps.step.output or $frame.name (a text that begins with a dollar is written with two)",
    ]


def test_the_type_of_an_output_is_known_where_it_is_one_wire(plan: Planner) -> None:
    made = plan("""
        version: 1
        name: w
        inputs: {n: {type: number, default: 5}}
        steps: [{name: a, type: count@1}]
        outputs: {total: $steps.a.total, n: $inputs.n, both: [$inputs.n], fixed: 5}
    """)
    assert made.output_types == {"total": int, "n": float, "both": Any, "fixed": Any}


MIXTURE = """\
version: 1
name: mixture
inputs:
  image: {type: image}
  confidence: {type: number, default: 0.4}
  names: {type: list, default: [a, b]}
steps:
  - name: people
    type: find@1
    image: $inputs.image
    model: people
    confidence: $inputs.confidence
    zone: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
  - {name: number, type: odd@1}
  - {name: total, type: count@1, when: steps.number.value > 0}
  - {name: sum, type: add@1, a: $steps.total.total, more: $steps.number.again}
  - {name: row, type: row@1, row: {people: $steps.people.detections, sum: $steps.sum.value}}
  - name: sink
    type: send@1
    when: size(steps.people.detections) > 0 && has(steps.row.row.sum)
    on_error: skip
    connection: plant
    data: {text: $steps.total.text, list: [$steps.sum.value, {deep: $frame.camera}], t: $$5}
outputs:
  all: {found: $steps.people.detections, row: $steps.row.row}
  total: $steps.total.total
"""
TOKENS = [
    "[", "]", "{", "}", ":", ",", "-", "&a", "*a", "!x", "|", "'", '"', "#", "$", "$$", "?", "<<",
    "\n", "\t", " ", "  ", "5", "-1", "1e999", "true", "null", "on", "~", "99999999999999999999",
    "$inputs.image", "$inputs.names", "$steps.sum.value", "$steps.people.detections", "$frame.x",
    "when", "name", "type", "steps", "inputs", "outputs", "on_error", "stop", "add@1", "count@1",
    "steps.total.total", "> 1", "==", "has(", "size(", "\u00e9", "\u2028", "\x00",
]  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    """The text with some of its tokens or lines deleted, doubled, moved or replaced."""
    for _ in range(draw(st.integers(1, 3))):
        parts = re.split(draw(st.sampled_from([r"(\n)", r"(\W)"])), text)
        at = draw(st.integers(0, len(parts) - 1))
        other = draw(st.integers(0, len(parts) - 1))
        new = draw(st.sampled_from(["", parts[at] * 2, parts[other]]) | st.sampled_from(TOKENS))
        text = "".join([*parts[:at], new, *parts[at + 1 :]])
    return text


def assert_is_refused_or_runs(start: Callable[[], Run]) -> None:
    try:
        run = start()
    except (DefinitionError, InputError):
        return
    for sequence in range(3):
        given_frame = frame(sequence, sequence=sequence)
        try:
            turn = run.turn(given_frame)
        except StepError:
            continue
        assert turn.moment is given_frame


@given(text=st.text(max_size=60))
def test_any_text_is_refused_in_sentences(text: str, start: Starter) -> None:
    assert_is_refused_or_runs(lambda: start(text))


@given(content=st.binary(max_size=60))
def test_any_bytes_are_refused_in_sentences(content: bytes, start: Starter) -> None:
    assert_is_refused_or_runs(lambda: start(content.decode("utf-8", "replace")))
    assert_is_refused_or_runs(lambda: start(content.decode("latin-1")))


@given(text=st.lists(st.sampled_from(TOKENS), max_size=20).map("".join))
def test_any_mixture_of_signs_is_refused_in_sentences(text: str, start: Starter) -> None:
    assert_is_refused_or_runs(lambda: start(text))


@given(text=mutations(MIXTURE))
def test_a_workflow_with_any_fault_is_refused_in_sentences_or_runs(
    text: str, start: Starter
) -> None:
    assert_is_refused_or_runs(lambda: start(text))


@given(text=mutations(SHIPPED))
def test_the_shipped_workflow_with_any_fault_is_refused_in_sentences_or_planned(
    text: str, shipped_blocks: Mapping[str, BlockType]
) -> None:
    try:
        made = load_plan(text, "w.yaml", shipped_blocks)
    except DefinitionError as error:
        told = str(error)
    else:
        told = made.name
    assert told


def test_the_mixture_runs_before_it_is_broken(start: Starter) -> None:
    run = start(MIXTURE)
    turns = [run.turn(frame(i, sequence=i)) for i in range(4)]
    assert [len(turn.events) for turn in turns] == [0, 1, 0, 1]
    assert not any(turn.failures for turn in turns)


PICTURES = """
    version: 1
    name: w
    inputs: {image: {type: image}}
    steps:
    - {name: find, type: object_detection@1, image: $inputs.image, model: people}
    - {name: drawn, type: annotate@1, image: $inputs.image, detections: $steps.find.detections}
    - {name: again, type: annotate@1, image: $steps.drawn.image, detections: $steps.find.detections}
    outputs: {found: $steps.find.detections, picture: $steps.again.image}
"""


class NobodyFound(FixedHost):
    """A host whose models find nothing."""

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        return FixedDetector(labels=["person"])


@pytest.mark.parametrize(
    ("outputs", "steps"),
    [
        (None, ["find", "drawn", "again"]),
        (["found", "picture"], ["find", "drawn", "again"]),
        (["found"], ["find"]),
        ([], ["find"]),
    ],
)
def test_pictures_at_which_nobody_looks_are_not_made(
    outputs: list[str] | None, steps: list[str], shipped_blocks: Mapping[str, BlockType]
) -> None:
    plan = load_plan(textwrap.dedent(PICTURES), "w.yaml", shipped_blocks)
    run = plan.start({}, NobodyFound(), Origin("", "p", "gate", ""), outputs=outputs)
    turn = run.turn(frame())
    assert [time.step for time in run.times] == steps
    assert list(turn.outputs) == (["found", "picture"] if outputs is None else outputs)
