"""What a lane may use, and how old its results may be: known to it, and asked by its models."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.engine.turn import Turn
from appliance.pipelines.permits import Permits
from blocks.host import LateError


class Deadline(threading.local):
    """By when what a thread does now has to be done. Each thread has its own."""

    def __init__(self) -> None:
        self._until_s: float | None = None

    def until(self) -> float | None:
        """On the clock's monotonic line; None where it is never too late."""
        return self._until_s

    @contextmanager
    def at(self, until_s: float | None) -> Iterator[None]:
        """What is done inside the `with` has to be done by then."""
        self._until_s = until_s
        try:
            yield
        finally:
            self._until_s = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a lane may use: permits to compute, and how old its results may be.

    `max_latency_s` is the age of a frame when its result is there; `weight` the lane's share of the
    processor, against those of the others. `deadline` tells its models when a frame is too old.
    """

    permits: Permits
    max_latency_s: float = 0.5
    weight: float = 1.0
    deadline: Deadline = field(default_factory=Deadline)

    def until_s(self, captured_s: float, done_s: float) -> float | None:
        """When the result of a frame is too late.

        None where it would be even if its turn took no longer than usual, and were done at
        `done_s`: late results are better than none.
        """
        until_s = captured_s + self.max_latency_s
        return until_s if done_s <= until_s else None


def was_late(turn: Turn) -> bool:
    """Whether a step of it got no answer from its model in time."""
    return any(isinstance(failure.error, LateError) for failure in turn.failures)
