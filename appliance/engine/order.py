"""The order in which steps run: each after everything it is wired to."""

from collections.abc import Sequence

from appliance.engine.document import Document
from appliance.engine.errors import Problem
from appliance.engine.steps import PlannedStep


def in_order(
    steps: Sequence[PlannedStep], document: Document, problems: list[Problem]
) -> list[PlannedStep]:
    """Sort the steps, keeping the file's order where wires leave it open.

    A cycle is added to `problems`, with the way it takes.
    """
    waiting = {step.name: step for step in steps}
    ordered: list[PlannedStep] = []
    while waiting:
        ready = next((s for s in waiting.values() if not s.after & waiting.keys()), None)
        if ready is None:
            way = _cycle(waiting)
            first = waiting[way[0]]
            what = f"these steps wait for each other: {' → '.join([*way, way[0]])}"
            problems.append(Problem(document.mark(("steps", first.index)), f"steps.{way[0]}", what))
            return ordered
        ordered.append(waiting.pop(ready.name))
    return ordered


def _cycle(waiting: dict[str, PlannedStep]) -> list[str]:
    """The names along one cycle, in the direction in which values flow."""
    way: list[str] = []
    name = next(iter(waiting))
    while name not in way:
        way.append(name)
        name = min(waiting[name].after & waiting.keys())
    circle = way[way.index(name) :]
    circle.reverse()
    # Begin with the step that stands first in the file.
    start = min(range(len(circle)), key=lambda i: waiting[circle[i]].index)
    return circle[start:] + circle[:start]
