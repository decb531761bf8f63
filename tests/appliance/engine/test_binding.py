"""Values from outside that do not fit: what is said, and which of the given values is to blame."""

from collections.abc import Callable

import pytest

from appliance.engine.binding import Misfit
from appliance.engine.plan import Plan

Planner = Callable[..., Plan]

WORKFLOW = """
    version: 1
    name: w
    inputs:
      image: {type: image}
      model: {type: string}
      value: {type: number, default: 5}
      zone: {type: list, default: [[0, 0], [1, 0], [1, 1]]}
      texts: {type: list}
      units: {type: string, default: relative}
    steps:
    - {name: a, type: find@1, image: $inputs.image, model: $inputs.model, zone: $inputs.zone,
       units: $inputs.units, labels: [$inputs.model, x]}
    - {name: b, type: constant@1, value: $inputs.value, texts: $inputs.texts}
"""
FITTING = {"model": "people", "texts": []}


def told(misfit: Misfit) -> tuple[object, ...]:
    return misfit.path, misfit.problem.where, misfit.problem.what


def test_what_fits_is_not_told(plan: Planner) -> None:
    assert plan(WORKFLOW).misfits(FITTING) == []


@pytest.mark.parametrize(
    ("given", "misfits"),
    [
        ({"value": 101}, [(("value",), "steps.b.value", "this must be at most 100, not 101")]),
        (
            {"texts": ["x", 5]},
            [(("texts", 1), "steps.b.texts", "this must be a text, not 5")],
        ),
        (
            {"zone": [[0, 0], [1], ["1 1"]]},
            [
                (("zone", 1), "steps.a.zone", "a point is [x, y]; this has 1 number"),
                (("zone", 2), "steps.a.zone", "a point is [x, y]: a comma is missing in [1 1]"),
            ],
        ),
        (
            {"zone": [[0, 0], [640, 0], [1, 1]]},
            [
                (
                    ("zone",),
                    "steps.a.zone",
                    "the point [640, 0] is outside 0..1 of the frame "
                    "(for pixels, set `units: pixels`)",
                )
            ],
        ),
        (
            {"units": "metres"},
            [
                (
                    ("units",),
                    "steps.a.units",
                    "this must be 'relative' or 'pixels', not 'metres'",
                )
            ],
        ),
    ],
)
def test_the_value_that_was_given_is_named_with_the_setting_it_goes_to(
    given: dict[str, object], misfits: list[tuple[object, ...]], plan: Planner
) -> None:
    found = plan(WORKFLOW).misfits(FITTING | given)
    assert [told(misfit) for misfit in found] == misfits
    assert [misfit.in_step for misfit in found] == [where for _, where, _ in misfits]


def test_a_value_inside_of_a_setting_is_found(plan: Planner) -> None:
    text = WORKFLOW.replace("labels: [$inputs.model, x]", "labels: [x, $inputs.extra]")
    text = text.replace("      model: {", "      extra: {type: any}\n      model: {")
    assert [told(m) for m in plan(text).misfits(FITTING | {"extra": 7})] == [
        (("extra",), "steps.a.labels.1", "this must be a text, not 7")
    ]


def test_a_setting_that_another_makes_wrong_is_blamed_on_what_was_given(plan: Planner) -> None:
    text = WORKFLOW.replace(
        "default: [[0, 0], [1, 0], [1, 1]]", "default: [[0, 0], [9, 0], [9, 9]]"
    )
    text = text.replace("default: relative", "default: pixels").replace(
        "model: $inputs.model", "model: m"
    )
    text = text.replace("[$inputs.model, x]", "[x]")
    (misfit,) = plan(text).misfits(FITTING | {"units": "relative"})
    assert misfit.path == ("units",)
    assert misfit.problem.what.startswith("the point [9, 0] is outside")


def test_where_several_may_be_to_blame_none_is_named(plan: Planner) -> None:
    text = WORKFLOW.replace(
        "default: [[0, 0], [1, 0], [1, 1]]", "default: [[0, 0], [9, 0], [9, 9]]"
    )
    text = text.replace("default: relative", "default: pixels")
    (misfit,) = plan(text).misfits(FITTING | {"units": "relative"})
    assert misfit.path == ()
    assert misfit.in_step == "steps.a.zone"


def test_inputs_and_settings_are_told_at_once_and_each_once(plan: Planner) -> None:
    given = {"modle": "people", "texts": 5, "value": -1, "image": 1}
    known = "(one of model, texts, units, value or zone)"
    assert [told(m) for m in plan(WORKFLOW).misfits(given)] == [
        (("modle",), "inputs", "workflow w has no input 'modle' (did you mean 'model'?)"),
        (("image",), "inputs", f"workflow w has no input 'image' {known}"),
        (("texts",), "inputs.texts", "input 'texts' of workflow w must be a list, not 5"),
        (("value",), "steps.b.value", "this must be at least 0, not -1"),
    ]


def test_an_input_that_is_missing_stands_nowhere(plan: Planner) -> None:
    (misfit,) = plan(WORKFLOW).misfits({"texts": []})
    assert (misfit.path, misfit.unknown, misfit.in_step) == ((), False, "")
    assert str(misfit.problem.mark) == "w.yaml:5:3"
    assert misfit.problem.what == "workflow w needs a value for its input 'model' (a text)"


def around(line: str, inputs: str) -> str:
    """A workflow of one step, with these inputs."""
    return f"version: 1\nname: w\ninputs: {{{inputs}}}\nsteps:\n- {{name: a, {line}}}\n"


def test_what_an_expression_cannot_make_of_an_input_is_told(plan: Planner) -> None:
    text = around("type: constant@1, value: '= double(inputs.s)'", "s: {type: string}")
    assert plan(text).misfits({"s": "5"}) == []
    (misfit,) = plan(text).misfits({"s": "many"})
    assert (misfit.path, misfit.problem.where) == ((), "steps.a.value")
    assert str(misfit.problem.mark) == "w.yaml:5:38"
    assert misfit.problem.what.startswith("'double(inputs.s)' ")


def test_what_an_expression_makes_of_an_input_is_checked_as_a_setting(plan: Planner) -> None:
    text = around("type: constant@1, value: '= inputs.n * 2'", "n: {type: number}")
    assert [told(misfit) for misfit in plan(text).misfits({"n": 60})] == [
        ((), "steps.a.value", "this must be at most 100, not 120")
    ]


@pytest.mark.parametrize("given", ["hot", {"x": 1}])
def test_of_a_setting_that_may_be_of_several_types_the_input_is_told(
    given: object, plan: Planner
) -> None:
    text = around("type: refuse@1, level: $inputs.level", "level: {type: any}")
    assert plan(text).misfits({"level": [1, 2]}) == []
    found = plan(text).misfits({"level": given})
    assert {misfit.path for misfit in found} == {("level",)}
    assert {misfit.in_step.split(".")[2] for misfit in found} == {"level"}


def test_a_setting_inside_of_another_workflow_is_blamed_on_no_input_of_this_one(
    plan: Planner,
) -> None:
    sub = around("type: constant@1, value: $inputs.n", "n: {type: number}")
    text = around("type: workflow, workflow: s.yaml, n: $inputs.n", "n: {type: number}")
    (misfit,) = plan(text, {"s.yaml": sub}).misfits({"n": 101})
    assert told(misfit) == ((), "steps.a.value", "this must be at most 100, not 101")
    assert str(misfit.problem.mark) == "s.yaml:5:38"
