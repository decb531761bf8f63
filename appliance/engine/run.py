"""A plan at work on one lane: a turn goes in, events and outputs come out.

A turn is caused by a frame, or without one by a tick, a command or the stop. In a turn without a
frame only those steps run that are called, and those that take something from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.engine.errors import InputError, StepError, suggestion
from appliance.engine.shared import Keeper, Shared
from appliance.engine.state import Basis
from appliance.engine.steps import PlannedStep
from appliance.engine.turn import (
    BoundStep,
    Call,
    CallOf,
    Output,
    StepFailure,
    StepTime,
    Timer,
    Turn,
    Working,
)
from appliance.engine.wiring import FRAME_SLOT, MOMENT_SLOT, Slots
from blocks.data import Frame, Moment


def no_time() -> float:
    """A timer for runs that nobody measures."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Slotted:
    """The slots of one workflow: how a turn begins, what the moment fills, what comes out."""

    template: Slots
    images: tuple[int, ...]
    moment_fields: tuple[tuple[str, int], ...]
    frame_fields: tuple[tuple[str, int], ...]
    entered: tuple[tuple[int, Any], ...]
    outputs: tuple[Output, ...]


class Run(Keeper):
    """A workflow on one lane. Its blocks remember; it is called by one thread only."""

    def __init__(
        self,
        blocks: Sequence[tuple[PlannedStep, Any]],
        basis: Basis,
        shared: Shared,
        slotted: Slotted,
        timer: Timer,
    ) -> None:
        super().__init__(blocks, basis)
        self._own = [_bound(planned, block) for planned, block in blocks]
        self._shared = [_bound(planned, block) for planned, block in shared.blocks]
        self._others = shared
        self._lock = shared.lock
        self._slotted = slotted
        self._timer = timer
        self._broken: dict[str, Exception] = {}
        self._called = {step.planned.name: step for step in [*self._own, *self._shared]}
        everywhere = [*self._own, *self._shared]
        self._ticking = [step for step in everywhere if step.planned.block.ticks]
        self._waking = [s for s in everywhere if hasattr(type(s.block), "awake_until")]

    @property
    def times(self) -> tuple[StepTime, ...]:
        """How long each step took so far, in the order in which they run."""
        return tuple(s.time for s in [*self._own, *self._shared] if not s.planned.internal)

    @property
    def awake_until(self) -> float | None:
        """Until when, in `at_s`, some block asks for every frame; None if none does."""
        with self._lock:
            asked = [self._ask(step, lambda block: block.awake_until) for step in self._waking]
        return max((until for until in asked if until is not None), default=None)

    def next_at(self, now: Moment) -> float | None:
        """When, in `at_s`, the next tick is due, as seen from now; None if none is."""
        with self._lock:
            due = [self._ask(step, lambda block: block.next_at(now)) for step in self._ticking]
        return min((at_s for at_s in due if at_s is not None), default=None)

    def _ask(self, step: BoundStep, question: Callable[[Any], float | None]) -> float | None:
        """What a block answers; one that raises has nothing to ask for, and fails the next turn."""
        try:
            return question(step.block)
        except Exception as error:  # noqa: BLE001 - whatever a block raises is its failure
            self._broken[step.planned.name] = error
            return None

    def turn(self, frame: Frame) -> Turn:
        """Run every step on a frame.

        Raises:
            StepError: a step that says `on_error: stop` raised.
        """
        slotted = self._slotted
        slots = slotted.template.copy()
        slots[FRAME_SLOT] = slots[MOMENT_SLOT] = frame
        for slot in slotted.images:
            slots[slot] = frame.image
        for name, slot in slotted.moment_fields:
            slots[slot] = getattr(frame, name)
        for name, slot in slotted.frame_fields:
            slots[slot] = getattr(frame, name)
        turn = Working(frame, slots, self._timer, self._told(frame))
        for step in self._own:
            turn.step(step)
        if self._shared:
            with self._lock:
                self._others.join(id(self))
                for step in self._shared:
                    turn.step(step)
        return turn.done(slotted.outputs)

    def tick(self, now: Moment) -> Turn:
        """Run the steps that have something to do by now, and what hangs on them."""

        def due(step: BoundStep) -> Call | None:
            if not step.planned.block.ticks:
                return None
            at_s = self._ask(step, lambda block: block.next_at(now))
            return step.block.tick if at_s is not None and at_s <= now.at_s else None

        return self._without_frame(now, due, (now,))

    def command(self, step: str, name: str, value: Any, now: Moment) -> Turn:
        """Give a command to a step, and run what hangs on it.

        Raises:
            InputError: there is no such step, or it has no such command.
        """
        bound = self._called.get(step)
        if bound is None or not bound.planned.block.commands:
            known = [n for n, s in self._called.items() if s.planned.block.commands]
            what = f"there is no step '{step}' that takes commands"
            raise InputError(what + suggestion(step, known, " (this workflow has none)"))
        if name not in bound.planned.block.commands:
            hint = suggestion(name, bound.planned.block.commands)
            raise InputError(f"step '{step}' has no command '{name}'{hint}")
        called = {step: bound.block.command}
        return self._without_frame(now, _among(called), (now, name, value))

    def stop(self, now: Moment) -> Turn:
        """The last turn: what blocks have held back until now comes out.

        Blocks that stand for all cameras are stopped by the last lane of those that had a turn.
        """
        with self._lock:
            last = self._others.leave(id(self))
        ending = [*self._own, *(self._shared if last else ())]
        calls = {s.planned.name: s.block.stop for s in ending if hasattr(s.block, "stop")}
        return self._without_frame(now, _among(calls), (now,))

    def _without_frame(self, now: Moment, call_of: CallOf, arguments: tuple[Any, ...]) -> Turn:
        slotted = self._slotted
        slots = slotted.template.copy()
        slots[MOMENT_SLOT] = now
        for name, slot in slotted.moment_fields:
            slots[slot] = getattr(now, name)
        for slot, value in slotted.entered:
            # In a workflow that runs as a step some may be called, though nothing has entered.
            slots[slot] = value
        turn = Working(now, slots, self._timer, self._told(now))
        for step in self._own:
            turn.sparse_step(step, call_of, arguments)
        if self._shared:
            with self._lock:
                for step in self._shared:
                    turn.sparse_step(step, call_of, arguments)
        return turn.done(slotted.outputs)

    def _told(self, moment: Moment) -> list[StepFailure]:
        """What went wrong since the last turn.

        Raises:
            StepError: of a step that says `on_error: stop`.
        """
        broken = {name: self._called[name].planned.stops for name in self._broken}
        for name in (name for name, stops in broken.items() if stops):
            error = self._broken.pop(name)
            sequence = moment.sequence if isinstance(moment, Frame) else None
            raise StepError(name, moment.camera, sequence, error) from error
        told = [StepFailure(name, error) for name, error in self._broken.items()]
        self._broken.clear()
        return told


def _among(calls: Mapping[str, Call]) -> CallOf:
    return lambda step: calls.get(step.planned.name)


def _bound(planned: PlannedStep, block: Any) -> BoundStep:
    batch = planned.each is not None and planned.each.batch is not None
    return BoundStep(planned, block, block.run_many if batch else block.run, StepTime(planned.name))
