"""Whether a server is worth asking now."""

import pytest

from appliance.engine.testing import ManualClock
from appliance.inference.remote_circuit import Circuit


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> Circuit:
    """One whose server was found to be there."""
    circuit = Circuit(clock)
    assert circuit.try_it()
    circuit.passed()
    return circuit


def fail_trial(circuit: Circuit) -> None:
    assert circuit.try_it()
    circuit.failed("gone")


def test_at_first_it_is_open_and_one_may_try_at_once(clock: ManualClock) -> None:
    circuit = Circuit(clock)
    assert circuit.reason == "it was not asked yet"
    assert [circuit.try_it(), circuit.try_it()] == [True, False]
    circuit.passed()
    assert not circuit.is_open
    assert circuit.failures == 0


def test_after_a_failure_nobody_tries_before_the_pause_is_over(
    circuit: Circuit, clock: ManualClock
) -> None:
    circuit.failed("gone")
    assert (circuit.is_open, circuit.reason, circuit.retry_in_s) == (True, "gone", 0.5)
    assert not circuit.try_it()
    clock.advance(0.5)
    assert circuit.is_due
    assert circuit.try_it()


def test_pauses_double_up_to_half_a_minute(circuit: Circuit, clock: ManualClock) -> None:
    circuit.failed("gone")
    pauses = []
    for _ in range(8):
        pauses.append(circuit.retry_in_s)
        clock.advance(circuit.retry_in_s)
        fail_trial(circuit)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert circuit.open_for_s == sum(pauses)


def test_requests_that_fail_together_are_one_failure(circuit: Circuit) -> None:
    for _ in range(5):
        circuit.failed("gone")
    assert (circuit.failures, circuit.retry_in_s) == (1, 0.5)


def test_to_be_ready_does_not_shorten_the_pauses_but_an_answer_does(
    circuit: Circuit, clock: ManualClock
) -> None:
    circuit.failed("gone")
    clock.advance(0.5)
    assert circuit.try_it()
    circuit.passed()
    circuit.failed("gone")
    assert circuit.retry_in_s == 1.0
    clock.advance(1.0)
    assert circuit.try_it()
    circuit.passed()
    circuit.answered()
    circuit.failed("gone")
    assert circuit.retry_in_s == 0.5


def test_three_late_answers_in_a_row_are_a_failure(circuit: Circuit) -> None:
    circuit.late()
    circuit.late()
    circuit.answered()
    circuit.late()
    circuit.late()
    assert circuit.failures == 0
    circuit.late()
    assert circuit.is_open
    assert circuit.reason == "its answers come too late, the last 3 in a row"


def test_who_was_offline_has_no_second_late_answer_free(
    circuit: Circuit, clock: ManualClock
) -> None:
    circuit.failed("gone")
    clock.advance(0.5)
    assert circuit.try_it()
    circuit.passed()
    circuit.late()
    assert circuit.is_open
    assert circuit.retry_in_s == 1.0


def test_a_straggler_does_not_end_the_back_off(circuit: Circuit) -> None:
    circuit.failed("gone")
    circuit.answered()
    circuit.late()
    assert circuit.is_open
    assert circuit.retry_in_s == 0.5
