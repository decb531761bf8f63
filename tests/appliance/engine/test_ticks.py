"""Ticks on the line of a camera."""

from typing import NamedTuple

import pytest

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
