"""When a run has a turn without a frame: ticks that are due on the line of a camera."""

from appliance.engine.run import Run
from blocks.data import Moment

MOST_TICKS = 1000
"""How many ticks are run at once: a block that always says "now" must not keep the frames out."""


def moment_at(at_s: float, known: Moment) -> Moment:
    """The moment at `at_s` on the line of one that is known, and without its picture."""
    captured_at = known.captured_at + (at_s - known.at_s)
    return Moment(known.camera, at_s, captured_at, known.clock)


def next_tick(run: Run, last: Moment, known: Moment, until_s: float) -> Moment | None:
    """The moment of the next tick, if it is due by `until_s`; None if none is.

    It is placed on the line of the `known` moment, and never before the `last` turn.
    """
    due_s = run.next_at(moment_at(last.at_s, known))
    if due_s is None or not due_s <= until_s:
        return None
    return moment_at(max(due_s, last.at_s), known)
