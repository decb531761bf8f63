"""One turn of a run: each step called with what it needs, and what it gives laid out for others."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from appliance.engine.axes import Axis, nested
from appliance.engine.errors import StepError
from appliance.engine.expressions import Expression
from appliance.engine.failures import Failures, StepFailure
from appliance.engine.results import (
    cell,
    checked,
    checked_answers,
    checked_event,
    checked_outputs,
    scatter,
)
from appliance.engine.rows import Each
from appliance.engine.steps import PlannedStep
from appliance.engine.wiring import ABSENT, LOST, Slots
from blocks.data import Event, Moment

Timer = Callable[[], float]
Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn led to; `moment` is the frame, where there was one."""

    moment: Moment
    events: tuple[Event, ...]
    outputs: Mapping[str, Any]
    failures: tuple[StepFailure, ...]


@dataclass(slots=True)
class StepTime:
    """How often a step ran, and how long in all; once for each counts as one run."""

    step: str
    runs: int = 0
    total_s: float = 0.0


@dataclass(slots=True)
class BoundStep:
    """A step with its block, in the form in which a turn uses it."""

    planned: PlannedStep
    block: Any
    call: Call
    time: StepTime


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the workflow: its slot, and the slots of the axes along which it is many.

    `copied` is one that is the same object in every turn: who gets it may change it.
    """

    name: str
    slot: int
    axes: tuple[int, ...]
    copied: bool = False


CallOf = Callable[[BoundStep], Call | None]
"""What of a block is to be called in a turn without a frame; None if it is not."""


class Working:
    """A turn while it runs."""

    __slots__ = (
        "_closed",
        "_events",
        "_failures",
        "_found",
        "_live",
        "_lost",
        "_lost_elements",
        "_moment",
        "_slots",
        "_timer",
    )

    def __init__(
        self,
        moment: Moment,
        slots: Slots,
        timer: Timer,
        failures: Failures,
        found: list[StepFailure],
    ) -> None:
        self._moment = moment
        self._slots = slots
        self._timer = timer
        self._events: list[Event] = []
        self._failures = failures
        self._found = found
        # Steps that have lost this turn: those that raised, and all that hang on them.
        self._lost: set[str] = set()
        self._lost_elements = False
        self._live: set[str] = set()
        # What the steps begin with of workflows into which nothing enters in this turn.
        self._closed: tuple[str, ...] = ()

    def done(self, outputs: Sequence[Output]) -> Turn:
        """What came of it."""
        slots, found = self._slots, {}
        for output in outputs:
            value = slots[output.slot]
            if value is ABSENT:
                continue
            if output.axes:
                value = nested(value, [slots[axis] for axis in output.axes])
                if value is None:
                    # Its step ran, and gave none of what it could give many of.
                    continue
            elif output.copied:
                value = deepcopy(value)
            found[output.name] = value
        return Turn(self._moment, tuple(self._events), found, tuple(self._found))

    def step(self, step: BoundStep) -> bool:
        """Run a step if it has all it needs; say whether it gave something."""
        planned = step.planned
        if self._lost and not self._lost.isdisjoint(planned.after):
            self._lost.add(planned.name)
            return False
        try:
            if planned.each is not None:
                return self._run_each(step, planned.each)
            return self._run(step)
        except StepError:
            raise
        except Exception as error:
            self._failed(step, error)
            return False

    def sparse_step(self, step: BoundStep, call_of: CallOf, arguments: tuple[Any, ...]) -> None:
        """Call a step that is to be called; run one that takes something from a step that gave."""
        planned = step.planned
        call = call_of(step)
        if call is None:
            runs = not planned.needs_frame and not self._live.isdisjoint(planned.after)
            if runs and self.step(step):
                self._live.add(planned.name)
            elif planned.enters and (runs or planned.name.startswith(self._closed)):
                # Nothing enters there now: what was there from the beginning of the turn goes.
                self._closed += (f"{planned.name}/",)
                for slot in planned.outputs:
                    self._slots[slot] = ABSENT
            return
        try:
            given = self._give(planned, self._timed(step, call, arguments))
        except Exception as error:
            self._failed(step, error)
            return
        if given:
            self._live.add(planned.name)

    def _failed(self, step: BoundStep, error: Exception, elements: int = 1) -> None:
        planned = step.planned
        if planned.stops:
            raise self._failures.stopping(planned.name, self._moment, error)
        self._found.append(self._failures.skipped(planned.name, error, elements))
        if planned.each is None:
            self._lost.add(planned.name)

    def _run(self, step: BoundStep) -> bool:
        planned, slots = step.planned, self._slots
        arguments = _arguments(planned, slots)
        if arguments is None:
            return False
        timer = self._timer
        began = timer()
        try:
            result = step.call(*arguments)
        finally:
            step.time.runs += 1
            step.time.total_s += timer() - began
        return self._give(planned, result)

    def _timed(self, step: BoundStep, call: Call, arguments: Sequence[Any]) -> Any:
        began = self._timer()
        try:
            return call(*arguments)
        finally:
            step.time.runs += 1
            step.time.total_s += self._timer() - began

    def _give(self, planned: PlannedStep, result: Any) -> bool:
        """Put where other steps see it what a step gave; say whether it gave something."""
        if result is None:
            return False
        slots = self._slots
        if planned.block.emits:
            self._events.append(checked_event(result))
        else:
            values = checked_outputs(result, len(planned.outputs))
            if planned.axis >= 0:
                scatter(planned, [values], slots)
            else:
                for slot, value in zip(planned.outputs, values, strict=True):
                    slots[slot] = ABSENT if value is None else value
        if planned.ran >= 0:
            slots[planned.ran] = True
        return True

    def _run_each(self, step: BoundStep, each: Each) -> bool:
        """Run a step once for each element, or once for all if the block can."""
        axis = self._slots[each.axis]
        if axis is ABSENT:
            return False
        began = self._timer()
        try:
            rows = self._rows(each, axis)
            if each.batch is not None:
                results = self._batched(step, each.batch, rows)
            else:
                results = self._one_by_one(step, rows)
        finally:
            step.time.runs += 1
            step.time.total_s += self._timer() - began
        return self._give_each(step.planned, results)

    def _rows(self, each: Each, axis: Axis) -> list[Slots]:
        count = len(axis.parents)
        columns = [column.cells(self._slots, count) for column in each.columns]
        rows = [[*cells, *each.rest] for cells in zip(*columns, strict=True)]
        if each.position:
            for row, position in zip(rows, axis.positions(), strict=True):
                row[each.position] = position
        return rows

    def _one_by_one(self, step: BoundStep, rows: Sequence[Slots]) -> list[Any]:
        planned, call = step.planned, step.call
        results: list[Any] = []
        failures = 0
        first: Exception | None = None
        for row in rows:
            if self._lost_elements and _has_lost(row):
                results.append(LOST)
                continue
            try:
                arguments = _arguments(planned, row)
                result = None if arguments is None else call(*arguments)
                results.append(None if result is None else checked(planned, result))
            except Exception as error:
                results.append(LOST)
                failures += 1
                first = first or error
        if first is not None:
            self._lost_elements = True
            self._failed(step, first, failures)
        return results

    def _batched(self, step: BoundStep, batch: Sequence[bool], rows: Sequence[Slots]) -> list[Any]:
        planned = step.planned
        results: list[Any] = [None] * len(rows)
        failures = 0
        first: Exception | None = None
        wanted: list[int] = []
        taken: list[list[Any]] = []
        for i, row in enumerate(rows):
            if self._lost_elements and _has_lost(row):
                results[i] = LOST
                continue
            try:
                arguments = _arguments(planned, row)
            except Exception as error:
                results[i] = LOST
                failures += 1
                first = first or error
                continue
            if arguments is not None:
                wanted.append(i)
                taken.append(arguments)
        if wanted:
            columns = zip(*taken, strict=True)
            given = [list(c) if many else c[0] for c, many in zip(columns, batch, strict=True)]
            try:
                answers = checked_answers(step.call(*given), len(wanted))
                made = [None if a is None else checked(planned, a) for a in answers]
            except Exception as error:
                made = [LOST] * len(wanted)
                failures += len(wanted)
                first = first or error
            for i, answer in zip(wanted, made, strict=True):
                results[i] = answer
        if first is not None:
            self._lost_elements = True
            self._failed(step, first, failures)
        return results

    def _give_each(self, planned: PlannedStep, results: Sequence[Any]) -> bool:
        slots = self._slots
        if planned.block.emits:
            self._events += [event for event in results if isinstance(event, Event)]
        elif planned.axis >= 0:
            scatter(planned, results, slots)
        else:
            for i, slot in enumerate(planned.outputs):
                slots[slot] = [cell(result, i) for result in results]
        if planned.ran >= 0:
            slots[planned.ran] = [
                r if r is LOST else ABSENT if r is None else True for r in results
            ]
        return any(result is not None and result is not LOST for result in results)


def _arguments(planned: PlannedStep, row: Slots) -> list[Any] | None:
    """What a step is called with; None if it has not all it needs, or its condition is false."""
    for place in planned.required:
        if row[place] is ABSENT:
            return None
    if planned.condition is not None and not _holds(planned, planned.condition, row):
        return None
    for place, make in planned.built:
        row[place] = make(row)
    arguments = [row[place] for place in planned.arguments]
    for position in planned.late:
        if arguments[position] is ABSENT:
            return None
    for position, fallback in planned.fallbacks:
        if arguments[position] is ABSENT:
            arguments[position] = fallback
    return arguments


def _holds(planned: PlannedStep, condition: Expression, row: Slots) -> bool:
    values = []
    for place in planned.condition_at:
        value = row[place]
        if value is ABSENT:
            return False
        values.append(value)
    for place in planned.presence_at:
        values.append(row[place] is not ABSENT)
    return condition.holds(values)


def _has_lost(row: Slots) -> bool:
    return any(value is LOST for value in row)
