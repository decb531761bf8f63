"""Workflows that run as steps in others: what goes in, what comes out, and what they are called."""

from collections.abc import Callable, Mapping

import pytest

from appliance.engine.errors import DefinitionError, StepError
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.testing import frame
from appliance.engine.turn import Turn

Starter = Callable[..., Run]
Planner = Callable[..., Plan]
Refusal = Callable[..., str]
Around = Callable[[str], str]
Turned = Callable[..., Turn]

SUM = """
    version: 1
    name: sum
    inputs: {a: {type: number}, b: {type: number, default: 10}}
    steps:
    - {name: sum, type: add@1, a: $inputs.a, b: $inputs.b}
    - {name: parts, type: split@1, count: 2, start: $inputs.a}
    outputs:
      sum: $steps.sum.value
      half: "= steps.sum.value / 2"
      row: {sum: $steps.sum.value, b: $inputs.b}
      parts: $steps.parts.values
      given: $inputs.b
      at: $frame.captured_at
"""


@pytest.fixture
def turn_of(start: Starter, steps: Around) -> Turned:
    """The first turn of these steps, among files, on frame 5."""
    return lambda lines, **files: start(
        steps(lines), {f"{name}.yaml": text for name, text in files.items()}
    ).turn(frame(5.0, sequence=5))


def test_inputs_go_in_and_outputs_come_out(turn_of: Turned) -> None:
    lines = """
        - {name: s, type: workflow, workflow: sum.yaml, a: 1}
        - {name: t, type: workflow, workflow: sum.yaml, a: $frame.sequence, b: "= 2.0 * 3.0"}
        - {name: u, type: add@1, a: $steps.s.sum, b: $steps.t.half}
        outputs: {s: $steps.s.sum, half: $steps.s.half, row: $steps.t.row, u: $steps.u.value,
                  given: $steps.t.given, parts: $steps.t.parts, twice: "= steps.t.sum * 2"}
    """
    assert turn_of(lines, sum=SUM).outputs == {
        "s": 11.0,
        "half": 5.5,
        "row": {"sum": 11.0, "b": 6.0},
        "u": 16.5,
        "given": 6.0,
        "parts": (5.0, 6.0),
        "twice": 22.0,
    }


def test_a_time_that_goes_through_is_a_time_outside(turn_of: Turned) -> None:
    given = turn_of(
        """
        - {name: s, type: workflow, workflow: sum.yaml, a: 1}
        outputs: {at: $steps.s.at, own: $frame.captured_at, late: "= steps.s.at > 5"}
        """,
        sum=SUM,
    )
    assert given.outputs["at"].timestamp() == given.moment.captured_at
    assert given.outputs["own"].timestamp() == given.moment.captured_at
    assert given.outputs["late"] is True


def test_its_steps_are_called_by_both_names(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: s, type: workflow, workflow: sum.yaml, a: 1}
        outputs: {half: $steps.s.half, sum: $steps.s.sum}
        """),
        {"sum.yaml": SUM},
    )
    named = [step.name for step in made.steps if not step.internal]
    assert named == ["s", "s/sum", "s/parts"]
    assert made.output_types == {"half": float, "sum": float}


def test_a_failure_in_it_loses_only_what_hangs_on_it(turn_of: Turned) -> None:
    turn = turn_of(
        """
        - {name: s, type: workflow, workflow: s.yaml}
        - {name: t, type: add@1, a: $steps.s.bad}
        - {name: u, type: add@1, a: $steps.s.good}
        outputs: {bad: $steps.s.bad, t: $steps.t.value, u: $steps.u.value}
        """,
        s="""
        version: 1
        name: s
        steps:
        - {name: broken, type: fail@1}
        - {name: whole, type: constant@1}
        - {name: out, type: send@1}
        outputs: {bad: $steps.broken.total, good: $steps.whole.value}
        """,
    )
    assert turn.outputs == {"u": 11.0}
    assert [failure.step for failure in turn.failures] == ["s/broken"]
    assert [event.subject for event in turn.events] == ["w/yard/gate/s/out"]


def test_a_step_in_it_that_says_stop_ends_the_turn(start: Starter, steps: Around) -> None:
    sub = """
        version: 1
        name: s
        steps: [{name: broken, type: fail@1, on_error: stop}]
    """
    run = start(steps("- {name: s, type: workflow, workflow: s.yaml}"), {"s.yaml": sub})
    with pytest.raises(StepError, match=r"^step s/broken, camera gate, frame 3: RuntimeError"):
        run.turn(frame(sequence=3))


def test_nothing_in_it_runs_where_its_condition_is_false(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: s, type: workflow, workflow: s.yaml, when: frame.sequence > 1}
        - {name: t, type: row@1, row: {there: "= present(steps.s)", n: "= present(steps.s.n)"}}
        outputs: {n: $steps.s.n, m: $steps.s.m, t: $steps.t.row}
        """),
        {
            "s.yaml": """
            version: 1
            name: s
            steps:
            - {name: n, type: count@1}
            - {name: out, type: send@1}
            outputs: {n: $steps.n.total, m: "= 1.0 + 1.0"}
            """
        },
    )
    first, second = run.turn(frame(sequence=1)), run.turn(frame(sequence=2))
    assert first.outputs == {"t": {"there": False, "n": False}}
    assert second.outputs == {"n": 1, "m": 2.0, "t": {"there": True, "n": True}}
    assert (len(first.events), len(second.events)) == (0, 1)


def test_what_is_not_given_is_not_there_inside(turn_of: Turned) -> None:
    turn = turn_of(
        """
        - {name: odd, type: odd@1}
        - {name: never, type: count@1, when: 'false'}
        - {name: s, type: workflow, workflow: sum.yaml, a: $steps.odd.value, b: $steps.never.total}
        - {name: t, type: workflow, workflow: sum.yaml, a: $steps.never.total}
        outputs: {s: $steps.s.sum, t: $steps.t.sum, half: $steps.t.half, given: $steps.t.given}
        """,
        sum=SUM,
    )
    assert turn.outputs == {"s": 15.0}


def test_the_same_file_runs_as_two_steps_that_know_nothing_of_each_other(
    start: Starter, steps: Around
) -> None:
    sub = """
        version: 1
        name: s
        inputs: {by: {type: number}}
        steps: [{name: keep, type: keep@1, value: $inputs.by}]
        outputs: {total: $steps.keep.total}
    """
    run = start(
        steps("""
        - {name: a, type: workflow, workflow: s.yaml, by: 1}
        - {name: b, type: workflow, workflow: s.yaml, by: 10}
        outputs: {a: $steps.a.total, b: $steps.b.total}
        """),
        {"s.yaml": sub},
    )
    run.turn(frame())
    assert run.turn(frame()).outputs == {"a": 2.0, "b": 20.0}
    assert sorted(run.state()) == ["a/keep", "b/keep"]


NESTED = {
    "outer.yaml": """
        version: 1
        name: outer
        inputs: {n: {type: number}, by: {type: number, default: 3}}
        steps:
        - {name: inner, type: workflow, workflow: inner.yaml, n: $inputs.n, by: "= inputs.by + 1"}
        - {name: more, type: add@1, a: $steps.inner.sum, b: $steps.inner.half}
        outputs: {sum: $steps.inner.sum, more: $steps.more.value, all: {half: $steps.inner.half}}
    """,
    "inner.yaml": """
        version: 1
        name: inner
        inputs: {n: {type: number}, by: {type: number}}
        steps:
        - {name: fixed, type: constant@1, value: $inputs.by}
        - {name: sum, type: add@1, a: $inputs.n, b: $steps.fixed.value}
        outputs: {sum: $steps.sum.value, half: "= steps.sum.value / 2"}
    """,
}


def test_workflows_run_in_each_other(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: s, type: workflow, workflow: outer.yaml, n: $frame.sequence}
        outputs: {sum: $steps.s.sum, more: $steps.s.more, all: $steps.s.all}
        """),
        NESTED,
    )
    assert run.turn(frame(sequence=6)).outputs == {"sum": 10.0, "more": 15.0, "all": {"half": 5.0}}


def test_a_workflow_runs_once_for_each(turn_of: Turned) -> None:
    turn = turn_of(
        """
        - {name: a, type: split@1, holes: [0]}
        - {name: s, type: workflow, workflow: sum.yaml, a: $steps.a.values, b: 1}
        - {name: t, type: workflow, workflow: sum.yaml, a: $steps.s.parts, when: item > 1}
        - {name: own, type: sum@1, values: $steps.s.parts}
        - {name: all, type: sum@1, values: $steps.s.half}
        outputs: {sum: $steps.s.sum, parts: $steps.s.parts, deep: $steps.t.sum,
                  row: $steps.s.row, own: $steps.own.value, all: $steps.all.value}
        """,
        sum=SUM,
    )
    assert turn.failures == ()
    assert turn.outputs == {
        "sum": (None, 2.0, 3.0),
        "parts": (None, (1.0, 2.0), (2.0, 3.0)),
        "deep": (None, (None, 12.0), (12.0, 13.0)),
        "row": (None, {"sum": 2.0, "b": 1}, {"sum": 3.0, "b": 1}),
        "own": (None, 3.0, 5.0),
        "all": 2.5,
    }


def test_what_a_workflow_needs_outside_is_told_with_its_place(plan: Planner, steps: Around) -> None:
    sub = """
        version: 1
        name: s
        inputs: {image: {type: image}, model: {type: string}, to: {type: string, default: plant}}
        steps:
        - {name: find, type: find@1, image: $inputs.image, model: $inputs.model}
        - {name: out, type: send@1, connection: $inputs.to, when: steps.find.detections.size() > 0}
    """
    text = """
        version: 1
        name: w
        inputs: {image: {type: image}, which: {type: string}}
        steps:
        - {name: s, type: workflow, workflow: s.yaml, image: $inputs.image, model: $inputs.which}
    """
    made = plan(text, {"s.yaml": sub})
    told = [
        (need.kind, need.name, str(need.mark), need.where)
        for need in made.needs({"which": "people"})
    ]
    assert told == [
        ("model", "people", "s.yaml:5:59", "steps.find.model"),
        ("connection", "plant", "s.yaml:6:41", "steps.out.connection"),
    ]
    assert [need.kind for need in made.needs()] == ["connection"]


def test_a_setting_in_it_that_an_input_makes_wrong_is_refused_at_the_start(
    start: Starter, steps: Around
) -> None:
    text = """
        version: 1
        name: w
        inputs: {n: {type: number}}
        steps:
        - {name: s, type: workflow, workflow: outer.yaml, n: 1, by: "= inputs.n * 10"}
        outputs: {sum: $steps.s.sum}
    """
    assert start(text, NESTED, n=9).turn(frame()).outputs == {"sum": 92.0}
    with pytest.raises(DefinitionError) as caught:
        start(text, NESTED, n=10)
    assert str(caught.value) == (
        "inner.yaml:5:42: steps.fixed.value: this must be at most 100, not 101\n"
        "     5 | - {name: fixed, type: constant@1, value: $inputs.by}\n"
        "       |                                          ^"
    )


def test_a_setting_in_it_is_checked_with_what_is_known_already(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        steps: [{name: s, type: workflow, workflow: inner.yaml, n: 1, by: 500}]
    """
    assert refusal(text, NESTED).splitlines()[0] == (
        "inner.yaml:5:42: steps.fixed.value: this must be at most 100, not 500"
    )


def test_an_expression_that_cannot_be_worked_out_is_refused(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        inputs: {s: {type: string, default: many}}
        steps: [{name: a, type: constant@1, value: "= double(inputs.s)"}]
    """
    told = refusal(text).splitlines()[0]
    assert told.startswith("w.yaml:4:")
    assert "steps.a.value: 'double(inputs.s)' " in told


def test_a_setting_asks_whether_an_input_is_there_and_it_is(start: Starter) -> None:
    text = """
        version: 1
        name: w
        inputs: {n: {type: number, default: 5}}
        steps: [{name: a, type: constant@1, value: "= present(inputs.n) ? inputs.n : 1.0"}]
        outputs: {a: $steps.a.value}
    """
    assert start(text).turn(frame()).outputs == {"a": 5}


def test_what_a_workflow_gives_is_refused_by_its_type_outside(refusal: Refusal) -> None:
    text = """
        version: 1
        name: w
        inputs: {image: {type: image}}
        steps:
        - {name: s, type: workflow, workflow: sum.yaml, a: 1}
        - {name: f, type: find@1, model: people, image: $steps.s.sum}
    """
    assert "'image' takes an image, but $steps.s.sum is a number" in refusal(
        text, {"sum.yaml": SUM}
    )


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("$steps.nope.x", "s.yaml:4:14: outputs.x: there is no step 'nope' (there is a)"),
        ("'= steps.a.vlue'", "s.yaml:4:17: outputs.x: unknown name 'steps.a.vlue'"),
    ],
)
def test_a_mistake_in_an_output_of_it_is_told(
    output: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    sub = f"""
        version: 1
        name: s
        steps: [{{name: a, type: constant@1}}]
        outputs: {{x: {output}}}
    """
    text = steps("- {name: s, type: workflow, workflow: s.yaml}\noutputs: {x: $steps.s.x}")
    told = refusal(text, {"s.yaml": sub})
    assert told.count(".yaml:") == 1
    assert told.startswith(sentence)


def test_of_a_step_whose_file_cannot_be_read_nothing_more_is_said(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: s, type: workflow, workflow: s.yaml, a: $steps.t.value, b: {c: $inputs.nope}}
        - {name: t, type: add@1, a: $steps.s.sum, b: "= steps.s.half"}
        outputs: {x: $steps.s.sum}
    """)
    heads = [line for line in refusal(text).splitlines() if ".yaml:" in line]
    assert heads == [
        "w.yaml:4:39: steps.s.workflow: there is no file 's.yaml' beside w.yaml",
        "w.yaml:4:73: steps.s.b: there is no input 'nope' (the workflow has none)",
    ]


def test_a_file_that_is_no_yaml_is_told_with_its_place(refusal: Refusal, steps: Around) -> None:
    told = refusal(
        steps("- {name: s, type: workflow, workflow: s.yaml}"), {"s.yaml": "a: [1\nb: 2\n"}
    )
    assert told.startswith("s.yaml:")


def test_a_step_whose_name_is_taken_is_looked_at_as_far_as_it_goes(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: a, type: constant@1}
        - {name: a, type: constant@1, value: hot, colour: red}
        - {name: a, type: nothing_like_it@1}
        - {name: a, type: workflow, workflow: s.yaml}
    """)
    told: Mapping[int, list[str]] = {4: [], 5: [], 6: [], 7: []}
    for line in refusal(text).splitlines():
        if line.startswith("w.yaml:"):
            told[int(line.split(":")[1])].append(line.split(": ", 2)[2].split(" ")[0])
    assert told == {
        4: [],
        5: ["duplicate", "this", "unknown"],
        6: ["duplicate", "unknown"],
        7: ["duplicate"],
    }


def test_an_expression_with_a_mistake_that_enters_a_workflow_is_told_once(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("- {name: s, type: workflow, workflow: sum.yaml, a: '= 1 +', b: '= nope'}")
    heads = [line for line in refusal(text, {"sum.yaml": SUM}).splitlines() if ".yaml:" in line]
    assert [head.split(": ")[1] for head in heads] == ["steps.s.a", "steps.s.b"]


def test_a_setting_made_of_several_parts_is_open_while_one_is(start: Starter) -> None:
    text = """
        version: 1
        name: w
        inputs: {n: {type: number}, texts: {type: list, default: [x]}}
        steps:
        - {name: s, type: workflow, workflow: s.yaml, list: [$frame.camera, x], map: {a: [1]}}
        outputs: {list: $steps.s.list, map: $steps.s.map}
    """
    sub = """
        version: 1
        name: s
        inputs: {list: {type: list}, map: {type: object}}
        steps: [{name: row, type: row@1, row: {l: $inputs.list, m: $inputs.map}}]
        outputs: {list: $inputs.list, map: $inputs.map, row: $steps.row.row}
    """
    run = start(text, {"s.yaml": sub}, n=1)
    assert run.turn(frame()).outputs == {"list": ["gate", "x"], "map": {"a": [1]}}


@pytest.mark.parametrize(
    ("count", "outputs", "sentence"),
    [
        (1_999, "{}", ""),
        (1_998, '{n: "= steps.s0.value * 2"}', ""),
        (2_000, "{}", "s.yaml:3:1: steps: "),
        (1_999, '{n: "= steps.s0.value * 2"}', "s.yaml:2003:14: outputs.n: "),
    ],
)
def test_a_workflow_has_so_many_steps_with_all_that_run_in_it(
    count: int, outputs: str, sentence: str, plan: Planner, refusal: Refusal, steps: Around
) -> None:
    lines = [f"- {{name: s{i}, type: constant@1}}" for i in range(count)]
    sub = "\n".join(["version: 1", "name: s", "steps:", *lines, f"outputs: {outputs}", ""])
    text = steps("- {name: s, type: workflow, workflow: s.yaml}")
    if not sentence:
        assert len(plan(text, {"s.yaml": sub}).steps) == count + 1 + ("n" in outputs)
        return
    told = refusal(text, {"s.yaml": sub})
    assert told.startswith(
        f"{sentence}with all that run in it this workflow has more than 2,000 steps"
    )
    assert told.count("2,000") == 1
