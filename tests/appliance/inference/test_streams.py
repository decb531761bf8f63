"""Who runs a model now, who waits, who is given up, and who goes together."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.clock import SystemClock
from appliance.engine.testing import ManualClock
from appliance.inference.streams import Streams
from blocks.host import LateError
from tests.appliance.inference.busy import ANY, PATIENCE_S, Callers, Held, taken


class Doubling:
    """Twice of what it is given; it knows what went together, and fails at once with -1 in it."""

    def __init__(self, clock: ManualClock | None = None, run_s: float = 0.0) -> None:
        self.runs: list[list[float]] = []
        self._clock, self._run_s = clock, run_s

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.runs.append(tensor.ravel().tolist())
        if self._clock is not None:
            self._clock.advance(self._run_s)
        if -1 in tensor:
            raise ValueError("of -1 there is no double")
        return {"double": tensor * 2}


class OneOnly(Doubling):
    """Takes several images, and fails with them."""

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        found = super().run(tensor)
        if len(tensor) > 1:
            raise RuntimeError("Reshape: 4 is no multiple")
        return found


class Mixed(Doubling):
    """Gives one row, for however many images."""

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"double": super().run(tensor)["double"][:1]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def one(*values: float) -> NDArray[Any]:
    """An image for each value."""
    return np.array(values, np.float32)[:, None]


def doubled(callers: Callers) -> dict[str, Any]:
    return {
        name: got if isinstance(got, Exception) else got["double"].ravel().tolist()
        for name, got in callers.got.items()
    }


def ask(callers: Callers, session: Doubling, *values: float, at_once: int = 4) -> None:
    streams = callers._streams
    for value in values:
        call = partial(streams.run, session, one(value), None, at_once)
        callers.ask(f"{value:g}", call)


def test_a_run_gives_its_outputs_and_its_error() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    assert streams.run(session, one(3))["double"] == [[6]]
    with pytest.raises(ValueError, match="no double"):
        streams.run(session, one(-1))
    assert streams.run(session, one(4), until_s=None)["double"] == [[8]]


def test_as_many_run_at_once_as_there_are_streams(clock: ManualClock, running: ExitStack) -> None:
    streams, session = Streams(2, clock), Doubling()
    running.enter_context(taken(streams))
    streams.run(session, ANY, until_s=0.5)
    running.enter_context(taken(streams))
    with pytest.raises(LateError, match="no time"):
        streams.run(session, ANY, until_s=0.5)
    assert (clock.monotonic(), len(session.runs)) == (0.5, 1)


def test_a_request_that_waits_for_too_long_is_counted_and_takes_no_stream(
    clock: ManualClock,
) -> None:
    streams, session = Streams(1, clock), Doubling()
    with taken(streams), pytest.raises(LateError):
        streams.run(session, ANY, until_s=0.3)
    assert (streams.late, session.runs) == (1, [])
    streams.run(session, ANY, until_s=1.0)
    assert clock.monotonic() == 0.3


def test_what_a_run_takes_is_left_for_it(clock: ManualClock) -> None:
    streams, session = Streams(1, clock), Doubling(clock, 0.1)
    streams.run(session, ANY)
    with taken(streams), pytest.raises(LateError):
        streams.run(session, ANY, until_s=0.5)
    assert clock.monotonic() == pytest.approx(0.4)


def test_a_deadline_that_is_over_is_not_waited_for(clock: ManualClock) -> None:
    streams, session = Streams(1, clock), Doubling()
    clock.advance(2.0)
    with pytest.raises(LateError):
        streams.run(session, ANY, until_s=2.0)
    assert (streams.late, session.runs) == (1, [])


def test_a_run_that_would_be_late_at_once_is_computed_nevertheless(clock: ManualClock) -> None:
    streams, session = Streams(1, clock), Doubling(clock, 1.0)
    streams.run(session, ANY)
    streams.run(session, ANY, until_s=1.5)
    assert (streams.late, len(session.runs)) == (0, 2)


def test_those_who_wait_run_in_the_order_they_came() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    with taken(streams):
        ask(callers, session, 3, 1, 2, at_once=1)
    callers.end()
    assert session.runs == [[3], [1], [2]]


def test_more_streams_let_those_in_who_wait() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    with taken(streams):
        ask(callers, session, 1)
        assert session.runs == []
        streams.resize(2)
        callers.end()
        assert session.runs == [[1]]


def test_fewer_streams_disturb_nobody_who_runs(clock: ManualClock) -> None:
    streams, session = Streams(2, clock), Doubling()
    with taken(streams):
        with taken(streams):
            streams.resize(1)
        with pytest.raises(LateError):
            streams.run(session, ANY, until_s=0.1)
    streams.run(session, ANY, until_s=1.0)
    assert len(session.runs) == 1


def test_what_waits_goes_together_and_each_gets_its_own_part() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    with taken(streams):
        ask(callers, session, 1, 2, 3, 4, 5)
        assert session.runs == []
    callers.end()
    assert session.runs == [[1, 2, 3, 4], [5]]
    assert doubled(callers) == {str(each): [2 * each] for each in range(1, 6)}


def test_nobody_waits_for_more_to_come() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    streams.run(session, one(1), None, 4)
    assert session.runs == [[1]]


def test_several_images_of_one_caller_fill_what_is_left_of_a_batch() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    with taken(streams):
        ask(callers, session, 1)
        callers.ask("two", lambda: streams.run(session, one(2, 3), None, 4))
        callers.ask("three", lambda: streams.run(session, one(4, 5, 6), None, 4))
        ask(callers, session, 7)
    callers.end()
    assert session.runs == [[1, 2, 3, 7], [4, 5, 6]]
    assert doubled(callers) == {"1": [2], "two": [4, 6], "three": [8, 10, 12], "7": [14]}


def test_only_what_is_alike_goes_together() -> None:
    streams, session, other = Streams(1, SystemClock()), Doubling(), Doubling()
    callers = Callers(streams)
    wide, whole = np.full((1, 2), 2, np.float32), np.full((1, 1), 3, np.uint8)
    with taken(streams):
        ask(callers, session, 1)
        callers.ask("wide", lambda: streams.run(session, wide, None, 4))
        callers.ask("bytes", lambda: streams.run(session, whole, None, 4))
        ask(callers, other, 4)
        ask(callers, session, 5)
    callers.end()
    assert (session.runs, other.runs) == ([[1, 5], [2, 2], [3]], [[4]])
    assert callers.got["bytes"]["double"].dtype == np.uint8


def test_one_that_is_late_is_left_out_of_a_batch(clock: ManualClock) -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    late = threading.Event()

    class Asleep(SystemClock):
        """Does not wake who waits, so that it is the grant that sees he is late."""

        def monotonic(self) -> float:
            return clock.monotonic()

        def wait(self, stop: threading.Event, seconds: float) -> bool:
            late.set()
            return stop.wait(PATIENCE_S)

    streams._clock = Asleep()
    with taken(streams):
        ask(callers, session, 1)
        callers.ask("late", lambda: streams.run(session, one(2), 0.5, 4))
        callers.ask("in time", lambda: streams.run(session, one(3), 5.0, 4))
        assert late.wait(PATIENCE_S)
        clock.advance(0.6)
    callers.end()
    assert session.runs == [[1, 3]]
    assert isinstance(callers.got["late"], LateError)
    assert streams.late == 1


def test_a_request_that_fails_harms_no_other() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers = Callers(streams)
    with taken(streams):
        ask(callers, session, 1, -1, 2)
    callers.end()
    assert session.runs == [[1, -1, 2], [1], [-1], [2]]
    told = doubled(callers)
    assert isinstance(told.pop("-1"), ValueError)
    assert told == {"1": [2], "2": [4]}
    with taken(streams):
        ask(callers, session, 3, 4)
    callers.end()
    assert session.runs[4:] == [[3, 4]]


@pytest.mark.parametrize("kind", [OneOnly, Mixed])
def test_a_session_that_fails_with_batches_alone_is_given_none_again(kind: type[Doubling]) -> None:
    streams, session = Streams(1, SystemClock()), kind()
    callers = Callers(streams)
    for _ in range(2):
        with taken(streams):
            ask(callers, session, 1, 2)
        callers.end()
        assert doubled(callers) == {"1": [2], "2": [4]}
    assert session.runs == [[1, 2], [1], [2], [1], [2]]


def test_who_is_taken_along_is_told_if_the_run_breaks_off() -> None:
    class Broken(Doubling):
        def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            raise SystemExit

    streams = Streams(1, SystemClock())
    callers = Callers(streams)
    with taken(streams):
        ask(callers, Broken(), 1, 2)
    callers.end()
    assert isinstance(callers.got["1"], SystemExit)
    assert isinstance(callers.got["2"], RuntimeError)
    assert streams.run(Doubling(), one(1))["double"] == [[2]]


class Permits:
    """Who has given back his permit, in order, and who has it again."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._changed = threading.Condition()

    @contextmanager
    def waiting(self, name: str) -> Iterator[None]:
        self._say(f"-{name}")
        yield
        self._say(f"+{name}")

    def has_heard(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.said) >= count, PATIENCE_S)

    def _say(self, what: str) -> None:
        with self._changed:
            self.said.append(what)
            self._changed.notify_all()


def test_as_many_as_go_together_next_wait_without_a_permit() -> None:
    streams, first, second = Streams(1, SystemClock()), Held(), Doubling()
    callers, permits = Callers(streams), Permits()

    def ask(name: str, session: Held | Doubling) -> None:
        lend = partial(permits.waiting, name)
        callers.ask(name, partial(streams.run, session, one(1), None, 2, lend))

    with taken(streams):
        ask("a", first)
        ask("b", second)
        assert permits.has_heard(2)
        ask("c", second)
        ask("d", second)
        assert permits.said == ["-a", "-b"]
    # While one runs, those who come next are told, and nobody has his permit back.
    assert first.inside.wait(PATIENCE_S)
    assert permits.has_heard(3)
    assert permits.said == ["-a", "-b", "-c"]
    first.let_go()
    callers.end()
    assert second.runs == [[1, 1], [1]]
    assert {"+a", "+b", "+c"} < set(permits.said)


def test_where_images_go_one_by_one_permits_are_kept() -> None:
    streams, session = Streams(1, SystemClock()), Doubling()
    callers, permits = Callers(streams), Permits()
    lend = partial(permits.waiting, "a")
    with taken(streams):
        callers.ask("a", partial(streams.run, session, one(1), None, 1, lend))
    callers.end()
    streams.run(session, one(2), None, 4, lend)
    assert (session.runs, permits.said) == ([[1], [2]], [])


def test_who_is_not_among_the_next_is_late_like_the_others(clock: ManualClock) -> None:
    streams, session = Streams(1, clock), Doubling()
    callers, permits = Callers(streams), Permits()
    lend = partial(permits.waiting, "a")
    with taken(streams):
        callers.ask("first", partial(streams.run, session, one(1), None, 2, lend))
        callers.ask("second", partial(streams.run, session, one(2), None, 2, lend))
        with pytest.raises(LateError):
            streams.run(session, one(3), 0.5, 2, lend)
        assert clock.monotonic() == 0.5
    callers.end()
    assert (session.runs, streams.late) == ([[1, 2]], 1)
