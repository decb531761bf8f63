"""What is written for an input, where it does not fit: what is said, and of which part."""

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import pytest
from annotated_types import MinLen

from appliance.engine.errors import DefinitionError
from appliance.engine.fitting import misfit_of_literal, misfit_of_result
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.testing import EPOCH_S, frame
from blocks.block import BlockType, Manifest, Parameter, block
from blocks.data import Columns, Detections

Planner = Callable[..., Plan]
Starter = Callable[..., Run]
Refusal = Callable[..., str]
Around = Callable[[str], str]

MANY = "'values' takes many numbers"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("[two]", f"{MANY}: 'two' is none"),
        ("[1, [2]]", f"{MANY}: a list is none"),
        ("[1, null]", f"{MANY}: nothing is none"),
        ("[$frame.camera]", f"{MANY}, but $frame.camera is a text"),
        ("[1, $steps.one.text]", f"{MANY}, but $steps.one.text is a text"),
        ("['= frame.camera']", f"{MANY}, but this expression gives a text"),
        ("[1, '= steps.one.text', 2]", f"{MANY}, but this expression gives a text"),
        ("[$steps.one.total, two]", f"{MANY}: 'two' is none"),
        ("[$steps.one.total, [1]]", f"{MANY}: a list is none"),
        ("'= steps.one.text'", f"{MANY}, but this expression gives a text"),
        ("$steps.one.text", f"{MANY}, but $steps.one.text is a text"),
        (
            "$steps.one.total",
            f"{MANY}, but $steps.one.total is a whole number: one alone goes in a list, "
            "[$steps.one.total]",
        ),
        ("{a: $steps.one.total}", f"{MANY}, but this is a mapping"),
        ("5", f"{MANY}, not 5"),
        (
            "null",
            "'values' is given nothing, and the step cannot do without: it takes many numbers",
        ),
    ],
)
def test_each_entry_of_a_list_is_looked_at(
    value: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    told = refusal(
        steps(f"""
        - {{name: one, type: count@1}}
        - {{name: it, type: sum@1, values: {value}}}
    """)
    )
    (head,) = [line for line in told.splitlines() if line.startswith("w.yaml:")]
    assert sentence in head
    assert head.startswith("w.yaml:5:")


def test_each_entry_that_is_wrong_is_told_for_itself(refusal: Refusal, steps: Around) -> None:
    text = steps("- {name: it, type: sum@1, values: [$frame.camera, two, '= frame.camera', 4]}")
    assert refusal(text).count("w.yaml:") == 3


def test_a_time_in_a_list_is_a_number(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: all, type: sum@1, values: [$frame.captured_at, "= frame.captured_at", 1]}
        - {name: holes, type: holes@1, values: [$frame.captured_at, $steps.all.value]}
        outputs: {all: $steps.all.value, holes: $steps.holes.holes}
        """)
    )
    turn = run.turn(frame(5.0))
    assert turn.failures == ()
    assert turn.outputs == {"all": 2 * (EPOCH_S + 5.0) + 1, "holes": []}


def test_what_is_many_goes_into_a_list_only_as_a_whole(refusal: Refusal, steps: Around) -> None:
    text = steps("""
        - {name: parts, type: split@1}
        - {name: it, type: sum@1, values: $steps.parts.names}
        - {name: each, type: double@1, value: $steps.parts.names}
    """)
    told = refusal(text)
    assert "'values' takes many numbers, but $steps.parts.names is many texts" in told
    assert "'value' takes a number, but each of $steps.parts.names is a text" in told


def test_what_is_wired_is_not_written(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        steps: [{name: p, type: picture@1, image: picture.jpg}]
    """
    assert "'image' takes an image: wire it, as $steps.step.output" in refusal(text)


@pytest.mark.parametrize("data", ["{picture: $inputs.image}", "{a: [1, {b: $inputs.image}]}"])
def test_an_image_does_not_go_into_what_is_sent(data: str, refusal: Refusal) -> None:
    text = f"""
        version: 1
        name: w
        inputs: {{image: {{type: image}}}}
        steps: [{{name: out, type: send@1, data: {data}}}]
    """
    assert "'data' cannot hold an image; $inputs.image is one: leave it out" in refusal(text)


SIBLINGS = """
    version: 1
    name: s
    inputs: {one: {type: number}}
    steps:
    - {name: twice, type: double@1, value: $inputs.one}
    - {name: sum, type: sum@1, values: $steps.twice.value}
    outputs: {sum: $steps.sum.value}
"""
COLLECTS_ONE = (
    "'values' takes many numbers, but $steps.twice.value is a number: one alone goes in a list, "
    "[$steps.twice.value]"
)


def test_in_a_workflow_that_runs_once_for_each_nothing_is_collected_from_its_siblings(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: parts, type: split@1}
        - {name: s, type: workflow, workflow: s.yaml, one: $steps.parts.values}
    """)
    alone = refusal(SIBLINGS).splitlines()
    inside = refusal(text, {"s.yaml": SIBLINGS}).splitlines()
    assert alone[0] == f"w.yaml:6:36: steps.sum.values: {COLLECTS_ONE}"
    assert inside == [alone[0].replace("w.yaml", "s.yaml"), *alone[1:]]


def test_in_a_workflow_that_runs_once_for_each_its_own_many_are_collected(
    start: Starter, steps: Around
) -> None:
    sub = SIBLINGS.replace("double@1, value:", "split@1, start:").replace(
        "twice.value", "twice.values"
    )
    run = start(
        steps("""
        - {name: parts, type: split@1}
        - {name: s, type: workflow, workflow: s.yaml, one: $steps.parts.values}
        outputs: {sums: $steps.s.sum}
        """),
        {"s.yaml": sub},
    )
    assert run.turn(frame()).outputs == {"sums": (3.0, 6.0, 9.0)}


def test_a_number_may_be_whole() -> None:
    whole = Parameter("n", int, True)
    assert misfit_of_result(whole, float, ()) == ""
    assert misfit_of_result(Parameter("n", tuple[int, ...], True), float, (1,)) == ""
    assert misfit_of_result(whole, str, ()).endswith("but this expression gives a text")


def test_of_an_expression_deep_in_a_value_nothing_is_said() -> None:
    assert misfit_of_result(Parameter("n", tuple[float, ...], True), str, (0, "a")) == ""
    assert misfit_of_result(Parameter("n", dict, True), str, ("a",)) == ""


def test_what_can_only_be_wired_is_not_written_in_a_list_either() -> None:
    found = Parameter("found", Detections, True)
    (place, what) = misfit_of_literal(found, [5])
    assert place == ()
    assert what.endswith(": wire it, as $steps.step.output")


def test_a_list_of_right_entries_may_be_too_short() -> None:
    many = Parameter("n", Annotated[tuple[float, ...], MinLen(2)], True)
    assert misfit_of_literal(many, [1.0])[0] == ()


class Nothing(Manifest):
    """No settings."""


class Tracked(NamedTuple):
    detections: Annotated[Detections, Columns(tracker_id=int)]


@block("track@1", Nothing)
class Track:
    """Gives what it takes, with a column."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: Detections) -> Tracked:
        return Tracked(detections)


class Passed(NamedTuple):
    detections: Detections


@block("pass@1", Nothing)
class Pass:
    """Gives what it takes."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: Detections) -> Passed:
        return Passed(detections)


@block("join@1", Nothing)
class Join:
    """Makes one of many."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: tuple[Detections, ...]) -> Passed:
        return Passed(detections[0])


@block("follow@1", Nothing)
class Follow:
    """Takes what is tracked."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: Annotated[Detections, Columns(tracker_id=int)]) -> Passed:
        return Passed(detections)


@block("turn@1", Nothing)
class Turn:
    """Takes what has a direction."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: Annotated[Detections, Columns(direction=str)]) -> Passed:
        return Passed(detections)


OWN = [vars(cls)["block_type"] for cls in (Track, Pass, Join, Follow, Turn)]
COLUMNS = """\
version: 1
name: w
inputs: {{image: {{type: image}}, any: {{type: any, default: 1}}}}
steps:
- {{name: it, type: {taker}, detections: {written}}}
- {{name: found, type: find@1, model: m, image: $inputs.image}}
- {{name: look, type: look@1}}
- {{name: tracks, type: track@1, detections: $steps.found.detections}}
- {{name: passed, type: pass@1, detections: $steps.tracks.detections}}
- {{name: plain, type: pass@1, detections: $steps.found.detections}}
- {{name: both, type: join@1, detections: [$steps.found.detections, $steps.tracks.detections]}}
- {{name: row, type: row@1, row: $steps.found.detections}}
- {{name: open, type: pass@1, detections: $steps.row.row}}
- {{name: beyond, type: pass@1, detections: $steps.open.detections}}
- {{name: outer, type: pass@1, detections: $inputs.any}}
- {{name: said, type: pass@1, detections: = steps.row.row}}
"""


@pytest.mark.parametrize(
    "written",
    [
        "$steps.tracks.detections",
        "$steps.passed.detections",
        "$steps.row.row",
        "$steps.open.detections",
        "$steps.beyond.detections",
        "$steps.outer.detections",
        "$steps.said.detections",
        "$inputs.any",
        "= steps.row.row",
    ],
)
def test_what_has_the_column_or_may_have_it_goes_where_it_is_asked_for(
    written: str, blocks: Mapping[str, BlockType]
) -> None:
    text = COLUMNS.format(taker="follow@1", written=written)
    assert load_plan(text, "w.yaml", {**blocks, **{b.type: b for b in OWN}}).name == "w"


@pytest.mark.parametrize(
    ("taker", "step", "sentence"),
    [
        ("follow@1", step, f"'detections' takes tracked detections; $steps.{step}.detections has "
         "no column 'tracker_id': put a byte_track@1 between")
        for step in ("found", "plain", "look", "both")
    ] + [
        ("turn@1", "tracks", "'detections' takes detections with the column 'direction'; "
         "$steps.tracks.detections has no column 'direction'"),
    ],
)  # fmt: skip
def test_detections_without_a_column_that_is_asked_for_are_refused(
    taker: str, step: str, sentence: str, blocks: Mapping[str, BlockType]
) -> None:
    text = COLUMNS.format(taker=taker, written=f"$steps.{step}.detections")
    with pytest.raises(DefinitionError) as caught:
        load_plan(text, "w.yaml", {**blocks, **{b.type: b for b in OWN}})
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("steps.it.detections", sentence)
