"""Ticks on the line of a camera."""

from typing import NamedTuple

import pytest

from appliance.engine.errors import StepError
from appliance.engine.plan import load_plan
from appliance.engine.run import Run
from appliance.engine.testing import EPOCH_S, FixedHost, frame
from appliance.engine.ticks import moment_at, next_tick
from blocks.block import Manifest, Origin, block
from blocks.data import Frame, Moment


class BellManifest(Manifest):
    """When it rings."""

    at_s: float


class Rung(NamedTuple):
    """That it rang."""

    rung: bool


@block("bell@1", BellManifest)
class Bell:
    """Rings at one time."""

    def __init__(self, manifest: BellManifest) -> None:
        self._at_s = manifest.at_s

    def run(self, moment: Moment) -> Rung:
        """No."""
        return Rung(rung=False)

    def next_at(self, now: Moment) -> float:
        """The one time."""
        return self._at_s

    def tick(self, now: Moment) -> Rung:
        """Yes."""
        return Rung(rung=True)


def bell(at_s: str) -> Run:
    text = "version: 1\nname: bell\nsteps:\n  - {name: bell, type: bell@1, at_s: " + at_s + "}\n"
    plan = load_plan(text, "bell.yaml", {"bell@1": vars(Bell)["block_type"]})
    return plan.start({}, FixedHost(), Origin("", "", "gate", ""))


def test_a_tick_that_is_due_has_its_own_time() -> None:
    tick = next_tick(bell("4.5"), frame(3.0), frame(5.0), 5.0)
    assert tick is not None
    assert (tick.at_s, tick.captured_at) == (4.5, EPOCH_S + 4.5)


def test_a_tick_that_is_late_has_the_time_of_the_last_turn() -> None:
    tick = next_tick(bell("1.0"), frame(3.0), frame(5.0), 5.0)
    assert tick is not None
    assert tick.at_s == 3.0


@pytest.mark.parametrize("at_s", ["5.5", ".inf", ".nan"])
def test_what_is_not_due_yet_is_no_tick(at_s: str) -> None:
    run = bell("9.0")
    for step in run._ticking:
        step.block._at_s = float(at_s.lstrip(".") if at_s[0] == "." else at_s)
    assert next_tick(run, frame(3.0), frame(5.0), 5.0) is None


def test_a_moment_is_placed_on_the_line_of_another_and_has_no_picture() -> None:
    known = frame(10.0, camera="yard", clock="unsynchronised")
    before = moment_at(4.0, known)
    assert (before.at_s, before.captured_at) == (4.0, EPOCH_S + 4.0)
    assert (before.camera, before.clock) == ("yard", "unsynchronised")
    assert not isinstance(before, Frame)


class Broken(Bell):
    """Is always due, and raises, until a frame mends it."""

    def run(self, moment: Moment) -> Rung:
        """A frame."""
        return Rung(rung=False)

    def tick(self, now: Moment) -> Rung:
        """Break."""
        raise ValueError("the bell is broken")


def broken(on_error: str) -> Run:
    text = "version: 1\nname: bell\nsteps:\n"
    text += f"  - {{name: bell, type: broken@1, at_s: 1, on_error: {on_error}}}\n"
    text += "  - {name: good, type: bell@1, at_s: 100}\n"
    described = block("broken@1", BellManifest)(Broken)
    blocks = {found.type: found for found in (vars(c)["block_type"] for c in (described, Bell))}
    return load_plan(text, "bell.yaml", blocks).start({}, FixedHost(), Origin("", "", "gate", ""))


def failed_at(run: Run, last: Moment, until_s: float) -> list[float]:
    """When ticks failed in one sweep."""
    found = []
    while (now := next_tick(run, last, last, until_s)) is not None and now.at_s < 100:
        try:
            found += [now.at_s for _ in run.tick(now).failures]
        except StepError:
            found.append(now.at_s)
        last = now
    return found


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_step_whose_tick_raises_is_left_alone_until_the_next_frame(on_error: str) -> None:
    run = broken(on_error)
    for second in (0.0, 1.0, 1.1, 1.2):
        run.turn(frame(second))
        assert failed_at(run, frame(second), second + 0.1) == ([second] if second else [])


def test_while_no_frame_comes_a_step_whose_tick_raises_is_asked_ever_less_often() -> None:
    run = broken("skip")
    run.turn(frame(0.0))
    assert failed_at(run, frame(0.0), 99.0) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    # Others are not put off.
    assert run.next_at(frame(99.0)) == 100.0
