"""The benchmark of the engine measures what it says."""

from collections.abc import Callable

import pytest

from appliance.engine.testing import frame
from benchmarks.engine import EACH, ELEMENTS, LASTING, many, sinks, started, workflow, worst
from benchmarks.nasty_texts import nasty_texts


@pytest.mark.parametrize("conditions", [False, True])
def test_every_step_of_the_chain_runs_in_a_turn(conditions: bool) -> None:
    run = started(workflow(20, conditions=conditions))
    turn = run.turn(frame())
    assert turn.outputs == {"last": 1.0}
    assert not turn.failures
    assert [each.runs for each in run.times] == [1] * 20


@pytest.mark.parametrize("line", EACH.values(), ids=EACH)
def test_every_step_over_many_values_runs_in_a_turn(line: str) -> None:
    run = started(many(line) + "\noutputs: {last: $steps.s9.value}")
    turn = run.turn(frame(sequence=1))
    assert not turn.failures
    assert turn.outputs["last"] in (1.0, (1.0,) * ELEMENTS)
    assert [each.runs for each in run.times] == [1] * 11


def test_every_sink_is_given_its_data() -> None:
    turn = started(sinks('{a: "= frame.sequence + 1"}')).turn(frame(sequence=1))
    assert [dict(event.data) for event in turn.events] == [{"a": 2.0}] * 20


def test_what_lasts_has_a_little_of_everything() -> None:
    turn = started(LASTING).turn(frame(sequence=1))
    assert not turn.failures
    assert turn.outputs == {"t": 1.0, "e": (1.0, 1.0)}
    assert len(turn.events) == 1


def test_nasty_texts_are_the_same_each_time_and_the_slowest_is_named() -> None:
    texts = nasty_texts(3, 500)
    assert texts == nasty_texts(3, 500)
    assert max(map(len, texts.values())) < 40_000
    taken, name = worst({"short": texts["tabs"], "wide": texts["everything_from_everything"]})
    assert taken > 0
    assert name in ("short", "wide")


def test_it_runs(quick_run: Callable[[str], str]) -> None:
    printed = quick_run("engine")
    variants = ["plain calls", "engine", "engine, when", "data", "data, expression", *EACH]
    variants += ["500 steps", "500 steps, when", "worst file", "a million turns"]
    for variant in variants:
        assert f"\n{variant}  " in printed
