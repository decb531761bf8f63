"""The benchmark of the engine measures what it says."""

from collections.abc import Callable

import pytest

from appliance.engine.testing import frame
from benchmarks.engine import started, workflow


@pytest.mark.parametrize("conditions", [False, True])
def test_every_step_of_the_chain_runs_in_a_turn(conditions: bool) -> None:
    run = started(workflow(20, conditions=conditions))
    turn = run.turn(frame())
    assert turn.outputs == {"last": 1.0}
    assert not turn.failures
    assert [each.runs for each in run.times] == [1] * 20


def test_it_runs(quick_run: Callable[[str], str]) -> None:
    printed = quick_run("engine")
    for variant in ("plain calls", "engine", "engine, when", "500 steps", "500 steps, when"):
        assert f"\n{variant}  " in printed
