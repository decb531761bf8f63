"""What is said of a whole plan: steps nobody uses, conditions that never hold, shared steps."""

from collections.abc import Collection, Iterator, Sequence

from appliance.engine.errors import Problem
from appliance.engine.expressions import ExpressionError
from appliance.engine.scopes import Entrance
from appliance.engine.steps import PlannedStep
from blocks.block import Host


def shared_steps(steps: Sequence[PlannedStep], problems: list[Problem]) -> frozenset[str]:
    """The steps that stand for all cameras of a pipeline, and all that come after them.

    A model among those that come after is added to `problems`: it would hold up all cameras.
    """
    shared: set[str] = set()
    for step in steps:
        after = step.after & shared
        if step.block.scope == "pipeline" or after:
            shared.add(step.name)
        if after and Host in step.block.constructor.values():
            what = (
                f"a model cannot come after step '{min(after)}', which all cameras share: "
                "they would wait for each other"
            )
            problems.append(Problem(step.document.mark(step.path), step.where, what))
    return frozenset(shared)


def warnings_of(steps: Sequence[PlannedStep], taken: Collection[str]) -> list[Problem]:
    """Steps that run for nobody, and steps that never run; `taken` are those that outputs name."""
    return [*_unused(steps, taken), *_never_run(steps)]


def _unused(steps: Sequence[PlannedStep], taken: Collection[str]) -> Iterator[Problem]:
    used = {name for step in steps for name in step.after} | set(taken)
    for step in steps:
        # What a file gives that runs as a step, somebody else may use.
        inside = step.internal or step.block.cls is Entrance
        if step.name not in used and step.block.outputs and not inside:
            what = "this step is for nothing: no step and no output takes what it gives"
            mark = step.document.mark(step.path)
            yield Problem(mark, step.where, what, "warning")


def _never_run(steps: Sequence[PlannedStep]) -> Iterator[Problem]:
    never: dict[str, str] = {}
    for step in steps:
        mark = step.document.mark((*step.path, "when"))
        for source in sorted(step.needed & never.keys()):
            never[step.name] = source
        if step.name in never:
            what = f"this step never runs, since step '{never[step.name]}' never does"
            yield Problem(step.document.mark(step.path), step.where, what, "warning")
        elif _cannot_hold(step):
            never[step.name] = step.name
            what = "this can never be true: the step never runs"
            yield Problem(mark, f"{step.where}.when", what, "warning")


def _cannot_hold(step: PlannedStep) -> bool:
    """Whether a condition is false whatever comes: it looks at nothing but what must be there."""
    condition = step.condition
    if condition is None or condition.names or not step.certain:
        return False
    try:
        return not condition.holds([True] * len(condition.presences))
    except ExpressionError:
        return True
