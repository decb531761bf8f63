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
        ("a: 1, b: '= steps.nope.value'", "steps.it.b: there is no step 'nope'"),
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


INDEXED = """
    - {name: parts, type: split@1}
    - {name: b, type: batch@1, value: $steps.parts.values, add: "= index"}
    - {name: c, type: batch@1, value: $steps.parts.values, add: "= item * 10"}
    - {name: d, type: batch@1, value: "= index + 1", when: steps.parts.values >= 0}
    - {name: e, type: batch@1, value: "= item + 1", when: steps.parts.values >= 0, add: 1}
    outputs: {b: $steps.b.value, c: $steps.c.value, d: $steps.d.value, e: $steps.e.value}
"""


def test_each_element_of_one_call_has_its_own_item_and_index(
    start: Starter, plan: Planner, steps: Around
) -> None:
    turn = start(steps(INDEXED)).turn(frame())
    assert turn.failures == ()
    assert turn.outputs == {
        "b": (0.0, 3.0, 6.0),
        "c": (0.0, 12.0, 24.0),
        "d": (2.0, 4.0, 6.0),
        "e": (3.0, 5.0, 7.0),
    }
    batches = {step.name: step.each.batch for step in plan(steps(INDEXED)).steps if step.each}
    assert batches == {"b": None, "c": None, "d": (True, False), "e": (True, False)}


def test_the_item_is_the_element_of_the_first_that_is_many_as_it_is_written(
    start: Starter, steps: Around
) -> None:
    lines = """
        - {name: parts, type: split@1, start: 10}
        - {name: twice, type: double@1, value: $steps.parts.values}
        - {name: first, type: add@1, b: $steps.parts.values, a: $steps.twice.value, when: item < 12}
        - {name: other, type: add@1, a: $steps.twice.value, b: $steps.parts.values, when: item < 24}
        - {name: row, type: row@1, row: "= item", when: steps.parts.values == item}
        - {name: named, type: add@1, a: 0, more: "= item", b: "= steps.parts.values"}
        outputs: {first: $steps.first.value, other: $steps.other.value, row: $steps.row.row,
                  named: $steps.named.value}
    """
    assert start(steps(lines)).turn(frame()).outputs == {
        "first": (30.0, 33.0, None),
        "other": (30.0, 33.0, None),
        "row": (10.0, 11.0, 12.0),
        "named": (20.0, 22.0, 24.0),
    }


def test_an_item_that_is_absent_leaves_the_fallback_or_nothing(
    start: Starter, steps: Around
) -> None:
    lines = """
        - {name: parts, type: split@1, holes: [1]}
        - {name: may, type: add@1, a: 1, b: "= item", when: present(steps.parts.values) || true}
        - {name: must, type: add@1, a: "= item", b: 0, more: $steps.parts.values}
        - {name: some, type: add@1, more: "= item", a: 1, b: 1, when: present(steps.parts.values) ||
           true}
        outputs: {may: $steps.may.value, must: $steps.must.value, some: $steps.some.value}
    """
    assert start(steps(lines)).turn(frame()).outputs == {
        "may": (1.0, 11.0, 3.0),
        "must": (0.0, None, 4.0),
        "some": (2.0, 2.0, 4.0),
    }


@pytest.mark.parametrize("name", ["item", "index"])
@pytest.mark.parametrize(
    "line", ["a: 1, b: '= {}'", "a: $inputs.one, when: '{} > 0'", "a: '= {} + inputs.one'"]
)
def test_in_a_workflow_that_runs_once_for_each_there_is_no_item_of_outside(
    name: str, line: str, refusal: Refusal, steps: Around
) -> None:
    sub = f"""
        version: 1
        name: s
        inputs: {{one: {{type: number}}}}
        steps:
        - {{name: it, type: add@1, {line.format(name)}}}
    """
    text = steps("""
        - {name: parts, type: split@1}
        - {name: s, type: workflow, workflow: s.yaml, one: $steps.parts.values}
    """)
    told = refusal(text, {"s.yaml": sub})
    assert told.count(".yaml:") == 1
    assert told.startswith("s.yaml:5:")
    assert f"'{name}' is known only in a step that runs once for each" in told


def test_in_a_workflow_that_runs_once_for_each_its_own_many_have_items(
    start: Starter, steps: Around
) -> None:
    sub = """
        version: 1
        name: s
        inputs: {one: {type: number}}
        steps:
        - {name: own, type: split@1, start: $inputs.one, count: 2}
        - {name: it, type: add@1, a: $steps.own.values, b: "= item * 10 + index"}
        outputs: {it: $steps.it.value}
    """
    run = start(
        steps("""
        - {name: parts, type: split@1, count: 2}
        - {name: s, type: workflow, workflow: s.yaml, one: $steps.parts.values}
        outputs: {it: $steps.s.it}
        """),
        {"s.yaml": sub},
    )
    assert run.turn(frame()).outputs == {"it": ((0.0, 12.0), (11.0, 23.0))}
