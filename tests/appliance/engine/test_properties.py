"""Workflows made by chance do what an interpreter does that is written from the language's page."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.engine.plan import load_plan
from appliance.engine.run import Run
from appliance.engine.testing import FixedHost, frame
from appliance.engine.turn import Turn
from blocks.block import Origin
from tests.appliance.engine.generated_workflows import (
    BLOCKS,
    NAIVE_BLOCKS,
    files_of,
    text_of,
    workflows,
)
from tests.appliance.engine.naive_interpreter import Naive, Result, Workflow


class Files:
    """The files that run in a workflow, and nothing else from outside."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def secret(self, name: str) -> str:
        raise LookupError(f"there is no secret {name}")

    def variable(self, name: str) -> str | None:
        return None

    def file(self, name: str, beside: str) -> tuple[str, str]:
        if name not in self._texts:
            raise LookupError(f"there is no file {name}")
        return self._texts[name], name


def started(workflow: Workflow, inputs: Mapping[str, float]) -> Run:
    plan = load_plan(text_of(workflow), "main.yaml", BLOCKS, Files(files_of(workflow)))
    return plan.start(inputs, FixedHost(), Origin("", "yard", "gate", ""))


def seen(turn: Turn) -> Result:
    """What of a turn the interpreter knows."""
    events: dict[str, list[object]] = {}
    for event in turn.events:
        events.setdefault(event.subject, []).append(dict(event.data))
    failures = {failure.step: failure.elements for failure in turn.failures}
    return Result(dict(turn.outputs), events, failures)


def compare(workflow: Workflow, inputs: Mapping[str, float], sequences: list[int]) -> None:
    run = started(workflow, inputs)
    naive = Naive(workflow, NAIVE_BLOCKS, inputs)
    for sequence in sequences:
        assert seen(run.turn(frame(sequence=sequence))) == naive.turn(sequence)


SEQUENCES = st.lists(st.integers(0, 40), min_size=3, max_size=4)


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(workflows(), SEQUENCES, st.data())
def test_a_workflow_does_what_the_language_says(
    workflow: Workflow, sequences: list[int], data: st.DataObject
) -> None:
    names = sorted(workflow.inputs)
    inputs = {n: float(data.draw(st.integers(0, 9))) for n in names if data.draw(st.booleans())}
    compare(workflow, inputs, sequences)


@pytest.mark.long
@settings(
    max_examples=2000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(workflows(), SEQUENCES)
def test_many_workflows_do_what_the_language_says(workflow: Workflow, sequences: list[int]) -> None:
    compare(workflow, {}, sequences)
