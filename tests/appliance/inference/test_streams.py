"""Who runs a model now, who waits, and who is given up."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from appliance.clock import SystemClock
from appliance.engine.testing import ManualClock
from appliance.inference.streams import Streams
from blocks.host import LateError

PATIENCE_S = 20.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def run(streams: Streams, clock: ManualClock, seconds: float) -> None:
    with streams.one():
        clock.advance(seconds)


def test_as_many_run_at_once_as_there_are_streams(clock: ManualClock, running: ExitStack) -> None:
    streams = Streams(2, clock)
    running.enter_context(streams.one(until_s=0.5))
    running.enter_context(streams.one(until_s=0.5))
    with pytest.raises(LateError, match="no time"), streams.one(until_s=0.5):
        pass
    assert clock.monotonic() == 0.5


def test_a_request_that_waits_for_too_long_is_counted_and_takes_no_stream(
    clock: ManualClock,
) -> None:
    streams = Streams(1, clock)
    with streams.one(), pytest.raises(LateError), streams.one(until_s=0.3):
        raise AssertionError
    assert streams.late == 1
    with streams.one(until_s=1.0):
        assert clock.monotonic() == 0.3


def test_what_a_run_takes_is_left_for_it(clock: ManualClock) -> None:
    streams = Streams(1, clock)
    run(streams, clock, 0.1)
    with streams.one(), pytest.raises(LateError), streams.one(until_s=0.5):
        pass
    assert clock.monotonic() == pytest.approx(0.4)


def test_a_deadline_that_is_over_is_not_waited_for(clock: ManualClock) -> None:
    streams = Streams(1, clock)
    clock.advance(2.0)
    with pytest.raises(LateError), streams.one(until_s=2.0):
        raise AssertionError
    assert streams.late == 1


def test_a_run_that_would_be_late_at_once_is_computed_nevertheless(clock: ManualClock) -> None:
    streams = Streams(1, clock)
    run(streams, clock, 1.0)
    with streams.one(until_s=1.5):
        pass
    assert streams.late == 0


def test_those_who_wait_run_in_the_order_they_came() -> None:
    streams, order = Streams(1, SystemClock()), []
    threads = []

    def work(number: int) -> None:
        with streams.one():
            order.append(number)

    with streams.one():
        for number in range(3):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(streams._waiting) <= number:
                pass
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [0, 1, 2]


def test_more_streams_let_those_in_who_wait() -> None:
    streams, inside = Streams(1, SystemClock()), threading.Event()

    def work() -> None:
        with streams.one():
            inside.set()

    thread = threading.Thread(target=work)
    with streams.one():
        thread.start()
        while not streams._waiting:
            pass
        assert not inside.is_set()
        streams.resize(2)
        assert inside.wait(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_fewer_streams_disturb_nobody_who_runs(clock: ManualClock) -> None:
    streams = Streams(2, clock)
    with streams.one():
        with streams.one():
            streams.resize(1)
        with pytest.raises(LateError), streams.one(until_s=0.1):
            pass
    with streams.one(until_s=1.0):
        pass
