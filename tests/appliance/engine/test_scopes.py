"""Names of a file in the whole plan: what they are called in full, and what stands in between."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from appliance.engine.definition import Step, read_definition
from appliance.engine.errors import StepError
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.scopes import (
    Draft,
    Entrance,
    Exit,
    Outside,
    Scope,
    WorkflowManifest,
    exit_draft,
    made_block,
)
from appliance.engine.testing import EPOCH_S, frame
from appliance.engine.turn import Turn
from blocks.block import Manifest, Parameter
from blocks.data import Moment

Planner = Callable[..., Plan]
Starter = Callable[..., Run]
Around = Callable[[str], str]

TEXT = "version: 1\nname: w\ninputs: {n: {type: number}}\nsteps: [{name: a, type: add@1}]\n"


def scope(prefix: str = "") -> Scope:
    definition, document = read_definition(TEXT, "w.yaml")
    outside = Outside(prefix, {}, frozenset(), None, ("w.yaml",))
    return Scope(definition, document, outside, {"a": None})


def draft(given: dict[str, object], prefix: str = "", cls: type = Exit) -> Draft:
    inputs = {name: Parameter(name, float, True) for name in ("a", "b")}
    block = made_block("made", cls, inputs, {"value": float})
    step = Step(0, "a", "made@1", None, "skip", given)
    return Draft(scope(prefix), step, block, ("steps", 0))


def test_the_main_file_has_the_names_as_they_are_written() -> None:
    assert scope().full("steps.a.value") == "steps.a.value"


def test_a_file_inside_has_the_names_of_its_step_before_its_own() -> None:
    assert scope("s/").full("steps.a.value") == "s/steps.a.value"
    assert scope("s/").full("inputs.n") == "s/inputs.n"


def test_the_frame_is_the_same_for_all_files() -> None:
    assert scope("s/").full("frame.camera") == "frame.camera"


def test_an_output_of_a_file_inside_stands_for_what_gives_it() -> None:
    outer = scope()
    outer.aliases["steps.s.sum"] = "s/steps.sum.value"
    assert outer.full("steps.s.sum") == "s/steps.sum.value"


def test_a_draft_is_called_by_its_file_and_its_own_name() -> None:
    found = draft({}, "s/")
    assert (found.name, found.ran, found.where) == ("s/a", "s/steps.a", "steps.a")
    assert (found.place("b"), found.where_of("b")) == (("steps", 0, "b"), "steps.a.b")
    assert found.output("value") == "s/steps.a.value"


def test_what_enters_a_file_are_its_inputs() -> None:
    assert draft({}, "s/", Entrance).output("n") == "s/a/inputs.n"


def test_what_a_draft_mentions_is_found_in_all_it_is_given() -> None:
    made = draft(
        {"a": {"x": ["$frame.sequence", "= inputs.n + 1"]}, "b": "= present(steps.a)", "o": "$no.x"}
    )
    assert made.mentioned() == ({"frame.sequence", "inputs.n"}, {"steps.a"})
    wrong = {"a": "$steps.nope.x", "b": "= present(5)"}
    made.step = replace(made.step, given=wrong, when="inputs.n > 1")
    assert made.mentioned() == ({"inputs.n"}, set())


def test_an_output_that_is_made_is_a_step_of_its_own() -> None:
    made = exit_draft(scope("s/"), "half", "= inputs.n / 2")
    assert (made.name, made.ran, made.where) == ("s/outputs.half", "s/outputs.half", "outputs.half")
    assert (made.place("value"), made.where_of("value")) == (("outputs", "half"), "outputs.half")
    assert (made.block.cls, made.block.manifest) == (Exit, Manifest)


def test_a_made_block_passes_on_what_it_is_given() -> None:
    block = made_block("workflow", Entrance, {"n": Parameter("n", float, True)}, {"n": float})
    assert (block.type, block.manifest, block.arguments) == ("workflow@1", WorkflowManifest, ("n",))
    assert block.cls(Manifest()).run(1, "x") == (1, "x", True)
    assert Exit(Manifest()).run(1) == (1,)


def moment(at_s: float) -> Moment:
    """A time on the camera of the frames, without a picture."""
    return Moment("gate", at_s, EPOCH_S + at_s)


def without_frame(run: Run, what: str, step: str = "s/keep") -> Turn:
    """A turn in which a step is called, and perhaps others."""
    if what == "command":
        return run.command(step, "tell", None, moment(20.0))
    return run.tick(moment(20.0)) if what == "tick" else run.stop(moment(20.0))


KEEPING = {
    "s.yaml": """
        version: 1
        name: s
        inputs:
          written: {type: number}
          left: {type: number, default: 4}
          outer: {type: number}
          made: {type: number}
          moving: {type: number, default: 8}
          gone: {type: number, default: 9}
        steps:
        - {name: keep, type: keep@1, value: $inputs.moving, every_s: 10}
        - name: row
          type: row@1
          row: {written: $inputs.written, left: $inputs.left, outer: $inputs.outer,
                made: $inputs.made, moving: $inputs.moving, gone: $inputs.gone}
          when: steps.keep.seen > 0 && inputs.written == 3.0 && inputs.left == 4.0 &&
            inputs.outer == 5.0 && inputs.made == 10.0 && present(inputs.made)
        - {name: moves, type: row@1, row: 1, when: steps.keep.seen > 0 && inputs.moving >= 0.0}
        - {name: asked, type: row@1, row: {m: "= present(inputs.moving)"},
           when: steps.keep.seen > 0}
        outputs: {row: $steps.row.row, moves: $steps.moves.row, asked: $steps.asked.row,
                  written: $inputs.written, twice: "= inputs.written * 2", moving: $inputs.moving}
    """,
    "around.yaml": """
        version: 1
        name: around
        inputs: {w: {type: number, default: 3}, o: {type: number}, m: {type: number}}
        steps:
        - {name: never, type: count@1, when: "false"}
        - {name: s, type: workflow, workflow: s.yaml, written: $inputs.w, outer: $inputs.o,
           made: "= inputs.o * 2", moving: $inputs.m, gone: $steps.never.total}
        outputs: {row: $steps.s.row, moves: $steps.s.moves, asked: $steps.s.asked}
    """,
}
GIVEN = """
    version: 1
    name: w
    inputs: {o: {type: number, default: 5}}
    steps:
    - {name: never, type: count@1, when: "false"}
    - STEP
    outputs: {row: $steps.s.row, moves: $steps.s.moves, asked: $steps.s.asked}
"""
ONE = """{name: s, type: workflow, workflow: s.yaml, written: 3, outer: $inputs.o,
       made: "= inputs.o * 2", moving: $frame.sequence, gone: $steps.never.total}"""
TWO = """{name: s, type: workflow, workflow: around.yaml, o: $inputs.o, m: $frame.sequence}"""


@pytest.mark.parametrize("what", ["tick", "command", "stop"])
@pytest.mark.parametrize("step", [ONE, TWO], ids=["one deep", "two deep"])
def test_without_a_frame_a_workflow_has_the_inputs_that_do_not_change_and_no_others(
    step: str, what: str, start: Starter
) -> None:
    run = start(GIVEN.replace("STEP", step), KEEPING)
    run.turn(frame(sequence=2))
    turn = without_frame(run, what, "s/keep" if step == ONE else "s/s/keep")
    assert turn.failures == ()
    assert turn.outputs == {
        "row": {"written": 3, "left": 4, "outer": 5, "made": 10},
        "asked": {"m": False},
    }


def test_an_input_that_nobody_has_given_is_not_there_without_a_frame_either(
    start: Starter,
) -> None:
    text = GIVEN.replace("STEP", ONE).replace(
        "inputs: {o: {type: number, default: 5}}",
        "inputs: {o: {type: number, default: 5}, none: {type: number}}",
    )
    text = text.replace("written: 3, outer: $inputs.o", "written: $inputs.none, outer: $inputs.o")
    run = start(text, KEEPING, none=3)
    assert run.tick(moment(20.0)).outputs["row"]["written"] == 3


def test_nothing_by_default_is_nothing_without_a_frame_too(start: Starter, steps: Around) -> None:
    sub = """
        version: 1
        name: s
        inputs: {n: {type: any, default: null}}
        steps:
        - {name: keep, type: keep@1, value: 1, every_s: 10}
        - {name: row, type: row@1, row: {n: "= present(inputs.n)"}, when: steps.keep.seen > 0}
        outputs: {row: $steps.row.row, n: $inputs.n}
    """
    lines = """
        - {name: s, type: workflow, workflow: s.yaml}
        outputs: {row: $steps.s.row, n: $steps.s.n}
    """
    run = start(steps(lines), {"s.yaml": sub})
    assert run.tick(moment(20.0)).outputs == {"row": {"n": False}}
    assert run.turn(frame()).outputs == {}


def test_an_input_that_cannot_be_worked_out_is_as_absent_without_a_frame_as_with_one(
    start: Starter,
) -> None:
    text = GIVEN.replace("STEP", ONE).replace(
        "type: number, default: 5", "type: string, default: '5'"
    )
    text = text.replace("outer: $inputs.o", "outer: 5").replace(
        "inputs.o * 2", "double(inputs.o) * 2.0"
    )
    run = start(text, KEEPING)
    assert run.tick(moment(20.0)).outputs["row"]["made"] == 10
    run = start(text, KEEPING, o="many")
    assert run.tick(moment(20.0)).outputs == {"asked": {"m": False}}


CLOSED = """
    - {name: clock, type: keep@1, value: 1, every_s: 10}
    - {name: s, type: workflow, workflow: s.yaml, written: 3, outer: 5, made: 10,
       when: steps.clock.seen > 100}
    - {name: t, type: row@1, row: {there: "= present(steps.s)", n: $steps.clock.seen,
       w: "= present(steps.s.written)"}}
    outputs: {row: $steps.s.row, t: $steps.t.row, written: $steps.s.written,
              twice: $steps.s.twice}
"""


@pytest.mark.parametrize("what", ["tick", "stop"])
def test_without_a_frame_nothing_runs_in_a_workflow_whose_condition_is_false_then(
    what: str, start: Starter, steps: Around
) -> None:
    turn = without_frame(start(steps(CLOSED), KEEPING), what)
    seen = 1 if what == "tick" else 0
    assert turn.outputs == {"t": {"there": False, "n": seen, "w": False}}


def test_without_a_frame_all_runs_in_a_workflow_whose_condition_is_true_then(
    start: Starter, steps: Around
) -> None:
    run = start(steps(CLOSED.replace("> 100", ">= 0")), KEEPING)
    outputs = run.tick(moment(20.0)).outputs
    assert outputs["t"]["there"] is True
    assert (outputs["written"], outputs["twice"]) == (3, 6.0)
    given = {"written": 3, "left": 4, "outer": 5, "made": 10}
    assert outputs["row"] == {**given, "moving": 8, "gone": 9}


def test_without_a_frame_nothing_runs_in_a_workflow_inside_of_one_that_does_not_run(
    start: Starter, steps: Around
) -> None:
    outer = """
        version: 1
        name: outer
        steps:
        - {name: s, type: workflow, workflow: s.yaml, written: 3, outer: 5, made: 10}
        outputs: {row: $steps.s.row, written: $steps.s.written, twice: $steps.s.twice}
    """
    lines = CLOSED.replace("s.yaml, written: 3, outer: 5, made: 10", "outer.yaml")
    run = start(steps(lines), {**KEEPING, "outer.yaml": outer})
    assert run.tick(moment(20.0)).outputs == {"t": {"there": False, "n": 1, "w": False}}


@pytest.mark.parametrize("condition", ["false", "frame.sequence > 9"])
def test_with_a_frame_the_inputs_of_a_workflow_that_does_not_run_are_not_there(
    condition: str, start: Starter, steps: Around
) -> None:
    lines = CLOSED.replace("steps.clock.seen > 100", f"'{condition}'")
    lines = lines.replace(", n: $steps.clock.seen", "")
    turn = start(steps(lines), KEEPING).turn(frame(sequence=2))
    assert turn.outputs == {"t": {"there": False, "w": False}}


STOPPING = """
    version: 1
    name: s
    steps:
    - {name: keep, type: keep@1, value: 1, every_s: 10}
    - {name: broken, type: fail@1, when: HOW}
    outputs: {n: "= steps.keep.seen * 1", made: "= double(steps.broken.text)"}
"""


@pytest.mark.parametrize("what", ["turn", "tick"])
@pytest.mark.parametrize("file", ["s.yaml", "t.yaml"])
def test_a_workflow_that_says_stop_says_so_for_all_its_steps(
    what: str, file: str, start: Starter, steps: Around
) -> None:
    how = "frame.sequence > 0" if what == "turn" else "steps.keep.seen > 0"
    files = {
        "s.yaml": STOPPING.replace("HOW", how),
        "t.yaml": """
        version: 1
        name: t
        steps: [{name: inner, type: workflow, workflow: s.yaml}]
        """,
    }
    line = f"- {{name: s, type: workflow, workflow: {file}, on_error: stop}}"
    inner = "s/broken" if file == "s.yaml" else "s/inner/broken"
    run = start(steps(line), files)
    with pytest.raises(StepError, match=rf"^step {inner}, camera gate, .*: it is broken$"):
        run.turn(frame(sequence=2)) if what == "turn" else run.tick(moment(20.0))
    skipping = start(steps(line.replace(", on_error: stop", "")), files)
    turn = skipping.turn(frame(sequence=2)) if what == "turn" else skipping.tick(moment(20.0))
    assert [failure.step for failure in turn.failures] == [inner]


def test_an_error_of_what_enters_or_leaves_a_workflow_that_says_stop_ends_the_turn(
    start: Starter, steps: Around
) -> None:
    sub = """
        version: 1
        name: s
        inputs: {n: {type: number}}
        steps: [{name: a, type: add@1, a: $inputs.n}]
        outputs: {n: "= double(string(steps.a.value) + 'x')"}
    """
    line = "- {name: s, type: workflow, workflow: s.yaml, on_error: stop, n: 1}"
    enters = line.replace("n: 1", 'n: "= double(frame.camera)"')
    for text in (line, enters):
        run = start(steps(text), {"s.yaml": sub})
        with pytest.raises(StepError, match="camera gate, frame 2"):
            run.turn(frame(sequence=2))


TIMES = {
    "inner.yaml": """
        version: 1
        name: inner
        inputs: {at: {type: number}}
        steps: [{name: a, type: add@1, a: $inputs.at, b: 0}]
        outputs: {given: $inputs.at, own: $frame.captured_at, row: {at: $inputs.at},
                  sum: $steps.a.value, late: "= inputs.at + 1.0"}
    """,
    "outer.yaml": """
        version: 1
        name: outer
        inputs: {at: {type: number}}
        steps: [{name: i, type: workflow, workflow: inner.yaml, at: $inputs.at}]
        outputs: {given: $steps.i.given, own: $steps.i.own, row: {at: $steps.i.given},
                  sum: $steps.i.sum, late: $steps.i.late}
    """,
}


@pytest.mark.parametrize("file", ["inner.yaml", "outer.yaml"])
def test_a_time_stays_a_time_through_workflows_and_is_a_number_inside(
    file: str, start: Starter, steps: Around
) -> None:
    text = steps(f"""
        - {{name: s, type: workflow, workflow: {file}, at: $frame.captured_at}}
        - {{name: n, type: workflow, workflow: {file}, at: 5}}
        - {{name: sum, type: add@1, a: $steps.s.given, b: $steps.s.own}}
        - {{name: out, type: send@1, data: {{at: $steps.s.given, own: $steps.s.own}}}}
        outputs: {{given: $steps.s.given, own: $steps.s.own, row: $steps.s.row, n: $steps.n.given,
                  made: {{at: $steps.s.given}}, late: $steps.s.late, sum: $steps.s.sum,
                  both: $steps.sum.value}}
    """)
    turn = start(text, TIMES).turn(frame(5.0))
    seconds = EPOCH_S + 5.0
    time: Any = datetime.fromtimestamp(seconds, UTC)
    assert turn.outputs == {
        "given": time,
        "own": time,
        "row": {"at": time},
        "n": 5,
        "made": {"at": time},
        "late": seconds + 1,
        "sum": seconds,
        "both": 2 * seconds,
    }
    assert dict(turn.events[0].data) == {"at": time, "own": time}
