"""The time of a camera while none of its frames comes."""

import pytest

from appliance.engine.testing import EPOCH_S, ManualClock, frame
from appliance.pipelines.source_time import SourceTime


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_before_the_first_frame_there_is_no_time(clock: ManualClock) -> None:
    assert SourceTime(clock, passes=True).now() is None
    assert SourceTime(clock, passes=False).now() is None


def test_time_goes_on_from_the_last_frame_as_the_clock_does(clock: ManualClock) -> None:
    time = SourceTime(clock, passes=True)
    time.seen(frame(100.0))
    clock.advance(2.5)
    now = time.now()
    assert now is not None
    assert (now.camera, now.at_s, now.captured_at) == ("gate", 102.5, EPOCH_S + 102.5)
    time.seen(frame(101.0))
    now = time.now()
    assert now is not None
    assert now.at_s == 101.0


def test_a_step_of_the_wall_clock_moves_nothing(clock: ManualClock) -> None:
    time = SourceTime(clock, passes=True)
    time.seen(frame(1.0))
    clock.step(3600.0)
    now = time.now()
    assert now is not None
    assert (now.at_s, now.captured_at) == (1.0, EPOCH_S + 1.0)


def test_between_the_frames_of_a_clip_that_is_read_fast_no_time_passes(clock: ManualClock) -> None:
    time = SourceTime(clock, passes=False)
    time.seen(frame(7.0))
    clock.advance(60.0)
    now = time.now()
    assert now is not None
    assert (now.at_s, now.captured_at) == (7.0, EPOCH_S + 7.0)
