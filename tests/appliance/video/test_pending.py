"""Sources that are opened on a thread of their own: taken, waited for again, and left."""

import threading
from collections.abc import Callable, Iterator

import pytest

from appliance.engine.testing import ManualClock
from appliance.video.errors import VideoError
from appliance.video.pending import PendingSource
from appliance.video.source import Resume, Source
from tests.appliance.video.scripted import Scripted

LIMIT_S = 20.0


class Threads:
    """Starts threads, and knows their names."""

    def __init__(self) -> None:
        self.started: list[threading.Thread] = []

    def __call__(self, name: str, loop: Callable[[threading.Event], None]) -> None:
        thread = threading.Thread(target=loop, args=(threading.Event(),), name=name, daemon=True)
        self.started.append(thread)
        thread.start()

    def join(self) -> None:
        for thread in self.started:
            thread.join(LIMIT_S)
            assert not thread.is_alive()


class Slow:
    """Opens a source when it is released, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released = threading.Event()
        self.source = Scripted(ManualClock(), Resume(), [])
        self.error = error
        self.calls = 0

    def __call__(self) -> Source:
        self.calls += 1
        assert self.released.wait(LIMIT_S)
        if self.error is not None:
            raise self.error
        return self.source


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    threads.join()


def test_a_source_that_is_open_is_taken(threads: Threads) -> None:
    slow = Slow()
    slow.released.set()
    pending = PendingSource(slow, threads, "open:gate")
    assert pending.wait(threading.Event(), ManualClock(), LIMIT_S)
    assert pending.take() is slow.source
    assert [thread.name for thread in threads.started] == ["open:gate"]
    # It is not ours any more.
    pending.leave()
    assert not slow.source.closed


@pytest.mark.parametrize("error", [VideoError("gate: no answer"), KeyError("odd")])
def test_whatever_is_wrong_is_raised_where_the_source_is_taken(
    threads: Threads, error: Exception
) -> None:
    slow = Slow(error)
    slow.released.set()
    pending = PendingSource(slow, threads, "open:gate")
    assert pending.wait(threading.Event(), ManualClock(), LIMIT_S)
    with pytest.raises(type(error)) as caught:
        pending.take()
    assert caught.value is error


def test_one_that_takes_long_is_waited_for_again_and_is_opened_once(threads: Threads) -> None:
    slow, clock, stop = Slow(), ManualClock(), threading.Event()
    pending = PendingSource(slow, threads, "open:gate")
    assert not pending.wait(stop, clock, 0.0)
    assert not pending.wait(stop, clock, 0.0)
    with pytest.raises(ValueError, match="nothing has been opened yet"):
        pending.take()
    slow.released.set()
    assert pending.wait(stop, clock, LIMIT_S)
    assert pending.take() is slow.source
    assert slow.calls == 1


def test_a_stop_ends_the_waiting_and_what_comes_afterwards_is_closed(threads: Threads) -> None:
    slow, stop = Slow(), threading.Event()
    pending = PendingSource(slow, threads, "open:gate")
    stop.set()
    assert not pending.wait(stop, ManualClock(), LIMIT_S)
    pending.leave()
    assert not slow.source.closed
    slow.released.set()
    threads.join()
    assert slow.source.closed


def test_one_that_is_open_and_left_is_closed(threads: Threads) -> None:
    slow = Slow()
    slow.released.set()
    pending = PendingSource(slow, threads, "open:gate")
    threads.join()
    pending.leave()
    assert slow.source.closed
