"""A plan at work on one lane: a turn goes in, events and outputs come out.

A turn is caused by a frame, or without one by a tick, a command or the stop. In a turn without a
frame only those steps run that are called, and those that take something from them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.engine.errors import InputError, StepError, suggestion
from appliance.engine.failures import Failures, StepFailure, told_plainly
from appliance.engine.shared import Keeper, Shared
from appliance.engine.state import Basis
from appliance.engine.steps import PlannedStep
from appliance.engine.turn import (
    BoundStep,
    Call,
    CallOf,
    Output,
    StepTime,
    Timer,
    Turn,
    Working,
)
from appliance.engine.wiring import FRAME_SLOT, MOMENT_SLOT, Slots
from blocks.data import Frame, Moment

# How long a step whose tick raised is left alone while no frame comes, in seconds of the line.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


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
        hidden: Collection[str] = (),
    ) -> None:
        super().__init__(blocks, basis)
        self._own = [_bound(planned, block) for planned, block in blocks]
        self._shared = [_bound(planned, block) for planned, block in shared.blocks]
        self._others = shared
        self._lock = shared.lock
        self._slotted = slotted
        self._timer = timer
        self._failures = Failures(hidden)
        self._broken: dict[str, Exception] = {}
        # Steps whose ticks raised since the last frame: until when they are left alone, how long.
        self._put_off: dict[str, tuple[float, float]] = {}
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
            due = [self._due_at(step, now) for step in self._ticking]
        return min((at_s for at_s in due if at_s is not None), default=None)

    def _due_at(self, step: BoundStep, now: Moment) -> float | None:
        """When the next tick of a step is due; of one whose tick raised not at once again."""
        at_s = self._ask(step, lambda block: block.next_at(now))
        if at_s is None or step.planned.name not in self._put_off:
            return at_s
        return max(at_s, self._put_off[step.planned.name][0])

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
        turn = Working(frame, slots, self._timer, self._failures, self._told(frame))
        # What a frame changes may be what made them raise.
        self._put_off.clear()
        for step in self._own:
            turn.step(step)
        if self._shared:
            with self._lock:
                self._others.join(id(self))
                for step in self._shared:
                    turn.step(step)
        return turn.done(slotted.outputs)

    def tick(self, now: Moment) -> Turn:
        """Run the steps that have something to do by now, and what hangs on them.

        One that raises is left alone until the next frame, or for a time that doubles.
        """
        ticked: set[str] = set()

        def due(step: BoundStep) -> Call | None:
            if not step.planned.block.ticks:
                return None
            at_s = self._due_at(step, now)
            if at_s is None or at_s > now.at_s:
                return None
            ticked.add(step.planned.name)
            tick: Call = step.block.tick
            return tick

        try:
            turn = self._without_frame(now, due, (now,))
        except StepError as error:
            self._leave_alone(ticked & {error.step}, now)
            raise
        failed = ticked & {failure.step for failure in turn.failures}
        for name in ticked - failed:
            self._put_off.pop(name, None)
        self._leave_alone(failed, now)
        return turn

    def _leave_alone(self, steps: Collection[str], now: Moment) -> None:
        for name in steps:
            _, before_s = self._put_off.get(name, (0.0, 0.0))
            pause_s = min(max(FIRST_PAUSE_S, 2 * before_s), LONGEST_PAUSE_S)
            self._put_off[name] = (now.at_s + pause_s, pause_s)

    def told(self, error: Exception) -> str:
        """What may be told of an error that has to do with this run."""
        return self._failures.text(told_plainly(error))

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
        turn = Working(now, slots, self._timer, self._failures, self._told(now))
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
            raise self._failures.stopping(name, moment, self._broken.pop(name))
        told = [self._failures.skipped(name, error) for name, error in self._broken.items()]
        self._broken.clear()
        return told


def _among(calls: Mapping[str, Call]) -> CallOf:
    return lambda step: calls.get(step.planned.name)


def _bound(planned: PlannedStep, block: Any) -> BoundStep:
    batch = planned.each is not None and planned.each.batch is not None
    return BoundStep(planned, block, block.run_many if batch else block.run, StepTime(planned.name))
