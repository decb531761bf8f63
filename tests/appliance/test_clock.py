"""The machine's own clock."""

import math
import threading
import time

import pytest

from appliance.clock import Clock, SystemClock

CLOCK: Clock = SystemClock()


def test_now_is_the_time_of_the_machine() -> None:
    before = time.time()
    now = CLOCK.now()
    assert before <= now <= time.time()


def test_monotonic_never_goes_back() -> None:
    times = [CLOCK.monotonic() for _ in range(1000)]
    assert times == sorted(times)


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.001])
def test_a_wait_that_nobody_ends_says_so(seconds: float) -> None:
    assert CLOCK.wait(threading.Event(), seconds) is False


@pytest.mark.parametrize("seconds", [-5.0, 60.0, 1e12, math.inf])
def test_a_wait_for_what_has_happened_is_over_at_once(seconds: float) -> None:
    stop = threading.Event()
    stop.set()
    assert CLOCK.wait(stop, seconds) is True


@pytest.mark.parametrize("seconds", [60.0, math.inf])
def test_a_wait_is_over_as_soon_as_it_is_ended(seconds: float) -> None:
    stop, ended = threading.Event(), threading.Event()

    def wait() -> None:
        if CLOCK.wait(stop, seconds):
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    assert ended.wait(10)
    thread.join(10)
