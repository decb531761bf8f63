"""The wires into one step: what they need, where they come from, and what fits."""

from collections.abc import Callable

import pytest

from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.steps import PlannedStep
from appliance.engine.testing import frame

Planner = Callable[..., Plan]
Refusal = Callable[..., str]
Starter = Callable[..., Run]
Around = Callable[[str], str]


@pytest.fixture
def step(plan: Planner, steps: Around) -> Callable[[str], PlannedStep]:
    """A step called `it` beside steps that give one and many."""

    def find(line: str) -> PlannedStep:
        made = plan(
            steps(f"""
            - {{name: one, type: constant@1}}
            - {{name: parts, type: split@1}}
            {line}
            """)
        )
        (found,) = (step for step in made.steps if step.name == "it")
        return found

    return find


Finder = Callable[[str], PlannedStep]


def test_what_is_behind_each_input_and_the_condition_is_known(step: Finder) -> None:
    found = step(
        "- {name: it, type: add@1, a: '= steps.one.value + frame.sequence', b: 3, "
        "more: $steps.parts.total, when: present(steps.parts) && steps.one.value > 0}"
    )
    assert found.wires == {
        "a": ("steps.one.value", "frame.sequence"),
        "more": ("steps.parts.total",),
        "when": ("steps.one.value", "steps.parts"),
    }
    assert found.after == {"one", "parts"}


def test_only_what_a_step_cannot_do_without_is_needed(step: Finder) -> None:
    found = step("- {name: it, type: add@1, a: $steps.one.value, b: $steps.parts.total}")
    assert found.needed == {"one"}


def test_a_step_runs_along_the_longest_of_its_wires(step: Finder) -> None:
    assert step("- {name: it, type: add@1, a: $steps.one.value}").axes == ()
    assert step("- {name: it, type: add@1, a: $steps.one.value, b: $steps.parts.values}").axes == (
        "parts",
    )
    assert step("- {name: it, type: sum@1, values: $steps.parts.values}").axes == ()
    assert step("- {name: it, type: constant@1, when: steps.parts.values > 1}").axes == ("parts",)


def test_one_call_is_made_only_where_what_varies_is_taken_as_a_sequence(step: Finder) -> None:
    each = step("- {name: it, type: batch@1, value: $steps.parts.values}").each
    assert each is not None
    assert each.batch == (True, False)
    single = step("- {name: it, type: batch@1, value: 1, add: $steps.parts.values}").each
    assert single is not None
    assert single.batch is None


def test_a_whole_number_is_made_of_what_an_expression_gives(start: Starter) -> None:
    sub = """
        version: 1
        name: s
        inputs: {n: {type: integer}}
        steps: [{name: row, type: row@1, row: $inputs.n}]
        outputs: {n: $steps.row.row}
    """
    run = start(
        """
        version: 1
        name: w
        steps: [{name: s, type: workflow, workflow: s.yaml, n: "= frame.sequence / 2"}]
        outputs: {n: $steps.s.n}
        """,
        {"s.yaml": sub},
    )
    even, odd = run.turn(frame(sequence=4)), run.turn(frame(sequence=5))
    assert even.outputs == {"n": 2}
    assert [str(failure.error) for failure in odd.failures] == [
        "'frame.sequence / 2' gave 2.5, and a whole number is taken"
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a: '= steps.one.value +'", "steps.it.a: this is no expression"),
        ("a: 1, b: '= steps.nope.value'", "steps.it.b: unknown name 'steps.nope.value'"),
        ("a: '= present(steps.nope) ? 1.0 : 2.0'", "steps.it.a: there is no step 'nope'"),
        ("a: 1, b: '= \"text\"'", "'b' takes a number, but this expression gives a text"),
    ],
)
def test_an_expression_that_does_not_go_with_its_input_is_refused(
    line: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    text = steps(f"- {{name: one, type: constant@1}}\n- {{name: it, type: add@1, {line}}}")
    assert sentence in refusal(text)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            "[$steps.one.value, $frame.camera]",
            "'values' takes many numbers, but $frame.camera is a text",
        ),
        ("[1, two]", "'values' takes many numbers: 'two' is none"),
    ],
)
def test_each_of_a_list_of_wires_is_looked_at(
    value: str, sentence: str, refusal: Refusal, steps: Around
) -> None:
    lines = f"""
        - {{name: one, type: constant@1}}
        - {{name: it, type: sum@1, values: {value}}}
    """
    assert sentence in refusal(steps(lines))


def test_a_list_may_be_written_where_many_are_taken(start: Starter, steps: Around) -> None:
    run = start(
        steps("""
        - {name: it, type: sum@1, values: [1, 2.5]}
        outputs: {it: $steps.it.value}
        """)
    )
    assert run.turn(frame()).outputs == {"it": 3.5}


def test_of_a_wire_into_a_step_that_nobody_knows_nothing_is_said(
    refusal: Refusal, steps: Around
) -> None:
    text = steps("""
        - {name: lost, type: nothing_like_it@1, a: "= steps.what.ever", b: 5}
        - {name: it, type: add@1, a: $steps.lost.value, b: "= steps.lost.value * 2"}
        - {name: all, type: sum@1, values: [$steps.lost.value]}
    """)
    assert refusal(text).count("w.yaml:") == 1
