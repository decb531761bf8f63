"""Blocks that stand for all cameras: one for all lanes, under one lock, stopped by the last."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import pytest

from appliance.engine.errors import StepError
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run, no_time
from appliance.engine.shared import Shared
from appliance.engine.state import Basis
from appliance.engine.testing import EPOCH_S, FixedHost, frame
from blocks.block import Manifest, Origin, block
from blocks.data import Frame, Moment
from blocks.host import Host

Planner = Callable[[str], Plan]
Starter = Callable[..., Run]
Around = Callable[[str], str]


def start_bare(plan: Plan, timer: Callable[[], float] = no_time) -> Run:
    """A run on a host of which nothing is asked."""
    return plan.start({}, no_host(), Origin("", "", "gate", ""), timer)


class Nothing(Manifest):
    """No settings."""


class Ended(NamedTuple):
    """How many turns there were before the end."""

    after: int


@block("ending@1", Nothing, scope="pipeline")
class Ending:
    """Says at the stop how many frames there were, on all cameras."""

    def __init__(self, manifest: Nothing) -> None:
        self._seen = 0

    def run(self, frame: Frame) -> Ended | None:
        self._seen += 1
        return None

    def stop(self, now: Moment) -> Ended:
        return Ended(self._seen)


def test_what_stands_for_all_cameras_is_stopped_by_the_last_of_them() -> None:
    text = """version: 1
name: w
steps: [{name: end, type: ending@1}]
outputs: {after: $steps.end.after}
"""
    plan = load_plan(text, "w.yaml", {"ending@1": vars(Ending)["block_type"]})
    shared = plan.share({}, FixedHost(), Origin("", "p", "*", ""))
    cameras = ("gate", "yard", "dark")
    gate, yard, dark = [
        plan.start({}, FixedHost(), Origin("", "p", camera, ""), shared=shared)
        for camera in cameras
    ]
    gate.turn(frame())
    yard.turn(frame())
    assert gate.stop(frame()).outputs == {}
    yard.turn(frame())
    # The third camera never had a frame, and is not waited for.
    assert yard.stop(frame()).outputs == {"after": 3}
    assert dark.times[0].runs == 0


def test_a_lane_that_never_had_a_turn_does_not_end_what_others_share() -> None:
    shared = Shared((), Basis({}, {}, {}), nullcontext())
    assert not shared.leave(1)
    shared.join(1)
    assert not shared.leave(2)
    shared.join(3)
    assert not shared.leave(1)
    assert not shared.leave(1)
    assert shared.leave(3)
    assert not shared.leave(3)


def moment(at_s: float) -> Moment:
    """A time on the camera of the frames, without a picture."""
    return Moment("gate", at_s, EPOCH_S + at_s)


SHARED = """
    - {name: site, type: site@1, value: $frame.sequence}
    - {name: after, type: add@1, a: $steps.site.total}
    - {name: own, type: count@1}
    - {name: out, type: note@1, data: {total: $steps.site.total}}
    outputs: {total: $steps.site.total, after: $steps.after.value, own: $steps.own.total}
"""


class HeldLock:
    """A lock that counts how often it was taken, and says whether it is held."""

    def __init__(self) -> None:
        self.taken = 0
        self.held = False

    def __enter__(self) -> None:
        assert not self.held
        self.taken += 1
        self.held = True

    def __exit__(self, *error: object) -> None:
        self.held = False


def test_what_stands_for_all_cameras_is_one_for_all_lanes(plan: Planner, steps: Around) -> None:
    made = plan(steps(SHARED))
    assert made.shared == {"site", "after", "out"}
    lock, host = HeldLock(), no_host()
    shared = made.share({}, host, Origin("", "yard", "a", ""), lock)
    lanes = [
        made.start({}, host, Origin("", "yard", name, ""), shared=shared) for name in ("a", "b")
    ]
    outputs = [lanes[i % 2].turn(frame(sequence=10 + i)).outputs for i in range(3)]
    assert outputs == [
        {"total": 10.0, "after": 20.0, "own": 1},
        {"total": 21.0, "after": 31.0, "own": 1},
        {"total": 33.0, "after": 43.0, "own": 2},
    ]
    assert (lock.taken, lock.held) == (3, False)
    ((_, block),) = [(step, block) for step, block in shared.blocks if step.name == "site"]
    assert block.camera == "*"
    assert [time.step for time in lanes[0].times] == ["own", "site", "after", "out"]


def test_the_state_of_what_stands_for_all_cameras_is_that_of_the_shared(
    plan: Planner, steps: Around
) -> None:
    made, host = plan(steps(SHARED)), no_host()
    shared = made.share({}, host, Origin("", "yard", "a", ""))
    run = made.start({}, host, Origin("", "yard", "a", ""), shared=shared)
    run.turn(frame(sequence=4))
    assert run.state() == {}
    ((step, state),) = shared.state().items()
    assert (step, state.model_dump()) == ("site", {"total": 4.0, "seen": 1})
    again = made.share({}, host, Origin("", "yard", "a", ""))
    assert again.restore(shared.stored_state()) == ()
    assert again.state() == shared.state()


def test_the_lock_is_held_in_turns_without_a_frame_too(plan: Planner, steps: Around) -> None:
    made, host, lock = plan(steps(SHARED)), no_host(), HeldLock()
    shared = made.share({}, host, Origin("", "yard", "a", ""), lock)
    run = made.start({}, host, Origin("", "yard", "a", ""), shared=shared)
    turn = run.tick(moment(1.0))
    assert turn.outputs == {"total": 0.0, "after": 10.0}
    assert [dict(event.data) for event in turn.events] == [{"total": 0.0}]
    assert lock.taken >= 1
    assert run.stop(moment(2.0)).outputs == {}


def test_an_error_in_what_is_shared_gives_the_lock_back(plan: Planner, steps: Around) -> None:
    lines = """
        - {name: site, type: site@1, value: 1}
        - {name: broken, type: fail@1, when: steps.site.seen > 0, on_error: stop}
    """
    made, host, lock = plan(steps(lines)), no_host(), HeldLock()
    shared = made.share({}, host, Origin("", "yard", "a", ""), lock)
    run = made.start({}, host, Origin("", "yard", "a", ""), shared=shared)
    with pytest.raises(StepError):
        run.turn(frame())
    assert not lock.held


def no_host() -> Host:
    """A host of which nothing is asked."""
    host: Host = object()  # type: ignore[assignment]  # no block here takes one
    return host
