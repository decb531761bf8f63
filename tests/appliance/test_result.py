"""What a turn gave, as a mapping."""

import numpy as np
import pytest

from appliance.engine.failures import StepFailure
from appliance.engine.testing import frame
from appliance.engine.turn import Turn
from appliance.result import Result, RunError
from blocks.data import Detections, Event, Image, Moment

IMAGE = Image.from_bgr(np.zeros((48, 64, 3), np.uint8))
FRAME = frame(1.0, image=IMAGE)


def event(number: int) -> Event:
    return Event("local", "count", "gate", 0.0, {"number": number})


def test_a_result_is_a_mapping_of_its_outputs() -> None:
    result = Result.of(Turn(FRAME, (), {"total": 3, "picture": IMAGE}, ()))
    assert dict(result) == {"total": 3, "picture": IMAGE}
    assert result["total"] == 3
    assert "absent" not in result
    assert result.get("absent", 0) == 0
    assert len(result) == 2


def test_an_output_that_is_not_there_is_told_with_its_nearest() -> None:
    result = Result.of(Turn(FRAME, (), {"total": 3}, ()))
    with pytest.raises(KeyError, match=r"no output 'totl' \(did you mean 'total'\?\)"):
        _ = result["totl"]


def test_a_result_does_not_follow_what_becomes_of_the_turn() -> None:
    outputs = {"total": 3}
    result = Result.of(Turn(FRAME, (), outputs, ()))
    outputs["total"] = 4
    assert result["total"] == 3
    with pytest.raises(TypeError):
        result.outputs["total"] = 5  # type: ignore[index]  # that it refuses is what is tested


def test_the_frame_is_there_where_there_was_one() -> None:
    assert Result.of(Turn(FRAME, (), {}, ())).frame is FRAME
    assert Result.of(Turn(Moment("gate", 2.0, 2.0), (), {}, ())).frame is None


def test_what_ticks_emitted_comes_before_what_the_frame_did() -> None:
    failure = StepFailure("gate", ValueError("no"))
    tick = Result.of(Turn(Moment("gate", 0.5, 0.5), (event(1),), {"total": 1}, (failure,)))
    result = Result.of(Turn(FRAME, (event(2),), {"total": 2}, ()), [tick])
    assert [e.data["number"] for e in result.events] == [1, 2]
    assert result.failures == (failure,)
    assert result.ticks == (tick,)
    assert result["total"] == 2


def test_failures_are_raised_when_asked_for() -> None:
    first, second = ValueError("no line"), KeyError("people")
    failures = (StepFailure("gate", first), StepFailure("tracks", second, 2))
    with pytest.raises(RunError) as caught:
        Result.of(Turn(FRAME, (), {}, failures)).raise_for_failures()
    assert str(caught.value) == "step gate: ValueError: no line\nstep tracks: KeyError: 'people'"
    assert caught.value.failures == failures
    assert caught.value.__cause__ is first
    Result.of(Turn(FRAME, (), {}, ())).raise_for_failures()


def test_it_is_shown_without_its_pixels() -> None:
    outputs = {
        "total": 3,
        "name": "gate",
        "picture": IMAGE,
        "people": Detections.of([[0, 0, 1, 1]]),
        "crops": (IMAGE, IMAGE),
    }
    failure = StepFailure("gate", ValueError("no"))
    assert repr(Result.of(Turn(FRAME, (event(1),), outputs, (failure,)))) == (
        "Result(total=3, name='gate', picture=<image 64x48>, people=<1 boxes>, crops=<2 values>, "
        "1 events, 1 failures)"
    )
