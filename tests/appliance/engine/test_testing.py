"""The manual clock and the hand-made frames that other tests stand on."""

import threading

from appliance.clock import Clock
from appliance.engine.testing import EPOCH_S, ManualClock, frame
from blocks.data import Image


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock: Clock = ManualClock()
    assert (clock.now(), clock.monotonic()) == (EPOCH_S, 0.0)
    assert (clock.now(), clock.monotonic()) == (EPOCH_S, 0.0)


def test_advancing_moves_both_its_times() -> None:
    clock = ManualClock()
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (EPOCH_S + 2.5, 2.5)


def test_a_step_of_the_wall_clock_lets_no_time_pass() -> None:
    clock = ManualClock(now_s=1000.0)
    clock.step(-60.0)
    assert (clock.now(), clock.monotonic()) == (940.0, 0.0)


def test_waiting_passes_the_time_at_once_and_is_written_down() -> None:
    clock, stop = ManualClock(), threading.Event()
    assert clock.wait(stop, 30.0) is False
    assert clock.wait(stop, -1.0) is False
    assert (clock.monotonic(), clock.waits) == (30.0, [30.0, -1.0])


def test_waiting_for_what_is_set_already_passes_no_time() -> None:
    clock, stop = ManualClock(), threading.Event()
    stop.set()
    assert clock.wait(stop, 30.0) is True
    assert (clock.monotonic(), clock.waits) == (0.0, [])


def test_a_frame_is_black_and_small_unless_it_is_told_otherwise() -> None:
    made = frame()
    assert (made.camera, made.sequence, made.at_s, made.captured_at) == ("gate", 0, 0.0, EPOCH_S)
    assert made.image.bgr.shape == (48, 64, 3)
    assert not made.image.bgr.any()


def test_a_frame_is_what_it_is_told_to_be() -> None:
    small = frame(size=(8, 4)).image
    made = frame(1.5, camera="yard", sequence=7, image=small, clock="unsynchronised")
    assert (made.camera, made.sequence, made.clock) == ("yard", 7, "unsynchronised")
    assert (made.at_s, made.captured_at) == (1.5, EPOCH_S + 1.5)
    assert isinstance(made.image, Image)
    assert made.image is small
