"""Blocks with their states; and those of them that stand for all cameras of a pipeline."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from appliance.engine.state import Basis, StoredState, restore, stored
from appliance.engine.steps import PlannedStep
from blocks.block import State


class Keeper:
    """Some blocks, and the states of those that have one: asked for, and given back."""

    def __init__(self, blocks: Sequence[tuple[PlannedStep, Any]], basis: Basis) -> None:
        self._stateful = {step.name: block for step, block in blocks if step.block.state}
        self._basis = basis

    def state(self) -> Mapping[str, State]:
        """The state of each step that has one, as it is now; frozen models."""
        return {name: block.state for name, block in self._stateful.items()}

    def stored_state(self) -> tuple[StoredState, ...]:
        """The same as texts, to be kept for the next start."""
        return stored(self._stateful, self._basis)

    def restore(self, entries: Iterable[StoredState]) -> tuple[str, ...]:
        """Give the blocks what was kept; a sentence for each state that does not fit any more."""
        return restore(self._stateful, self._basis, entries)


class Shared(Keeper):
    """The blocks that stand for all cameras of a pipeline, and the lock they run under."""

    def __init__(
        self,
        blocks: Sequence[tuple[PlannedStep, Any]],
        basis: Basis,
        lock: AbstractContextManager[Any],
    ) -> None:
        super().__init__(blocks, basis)
        self.blocks = blocks
        self.lock = lock
        self._lanes: set[int] = set()

    def join(self, lane: int) -> None:
        """A lane has a turn."""
        self._lanes.add(lane)

    def leave(self, lane: int) -> bool:
        """A lane has its last turn; whether it is the last of all that had any."""
        if lane not in self._lanes:
            return False
        self._lanes.discard(lane)
        return not self._lanes
