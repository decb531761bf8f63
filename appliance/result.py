"""What a turn of a workflow gave, for those who run it from Python."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

from appliance.engine.errors import WorkflowError, suggestion
from appliance.engine.failures import StepFailure, told_plainly
from appliance.engine.turn import Turn
from blocks.data import Detections, Event, Frame, Image, Moment


class RunError(WorkflowError):
    """Steps failed in a run; `failures` are all of them, each with its exception."""

    def __init__(self, failures: tuple[StepFailure, ...]) -> None:
        self.failures = failures
        super().__init__("\n".join(map(str, failures)))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Result(Mapping[str, Any]):
    """What one turn of a workflow gave: a mapping of its outputs, and more.

    An output is what its step gave: an Image, Detections, a number, a text, a tuple of these where
    it is many. One whose step did not run is absent. `moment` is the frame, where there was one.

    `ticks` are turns without a frame that were due before this one in a session, in their order;
    what they emitted, and what failed in them, also stands first in `events` and `failures`.
    """

    outputs: Mapping[str, Any]
    events: tuple[Event, ...]
    failures: tuple[StepFailure, ...]
    moment: Moment
    ticks: tuple["Result", ...] = ()

    @classmethod
    def of(cls, turn: Turn, ticks: Sequence["Result"] = ()) -> "Result":
        """The result of a turn of the engine, and of those that were due before it."""
        return cls(
            outputs=MappingProxyType(dict(turn.outputs)),
            events=(*chain.from_iterable(tick.events for tick in ticks), *turn.events),
            failures=(*chain.from_iterable(tick.failures for tick in ticks), *turn.failures),
            moment=turn.moment,
            ticks=tuple(ticks),
        )

    @property
    def frame(self) -> Frame | None:
        """The frame it is about: camera, sequence, at_s, captured_at, image; None without one."""
        return self.moment if isinstance(self.moment, Frame) else None

    def raise_for_failures(self) -> None:
        """Do nothing if every step went well.

        Raises:
            RunError: some did not; the exception of the first is its cause, unless a secret is in
                its text.
        """
        if self.failures:
            first = self.failures[0]
            # A traceback would show the error itself, with what is left out of its text.
            cause = first.error if first.what in ("", told_plainly(first.error)) else None
            raise RunError(self.failures) from cause

    def __getitem__(self, name: str) -> Any:
        if name not in self.outputs:
            known = suggestion(name, self.outputs, " (it has none)")
            raise KeyError(f"this result has no output '{name}'{known}")
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def __repr__(self) -> str:
        parts = [f"{name}={_short(value)}" for name, value in self.outputs.items()]
        parts += [f"{len(self.events)} events"] if self.events else []
        parts += [f"{len(self.failures)} failures"] if self.failures else []
        return f"Result({', '.join(parts)})"


def _short(value: Any) -> str:
    if isinstance(value, Image):
        return f"<image {value.width}x{value.height}>"
    if isinstance(value, Detections):
        return f"<{len(value)} boxes>"
    if isinstance(value, tuple):
        return f"<{len(value)} values>"
    return repr(value)
