"""Steps run after what they are wired to, and cycles are named."""

from collections.abc import Callable

from appliance.engine.plan import Plan

Planner = Callable[[str], Plan]
Refusal = Callable[[str], str]
Around = Callable[[str], str]


def names(plan: Plan) -> list[str]:
    return [step.name for step in plan.steps]


def test_steps_that_need_nothing_keep_the_order_of_the_file(plan: Planner, steps: Around) -> None:
    text = steps("""
        - {name: c, type: constant@1}
        - {name: a, type: constant@1}
        - {name: b, type: constant@1}
    """)
    assert names(plan(text)) == ["c", "a", "b"]


def test_a_step_runs_after_all_it_is_wired_to(plan: Planner, steps: Around) -> None:
    text = steps("""
        - {name: last, type: add@1, a: $steps.middle.value, b: $steps.other.value}
        - {name: other, type: constant@1}
        - {name: middle, type: add@1, a: $steps.first.value}
        - {name: first, type: constant@1}
    """)
    assert names(plan(text)) == ["other", "first", "middle", "last"]


def test_conditions_and_values_inside_of_data_are_wires_too(plan: Planner, steps: Around) -> None:
    text = steps("""
        - {name: sink, type: send@1, data: {in: {a: [$steps.a.value]}}}
        - {name: late, type: constant@1, when: steps.b.value > 3}
        - {name: a, type: constant@1}
        - {name: b, type: constant@1}
    """)
    assert names(plan(text)) == ["a", "sink", "b", "late"]


def test_a_cycle_is_refused_with_the_way_it_takes(refusal: Refusal, steps: Around) -> None:
    text = steps("""
        - {name: start, type: constant@1}
        - {name: after, type: add@1, a: $steps.a.value}
        - {name: a, type: add@1, a: $steps.b.value}
        - {name: b, type: add@1, a: $steps.c.value, b: $steps.start.value}
        - {name: c, type: add@1, a: $steps.a.value}
    """)
    assert refusal(text) == (
        "w.yaml:6:3: steps.a: these steps wait for each other: a → c → b → a\n"
        "     6 | - {name: a, type: add@1, a: $steps.b.value}\n"
        "       |   ^"
    )


def test_a_step_that_waits_for_itself_is_a_cycle(refusal: Refusal, steps: Around) -> None:
    text = steps("- {name: a, type: count@1, when: steps.a.total > 3}")
    assert "steps.a: these steps wait for each other: a → a" in refusal(text)


def test_a_thousand_steps_in_the_worst_order_are_sorted(plan: Planner, steps: Around) -> None:
    lines = [f"- {{name: s{i}, type: add@1, a: $steps.s{i + 1}.value}}" for i in range(1000)]
    lines.append("- {name: s1000, type: constant@1}")
    assert names(plan(steps("\n".join(lines)))) == [f"s{i}" for i in range(1000, -1, -1)]
