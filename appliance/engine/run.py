"""A plan at work on one lane: a frame goes in, events and outputs come out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.engine.errors import StepError
from appliance.engine.steps import PlannedStep
from appliance.engine.wiring import ABSENT, FRAME_SLOT, Build, Slots
from blocks.data import Event, Frame

Timer = Callable[[], float]


def no_time() -> float:
    """A timer for runs that nobody measures."""
    return 0.0


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that raised in a turn; what depends on it was left out."""

    step: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Turn:
    """What one frame led to."""

    frame: Frame
    events: tuple[Event, ...]
    outputs: Mapping[str, Any]
    failures: tuple[StepFailure, ...]


@dataclass(slots=True)
class StepTime:
    """How often a step ran, and how long in all."""

    step: str
    runs: int = 0
    total_s: float = 0.0


@dataclass(slots=True)
class _BoundStep:
    """A step with its block, in the form in which a turn uses it."""

    planned: PlannedStep
    call: Callable[..., Any]
    time: StepTime


@dataclass(frozen=True, slots=True)
class Wires:
    """The slots of one workflow: how a turn begins, what the frame fills, what comes out."""

    template: Slots
    images: tuple[int, ...]
    frame_fields: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, Build], ...]


class Run:
    """A workflow on one lane. Its blocks remember; it is called by one thread only."""

    def __init__(
        self, steps: Sequence[tuple[PlannedStep, Any]], wires: Wires, timer: Timer = no_time
    ) -> None:
        self._steps = [
            _BoundStep(planned, block.run, StepTime(planned.name)) for planned, block in steps
        ]
        self._wires = wires
        self._timer = timer

    @property
    def times(self) -> tuple[StepTime, ...]:
        """How long each step took so far, in the order in which they run."""
        return tuple(step.time for step in self._steps)

    def turn(self, frame: Frame) -> Turn:
        """Run every step on a frame.

        Raises:
            StepError: a step that says `on_error: stop` raised.
        """
        wires = self._wires
        slots = wires.template.copy()
        slots[FRAME_SLOT] = frame
        for slot in wires.images:
            slots[slot] = frame.image
        for name, slot in wires.frame_fields:
            slots[slot] = getattr(frame, name)
        events: list[Event] = []
        failures: list[StepFailure] = []
        # Steps that have lost this frame: those that raised, and all that hang on them.
        lost: set[str] = set()
        for step in self._steps:
            name = step.planned.name
            if lost and not lost.isdisjoint(step.planned.after):
                lost.add(name)
                continue
            try:
                _run_step(step, slots, events, self._timer)
            except Exception as error:
                if step.planned.stops:
                    raise StepError(name, frame.camera, frame.sequence, error) from error
                failures.append(StepFailure(name, error))
                lost.add(name)
        outputs = {name: v for name, build in wires.outputs if (v := build(slots)) is not ABSENT}
        return Turn(frame, tuple(events), outputs, tuple(failures))


def _wanted(planned: PlannedStep, slots: Slots) -> bool:
    """Whether a step has all it needs, and its condition holds."""
    for slot in planned.required:
        if slots[slot] is ABSENT:
            return False
    if planned.condition is None:
        return True
    values = tuple([slots[slot] for slot in planned.condition_slots])
    return not any(value is ABSENT for value in values) and planned.condition.holds(values)


def _run_step(step: _BoundStep, slots: Slots, events: list[Event], timer: Timer) -> None:
    planned = step.planned
    if not _wanted(planned, slots):
        return
    for slot, build in planned.built:
        slots[slot] = build(slots)
    arguments = [slots[slot] for slot in planned.arguments]
    for position, fallback in planned.fallbacks:
        if arguments[position] is ABSENT:
            arguments[position] = fallback
    began = timer()
    try:
        result = step.call(*arguments)
    finally:
        step.time.runs += 1
        step.time.total_s += timer() - began
    if result is None:
        return
    if planned.block.emits:
        events.append(_checked_event(result))
        return
    values = _checked_outputs(result, len(planned.outputs))
    for slot, value in zip(planned.outputs, values, strict=True):
        slots[slot] = ABSENT if value is None else value


def _checked_event(result: Any) -> Event:
    if not isinstance(result, Event):
        raise TypeError(f"run gave {type(result).__name__}, not an Event")
    return result


def _checked_outputs(result: Any, count: int) -> tuple[Any, ...]:
    # Looked at as a whole, before any of it goes where other steps see it.
    if not isinstance(result, tuple) or len(result) != count:
        raise TypeError(f"run gave {type(result).__name__}, not a tuple of its {count} outputs")
    return result
