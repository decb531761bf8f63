"""What is told of steps that fail."""

import traceback

from appliance.engine.failures import Failures
from appliance.engine.testing import frame
from blocks.data import Moment

FAILURES = Failures({"hunter2-0815"})
LEAKY = KeyError("there is no label 'hunter2-0815'")


def test_a_failure_tells_no_secret() -> None:
    failure = FAILURES.skipped("gate", LEAKY, 3)
    assert failure.what.startswith("KeyError: ")
    assert (failure.error, failure.elements) == (LEAKY, 3)
    for told in (str(failure), repr(failure)):
        assert "there is no label '…'" in told.replace("\\", "")
        assert "hunter2" not in told


def test_a_failure_that_stops_tells_no_secret_and_neither_does_its_traceback() -> None:
    error = FAILURES.stopping("gate", frame(sequence=7, camera="yard"), LEAKY)
    assert str(error).startswith("step gate, camera yard, frame 7: KeyError: ")
    assert "hunter2" not in "".join(traceback.format_exception(error))
    assert error.step == "gate"


def test_a_failure_without_a_secret_keeps_its_cause() -> None:
    cause = ValueError("no line")
    error = FAILURES.stopping("gate", Moment("yard", 1.0, 1.0), cause)
    assert error.__cause__ is cause
    assert str(error) == "step gate, camera yard, no frame: ValueError: no line"
    assert str(Failures().skipped("gate", cause)) == "step gate: ValueError: no line"
