"""What steps give: looked at as a whole, and laid out where other steps see it."""

from collections.abc import Sequence
from typing import Any

from appliance.engine.axes import Axis, Group
from appliance.engine.steps import PlannedStep
from appliance.engine.wiring import ABSENT, LOST, Slots
from blocks.data import Event


def cell(result: Any, i: int) -> Any:
    """One output of the result for one element; `ABSENT` or `LOST` where there is none."""
    if result is None:
        return ABSENT
    if result is LOST:
        return LOST
    value = result[i]
    return ABSENT if value is None else value


def scatter(planned: PlannedStep, results: Sequence[Any], slots: Slots) -> None:
    """Lay out the outputs of a step that makes many: a new axis, and flat values along it."""
    parents: list[int] = []
    groups: list[Group] = []
    cells: list[list[Any]] = [[] for _ in planned.outputs]
    for i, result in enumerate(results):
        count = None if result is None or result is LOST else _count(planned, result)
        for j, many in enumerate(planned.many):
            if not many:
                cells[j].append(cell(result, j))
            elif count is not None:
                values = result[j]
                own = [ABSENT] * count if values is None else values
                cells[j] += [ABSENT if value is None else value for value in own]
        nothing = LOST if result is LOST else ABSENT
        groups.append(nothing if count is None else (len(parents), len(parents) + count))
        parents += [i] * (count or 0)
    slots[planned.axis] = Axis(parents, groups)
    alone = planned.each is None
    for slot, many, values in zip(planned.outputs, planned.many, cells, strict=True):
        slots[slot] = values[0] if alone and not many else values


def _count(planned: PlannedStep, result: Sequence[Any]) -> int | None:
    """How many elements a result has; None if all that could be many is absent."""
    named = zip(planned.block.outputs, planned.many, result, strict=True)
    counts = {name: len(value) for name, many, value in named if many and value is not None}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise TypeError(f"run gave many of different lengths: {told}")
    return next(iter(counts.values()), None)


def checked(planned: PlannedStep, result: Any) -> Any:
    """The result for one element.

    Raises:
        TypeError: it is not what the block promises.
    """
    if planned.block.emits:
        return checked_event(result)
    values = checked_outputs(result, len(planned.outputs))
    if planned.axis >= 0:
        _count(planned, values)
    return values


def checked_event(result: Any) -> Event:
    """The event of a sink.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(result, Event):
        raise TypeError(f"run gave {type(result).__name__}, not an Event")
    return result


def checked_outputs(result: Any, count: int) -> tuple[Any, ...]:
    """The outputs of a step.

    Raises:
        TypeError: they are not as many as the block promises.
    """
    # Looked at as a whole, before any of it goes where other steps see it.
    if not isinstance(result, tuple) or len(result) != count:
        raise TypeError(f"run gave {type(result).__name__}, not a tuple of its {count} outputs")
    return result


def checked_answers(results: Any, count: int) -> Sequence[Any]:
    """What `run_many` gives for `count` elements.

    Raises:
        TypeError: they are not as many.
    """
    if not isinstance(results, list | tuple) or len(results) != count:
        given = len(results) if isinstance(results, list | tuple) else type(results).__name__
        raise TypeError(f"run_many gave {given} for {count} elements")
    return results
