"""What is said of a plan as a whole: steps for nobody, steps that never run, what is shared."""

from collections.abc import Callable

import pytest

from appliance.engine.plan import Plan

Planner = Callable[..., Plan]
Refusal = Callable[..., str]
Around = Callable[[str], str]


def warned(plan: Plan) -> list[tuple[str, str]]:
    return [(problem.where, problem.what) for problem in plan.warnings]


UNUSED = "this step is for nothing: no step and no output takes what it gives"
NEVER = "this can never be true: the step never runs"


def test_a_step_that_a_condition_or_an_output_names_is_used(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: asked, type: constant@1}
        - {name: there, type: constant@1}
        - {name: given, type: constant@1}
        - {name: inside, type: constant@1}
        - {name: unused, type: constant@1}
        - {name: out, type: send@1, when: steps.asked.value > 0 && present(steps.there)}
        outputs: {a: $steps.given.value, b: {c: ["= steps.inside.value + 1"]}}
        """)
    )
    assert warned(made) == [("steps.unused", UNUSED)]
    assert {problem.severity for problem in made.warnings} == {"warning"}


def test_a_step_used_only_by_one_that_nobody_uses_is_not_told_as_well(
    plan: Planner, steps: Around
) -> None:
    made = plan(
        steps("""
        - {name: first, type: constant@1}
        - {name: second, type: add@1, a: $steps.first.value}
        """)
    )
    assert warned(made) == [("steps.second", UNUSED)]


def test_a_workflow_that_runs_as_a_step_needs_no_use(plan: Planner, steps: Around) -> None:
    files = {
        "s.yaml": """
        version: 1
        name: s
        steps: [{name: a, type: constant@1}]
        outputs: {a: $steps.a.value, half: "= steps.a.value / 2"}
        """
    }
    made = plan(steps("- {name: s, type: workflow, workflow: s.yaml}"), files)
    assert warned(made) == []


def test_what_a_file_gives_is_used_though_nobody_takes_it(plan: Planner, steps: Around) -> None:
    files = {
        "s.yaml": """
        version: 1
        name: s
        inputs: {n: {type: number}}
        steps:
        - {name: given, type: constant@1}
        - {name: made, type: constant@1}
        - {name: unused, type: constant@1}
        outputs: {given: $steps.given.value, made: {a: $steps.made.value}, n: $inputs.n}
        """,
        "t.yaml": """
        version: 1
        name: t
        steps: [{name: s, type: workflow, workflow: s.yaml, n: 1}]
        outputs: {given: $steps.s.given}
        """,
    }
    for file in ("s.yaml, n: 1", "t.yaml"):
        lines = f"""
            - {{name: x, type: workflow, workflow: {file}}}
            - {{name: y, type: workflow, workflow: {file}}}
            outputs: {{x: $steps.x.given}}
        """
        assert warned(plan(steps(lines), files)) == [("steps.unused", UNUSED)]


def test_a_condition_that_may_hold_is_not_told(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: a, type: constant@1}
        - {name: b, type: add@1, a: 1, more: $steps.a.value, when: "!present(steps.a)"}
        - {name: c, type: add@1, a: $steps.a.value, when: present(steps.a)}
        - {name: d, type: add@1, a: $steps.a.value, when: "'a' == 'a'"}
        outputs: {b: $steps.b.value, c: $steps.c.value, d: $steps.d.value}
        """)
    )
    assert warned(made) == []


def test_a_condition_that_contradicts_a_wire_of_the_step_is_told(
    plan: Planner, steps: Around
) -> None:
    made = plan(
        steps("""
        - {name: a, type: constant@1}
        - {name: b, type: add@1, a: $steps.a.value, when: "!present(steps.a.value)"}
        - {name: c, type: add@1, a: $steps.a.value, when: "!present(steps.a)"}
        outputs: {b: $steps.b.value, c: $steps.c.value}
        """)
    )
    assert warned(made) == [("steps.b.when", NEVER), ("steps.c.when", NEVER)]


def test_what_comes_after_a_step_that_never_runs_is_told_why(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: a, type: constant@1, when: 1 > 2}
        - {name: b, type: add@1, a: $steps.a.value}
        - {name: c, type: add@1, a: 1, b: $steps.a.value}
        outputs: {b: $steps.b.value, c: $steps.c.value}
        """)
    )
    assert warned(made) == [
        ("steps.a.when", NEVER),
        ("steps.b", "this step never runs, since step 'a' never does"),
    ]


def test_what_comes_after_a_step_for_all_cameras_is_shared_too(
    plan: Planner, steps: Around
) -> None:
    made = plan(
        steps("""
        - {name: last, type: add@1, a: $steps.site.total}
        - {name: site, type: site@1, value: $steps.own.value}
        - {name: own, type: constant@1}
        - {name: other, type: constant@1}
        outputs: {last: $steps.last.value, other: $steps.other.value, half: "= steps.last.value"}
        """)
    )
    assert made.shared == {"site", "last", "outputs.half"}
    assert [step.name for step in made.steps] == ["own", "other", "site", "last", "outputs.half"]


def test_a_model_may_come_before_a_step_that_all_cameras_share(plan: Planner) -> None:
    made = plan("""
        version: 1
        name: w
        inputs: {image: {type: image}}
        steps:
        - {name: find, type: find@1, image: $inputs.image, model: people}
        - {name: site, type: site@1, value: "= steps.find.detections.size()"}
        outputs: {total: $steps.site.total}
    """)
    assert made.shared == {"site"}
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("steps.one.value", "$steps.one.value"),
        ("inputs.limit", "$inputs.limit"),
        ("size(steps.one.value)", "the expression '= size(steps.one.value)'"),
        ("($steps.one.value + 1)", "the expression '= (steps.one.value + 1)'"),
        ("there are $steps.one.value", "the expression '= \"…\" + string(steps.one.value)'"),
    ],
)
def test_a_text_that_looks_like_a_wire_is_asked_about(
    plan: Planner, steps: Around, text: str, meant: str
) -> None:
    made = plan(
        steps(f"""
        - {{name: one, type: constant@1}}
        - {{name: out, type: send@1, data: {{a: ['{text}'], b: $steps.one.value}}}}
        inputs: {{limit: {{type: number, default: 1}}}}
        """)
    )
    (warning,) = made.warnings
    name = "inputs.limit" if "inputs" in text else "steps.one.value"
    assert warning.what == (
        f"this is a plain text, with {name} in it as letters; is {meant} meant?"
    )
    assert (warning.where, warning.mark.line) == ("steps.out.data", 5)


def test_words_that_name_no_value_are_only_words(plan: Planner, steps: Around) -> None:
    made = plan(
        steps("""
        - {name: one, type: constant@1}
        - {name: out, type: send@1,
           data: {a: first steps.to do, b: "two inputs.x", c: $steps.one.value}}
        """)
    )
    assert made.warnings == ()


@pytest.mark.parametrize("asked", ["steps.one", "steps.one.value"])
def test_present_of_what_is_needed_anyway_is_pointed_at(
    plan: Planner, steps: Around, asked: str
) -> None:
    made = plan(
        steps(f"""
        - {{name: one, type: constant@1}}
        - {{name: out, type: send@1, when: 'present({asked}) && steps.one.value > 1'}}
        """)
    )
    (warning,) = made.warnings
    assert warning.where == "steps.out.when"
    assert warning.what == (
        f"this needs steps.one.value, and is not worked out without: present({asked}) is always "
        "true here (first_present@1 gives a default for what is absent)"
    )
