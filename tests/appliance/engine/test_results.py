"""What steps give is looked at as a whole before other steps see any of it."""

from collections.abc import Callable
from typing import Any

import pytest

from appliance.engine.axes import Axis
from appliance.engine.plan import Plan
from appliance.engine.results import (
    cell,
    checked,
    checked_answers,
    checked_event,
    checked_outputs,
    scatter,
)
from appliance.engine.steps import PlannedStep
from appliance.engine.wiring import ABSENT, LOST
from blocks.data import Event

EVENT = Event("c", "t", "s", 0.0, {})


@pytest.fixture
def splitting(plan: Callable[[str], Plan], steps: Callable[[str], str]) -> PlannedStep:
    """A step with two outputs that are many, and one that is one."""
    text = steps("""
        - {name: parts, type: split@1}
        outputs: {all: $steps.parts.values}
    """)
    return plan(text).steps[0]


def test_one_output_of_a_result_is_absent_lost_or_there() -> None:
    assert cell(None, 0) is ABSENT
    assert cell(LOST, 0) is LOST
    assert cell((1, None), 1) is ABSENT
    assert cell((1, None), 0) == 1


def test_outputs_are_as_many_as_the_block_promises() -> None:
    assert checked_outputs((1, 2), 2) == (1, 2)
    for given in ((1,), [1, 2], 5):
        with pytest.raises(TypeError, match="not a tuple of its 2 outputs"):
            checked_outputs(given, 2)


def test_a_sink_gives_an_event_and_nothing_else() -> None:
    assert checked_event(EVENT) is EVENT
    with pytest.raises(TypeError, match="run gave dict, not an Event"):
        checked_event({})


@pytest.mark.parametrize(("given", "told"), [([1], "gave 1 for 2"), (5, "gave int for 2")])
def test_a_batch_has_an_answer_for_each_element(given: Any, told: str) -> None:
    assert checked_answers([1, 2], 2) == [1, 2]
    with pytest.raises(TypeError, match=told):
        checked_answers(given, 2)


def test_all_that_is_many_in_a_result_is_equally_long(splitting: PlannedStep) -> None:
    many = splitting.many
    good = tuple((1.0, 2.0) if is_many else 2 for is_many in many)
    assert checked(splitting, good) == good
    first = many.index(True)
    bad = tuple((1.0,) if i == first else value for i, value in enumerate(good))
    with pytest.raises(TypeError, match="many of different lengths: 1 "):
        checked(splitting, bad)


def test_what_many_elements_give_is_laid_out_flat_along_a_new_axis(splitting: PlannedStep) -> None:
    slots: list[Any] = [None] * 100
    two = tuple((1.0, 2.0) if is_many else 7 for is_many in splitting.many)
    none = tuple(() if is_many else 8 for is_many in splitting.many)
    scatter(splitting, [two, None, LOST, none], slots)
    assert slots[splitting.axis] == Axis([0, 0], [(0, 2), ABSENT, LOST, (2, 2)])
    first = splitting.outputs[splitting.many.index(True)]
    assert slots[first] == [1.0, 2.0]
