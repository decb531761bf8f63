"""What a run gives to be kept, and when the next run takes it."""

import json
from collections.abc import Callable
from dataclasses import replace
from textwrap import dedent
from typing import Annotated, NamedTuple

import pytest
from pydantic import Field

from appliance.engine.plan import load_plan
from appliance.engine.run import Run
from appliance.engine.state import StoredState
from appliance.engine.testing import FixedHost, frame
from blocks.block import RESETS, Manifest, Origin, State, block
from blocks.geometry import Point

Starter = Callable[..., Run]
Around = Callable[[str], str]
Kept = Callable[[str], StoredState]

KEEPING = """
    - {name: n, type: constant@1, value: 4}
    - {name: keep, type: keep@1, value: $steps.n.value, zone: gate}
    outputs: {total: $steps.keep.total}
"""


@pytest.fixture
def kept(start: Starter, steps: Around) -> Kept:
    """What a run of these steps gives to be kept after one frame."""

    def keep(lines: str) -> StoredState:
        run = start(steps(lines))
        run.turn(frame())
        (entry,) = run.stored_state()
        return entry

    return keep


def test_the_state_of_each_step_that_has_one_is_given(start: Starter, steps: Around) -> None:
    run = start(steps(KEEPING))
    before = run.state()
    run.turn(frame())
    assert [before[name].model_dump() for name in before] == [{"total": 0.0, "seen": 0}]
    assert {name: state.model_dump() for name, state in run.state().items()} == {
        "keep": {"total": 4.0, "seen": 1}
    }


def test_the_state_to_be_kept_is_made_of_texts(kept: Kept) -> None:
    entry = kept(KEEPING)
    assert (entry.step, entry.type) == ("keep", "keep@1")
    assert json.loads(entry.data) == {"total": 4.0, "seen": 1}
    assert json.loads(entry.basis) == {
        "wires": {"value": ["steps.n"]},
        "settings": {"zone": "gate"},
    }


def test_a_run_goes_on_where_another_stopped(start: Starter, steps: Around, kept: Kept) -> None:
    run = start(steps(KEEPING))
    assert run.restore([kept(KEEPING)]) == ()
    assert run.turn(frame()).outputs == {"total": 8.0}


def test_the_state_of_a_step_inside_of_another_workflow_is_kept_under_both_names(
    start: Starter, steps: Around
) -> None:
    files = {
        "s.yaml": """
        version: 1
        name: s
        inputs: {n: {type: number}}
        steps: [{name: keep, type: keep@1, value: $inputs.n}]
        """
    }
    text = steps("""
        - {name: n, type: constant@1}
        - {name: s, type: workflow, workflow: s.yaml, n: $steps.n.value}
    """)
    run = start(text, files)
    run.turn(frame())
    (entry,) = run.stored_state()
    assert entry.step == "s/keep"
    assert start(text, files).restore([entry]) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("zone: gate", "zone: gate, label: other"),
        ("value: 4", "value: 5"),
        ("$steps.n.value", "'= steps.n.value * 2'"),
    ],
)
def test_a_state_outlives_edits_that_do_not_touch_what_it_rests_on(
    old: str, new: str, start: Starter, steps: Around, kept: Kept
) -> None:
    assert start(steps(KEEPING.replace(old, new))).restore([kept(KEEPING)]) == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("zone: gate", "zone: yard", "'zone' has changed"),
        (", zone: gate", "", "'zone' has changed"),
        ("$steps.n.value", "$frame.sequence", "it is wired to other steps"),
        (
            "$steps.n.value, zone: gate",
            "3, zone: yard",
            "'zone' has changed and it is wired to other steps",
        ),
        ("zone: gate", "zone: gate, when: steps.n.value > 3", "it is wired to other steps"),
        ("keep@1", "keep@2", "it is of keep@1, the step is keep@2 now"),
    ],
)
def test_a_state_that_rests_on_something_else_is_set_aside(
    old: str, new: str, reason: str, start: Starter, steps: Around, kept: Kept
) -> None:
    run = start(steps(KEEPING.replace(old, new)))
    told = run.restore([kept(KEEPING)])
    assert told == (f"the state of step 'keep' is set aside: {reason}",)
    assert run.state()["keep"].model_dump() == {"total": 0.0, "seen": 0}


def test_a_state_whose_step_is_gone_has_no_place(start: Starter, steps: Around, kept: Kept) -> None:
    entry = kept(KEEPING)
    run = start(steps("- {name: keep, type: constant@1}"))
    told = run.restore([entry, replace(entry, step="gone")])
    assert told == (
        "the state of step 'keep' has no place: it keeps no state now",
        "the state of step 'gone' has no place: it keeps no state now",
    )


def test_a_state_that_cannot_be_read_is_set_aside(
    start: Starter, steps: Around, kept: Kept
) -> None:
    run = start(steps(KEEPING))
    (told,) = run.restore([replace(kept(KEEPING), data='{"total": "much"}')])
    assert told.startswith("the state of step 'keep' is set aside: it cannot be read: Input should")


@pytest.mark.parametrize("basis", ["{", "5", "{}", '{"settings": 5, "wires": {}}'])
def test_a_state_of_which_nobody_knows_what_it_rests_on_is_set_aside(
    basis: str, start: Starter, steps: Around, kept: Kept
) -> None:
    (told,) = start(steps(KEEPING)).restore([replace(kept(KEEPING), basis=basis)])
    assert told.endswith("is set aside: what it rests on cannot be read")


def test_a_state_of_settings_that_are_no_more_is_set_aside(
    start: Starter, steps: Around, kept: Kept
) -> None:
    entry = kept(KEEPING)
    basis = json.loads(entry.basis)
    basis["settings"]["side"] = "left"
    (told,) = start(steps(KEEPING)).restore([replace(entry, basis=json.dumps(basis))])
    assert told == "the state of step 'keep' is set aside: its settings are others now"


def test_one_state_that_is_set_aside_leaves_the_others(start: Starter, steps: Around) -> None:
    lines = """
        - {name: a, type: keep@1, value: 1}
        - {name: b, type: keep@1, value: 2}
    """
    run = start(steps(lines))
    run.turn(frame())
    again = start(steps(lines.replace("value: 1", "value: 1, zone: x")))
    assert len(again.restore(run.stored_state())) == 1
    assert {name: state.model_dump()["total"] for name, state in again.state().items()} == {
        "a": 0.0,
        "b": 2.0,
    }


def test_a_setting_counts_by_the_value_of_its_input(start: Starter) -> None:
    text = """
        version: 1
        name: w
        inputs: {zone: {type: string}}
        steps: [{name: keep, type: keep@1, value: 1, zone: $inputs.zone}]
    """
    entries = start(text, zone="gate").stored_state()
    assert start(text, zone="gate").restore(entries) == ()
    assert start(text, zone="yard").restore(entries) == (
        "the state of step 'keep' is set aside: 'zone' has changed",
    )
    assert start(text.replace("$inputs.zone", "gate"), zone="x").restore(entries) == ()


INSIDE = {
    "s.yaml": """
        version: 1
        name: s
        inputs: {v: {type: number}, zone: {type: string, default: all}}
        steps:
        - {name: keep, type: keep@1, value: $inputs.v, zone: $inputs.zone}
        outputs: {total: $steps.keep.total}
    """,
    "t.yaml": """
        version: 1
        name: t
        inputs: {v: {type: number}}
        steps: [{name: s, type: workflow, workflow: s.yaml, v: $inputs.v}]
    """,
    "exits.yaml": """
        version: 1
        name: exits
        inputs: {v: {type: number}, w: {type: number, default: 1}}
        steps: [{name: a, type: count@1}, {name: b, type: count@1}]
        outputs: {it: "= steps.a.total + inputs.v", plain: $steps.a.total}
    """,
}
AROUND = """
    - {name: n, type: constant@1, value: 4}
    - {name: m, type: constant@1, value: 5}
    - {name: x, type: workflow, workflow: exits.yaml, v: $steps.n.value}
    - {name: s, type: workflow, workflow: s.yaml, v: $steps.n.value, zone: gate}
"""


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("s.yaml, v: $steps.n.value", "s.yaml, v: $steps.m.value", "it is wired to other steps"),
        ("s.yaml, v: $steps.n.value", "s.yaml, v: 3", "it is wired to other steps"),
        ("t.yaml, v: $steps.n.value", "t.yaml, v: $steps.m.value", "it is wired to other steps"),
        ("s.yaml, v: $steps.x.it", "s.yaml, v: $steps.x.plain", "it is wired to other steps"),
        ("zone: gate", "zone: yard", "'zone' has changed"),
        ("s.yaml, v: $steps.n.value", "s.yaml, v: '= steps.n.value + 1'", ""),
        ("s.yaml, v: $steps.x.it", "s.yaml, v: '= steps.x.it + 1'", ""),
        ("s.yaml, v: $steps.n.value", "s.yaml, v: $steps.n.value", ""),
        ("t.yaml, v: $steps.n.value", "t.yaml, v: $steps.n.value", ""),
    ],
)
def test_a_state_in_a_workflow_rests_on_what_is_given_to_it(
    before: str, after: str, reason: str, start: Starter, steps: Around
) -> None:
    whole = AROUND.replace("s.yaml, v: $steps.n.value, zone: gate", before)
    whole = AROUND if before in AROUND else whole.replace(", zone: gate", "")
    assert before in whole
    run = start(steps(whole), INSIDE)
    run.turn(frame())
    (entry,) = run.stored_state()
    told = start(steps(whole.replace(before, after)), INSIDE).restore([entry])
    sentence = f"the state of step '{entry.step}' is set aside: {reason}"
    assert told == ((sentence,) if reason else ())


@pytest.mark.parametrize(
    ("old", "new", "is_kept"),
    [
        ("v: $steps.n.value", "v: $steps.m.value", False),
        ("steps.a.total + inputs.v", "steps.b.total + inputs.v", False),
        ("steps.a.total + inputs.v", "steps.a.total", False),
        ("steps.a.total + inputs.v", "inputs.v * 2 + steps.a.total", True),
        ("v: {type: number},", "v: {type: number, description: speed},", True),
    ],
)
def test_a_state_behind_an_exit_rests_on_what_the_output_is_made_of(
    old: str, new: str, is_kept: bool, start: Starter, steps: Around
) -> None:
    lines = AROUND.replace("s, type: workflow, workflow: s.yaml", "keep, type: keep@1")
    lines = lines.replace("v: $steps.n.value, zone: gate", "value: $steps.x.it")
    run = start(steps(lines), INSIDE)
    run.turn(frame())
    files = {name: text.replace(old, new) for name, text in INSIDE.items()}
    told = start(steps(lines.replace(old, new)), files).restore(run.stored_state())
    sentence = "the state of step 'keep' is set aside: it is wired to other steps"
    assert told == (() if is_kept else (sentence,))


LINED = """
    version: 1
    name: w
    inputs: {far: {type: number, default: 1}}
    steps: [{name: gate, type: gated@1, value: 1, line: LINE}]
"""


class Passed(State):
    total: float = 0.0


class GateManifest(Manifest):
    line: Annotated[tuple[Point, Point], RESETS]
    margin: Annotated[float, RESETS, Field(default_factory=lambda: 0.5)]


class Side(NamedTuple):
    total: float


@block("gated@1", GateManifest)
class Gated:
    """Adds up what is on one side of a line."""

    def __init__(self, manifest: GateManifest) -> None:
        self.state = Passed()

    state: Passed

    def run(self, value: float) -> Side:
        self.state = Passed(total=self.state.total + value)
        return Side(self.state.total)


def gate(line: str) -> Run:
    text = dedent(LINED).lstrip().replace("LINE", line)
    plan = load_plan(text, "w.yaml", {"gated@1": vars(Gated)["block_type"]})
    return plan.start({}, FixedHost(), Origin("", "yard", "gate", ""))


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("[[0, 0.5], [1, 0.5]]", True),
        ("[[0.0, 0.5], [1.0, 0.50]]", True),
        ("[[0, 0.5], [$inputs.far, 0.5]]", True),
        ("[[0, 0.5], [1, 0.5]], margin: 0.5", True),
        ("[[0, 0.5], [1, 0.6]]", False),
        ("[[0, 0.5], [1, 0.5]], margin: 0.4", False),
    ],
)
def test_a_setting_counts_as_the_block_sees_it_however_it_is_written(
    line: str, is_kept: bool
) -> None:
    run = gate("[[0, 0.5], [1, 0.5]]")
    run.turn(frame())
    changed = "margin" if "margin" in line else "line"
    sentence = f"the state of step 'gate' is set aside: '{changed}' has changed"
    assert gate(line).restore(run.stored_state()) == (() if is_kept else (sentence,))
