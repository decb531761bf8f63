"""Loops on threads of their own: failing, coming back, hanging, and ending in order."""

import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from appliance.clock import SystemClock
from appliance.engine.testing import ManualClock
from appliance.supervisor import HEALTHY_AFTER_S, LONGEST_PAUSE_S, Supervisor, Task

Loop = Callable[[threading.Event], None]
LONG_S = 20.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def supervisor(clock: ManualClock) -> Iterator[Supervisor]:
    supervisor = Supervisor(clock)
    yield supervisor
    supervisor.stop(LONG_S)


def failing(times: int, error: Exception | None = None) -> Loop:
    """A loop that raises so many times, and then does what it should: end."""
    left = iter(range(times))

    def loop(stop: threading.Event) -> None:
        for i in left:
            raise error or ValueError(f"broken {i}")

    return loop


def until_stopped(stop: threading.Event) -> None:
    stop.wait()


def finished(task: Task) -> Task:
    assert task.done.wait(LONG_S)
    return task


def test_a_loop_runs_on_a_thread_of_its_name(supervisor: Supervisor) -> None:
    names: list[str] = []
    task = supervisor.start("camera:gate", lambda stop: names.append(current().name))
    finished(task)
    assert names == ["camera:gate"]
    assert (task.failures, task.last_error) == (0, "")


def test_a_loop_that_ends_is_not_started_again(supervisor: Supervisor, clock: ManualClock) -> None:
    runs: list[int] = []
    finished(supervisor.start("once", lambda stop: runs.append(1)))
    assert (runs, clock.waits) == ([1], [])


def test_a_loop_that_fails_is_started_again_after_pauses_that_grow(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    task = finished(supervisor.start("shaky", failing(9)))
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, LONGEST_PAUSE_S]
    assert (task.failures, task.last_error) == (9, "ValueError: broken 8")


def test_the_pauses_begin_anew_after_a_healthy_time(
    supervisor: Supervisor, clock: ManualClock
) -> None:
    healthy_for_s = iter([0.0, 0.0, HEALTHY_AFTER_S + 1, HEALTHY_AFTER_S])

    def loop(stop: threading.Event) -> None:
        for seconds in healthy_for_s:
            clock.advance(seconds)
            raise ValueError("broken")

    finished(supervisor.start("shaky", loop))
    assert clock.waits == [0.5, 1.0, 0.5, 1.0]


def test_a_loop_without_restart_fails_once(supervisor: Supervisor, clock: ManualClock) -> None:
    task = finished(supervisor.start("once", failing(5), restart=False))
    assert (task.failures, task.last_error, clock.waits) == (1, "ValueError: broken 0", [])


def test_what_is_unexpected_is_logged_with_its_traceback(clock: ManualClock) -> None:
    with capture_logs() as logs:
        supervisor = Supervisor(clock)
        finished(supervisor.start("shaky", failing(1)))
    (entry,) = logs
    assert (entry["event"], entry["loop"], entry["log_level"]) == ("loop failed", "shaky", "error")
    assert isinstance(entry["exc_info"], ValueError)


def test_what_is_expected_is_logged_as_its_sentence(clock: ManualClock) -> None:
    with capture_logs() as logs:
        supervisor = Supervisor(clock)
        error = ConnectionError("the camera does not answer")
        task = supervisor.start("camera", failing(1, error), expected=(ConnectionError,))
        finished(task)
    assert logs == [
        {
            "event": "the camera does not answer",
            "loop": "camera",
            "failures": 1,
            "log_level": "warning",
        }
    ]
    assert task.last_error == "the camera does not answer"


def test_stopping_ends_a_loop_that_waits_to_be_started_again() -> None:
    supervisor = Supervisor(SystemClock())
    failed = threading.Event()

    def loop(stop: threading.Event) -> None:
        failed.set()
        raise ValueError("broken")

    task = supervisor.start("shaky", loop)
    assert failed.wait(LONG_S)
    assert supervisor.stop(LONG_S) == []
    assert task.done.is_set()


def test_a_higher_rank_ends_before_a_lower_one_is_told_to(supervisor: Supervisor) -> None:
    ended: list[str] = []

    def ending(name: str) -> Loop:
        def loop(stop: threading.Event) -> None:
            stop.wait()
            ended.append(name)

        return loop

    tasks = [
        supervisor.start(name, ending(name), rank=rank)
        for name, rank in [("writer", 0), ("camera", 2), ("lane", 1)]
    ]
    assert [task.name for task in supervisor.tasks] == ["writer", "camera", "lane"]
    assert supervisor.stop(LONG_S) == []
    assert ended == ["camera", "lane", "writer"]
    assert all(task.done.is_set() for task in tasks)
    assert supervisor.tasks == []


def test_those_of_one_rank_end_together(supervisor: Supervisor) -> None:
    both = threading.Barrier(2, timeout=LONG_S)

    def loop(stop: threading.Event) -> None:
        stop.wait()
        both.wait()

    tasks = [supervisor.start(name, loop) for name in ("a", "b")]
    assert supervisor.stop(LONG_S) == []
    assert [task.failures for task in tasks] == [0, 0]


def test_a_loop_that_hangs_is_named_and_takes_no_time_from_the_others() -> None:
    supervisor = Supervisor(SystemClock())
    release = threading.Event()
    hanging = supervisor.start("camera:stuck", lambda stop: void(release.wait()), rank=2)
    writer = supervisor.start("writer", until_stopped, rank=1)
    try:
        assert supervisor.stop(0.2) == ["camera:stuck"]
        assert writer.done.is_set()
    finally:
        release.set()
    finished(hanging)


def test_stopping_nothing_is_nothing(supervisor: Supervisor) -> None:
    assert supervisor.stop(0.0) == []
    assert supervisor.stop(0.0) == []


def current() -> threading.Thread:
    return threading.current_thread()


def void(_: object) -> None:
    """What a loop gives."""


def test_what_runs_once_and_is_over_is_forgotten(supervisor: Supervisor) -> None:
    staying = supervisor.start("camera:gate", until_stopped)
    ended = finished(supervisor.start("lane", lambda stop: None))
    for number in range(50):
        broken = failing(number % 2)
        finished(supervisor.start(f"demux:{number}", broken, restart=False))
    last = supervisor.start("demux:last", until_stopped, restart=False)
    # What is to be started again is remembered also when it has ended: it is asked whether it has.
    assert supervisor.tasks == [staying, ended, last]
    assert supervisor.stop(LONG_S) == []
    assert last.done.is_set()


def test_what_runs_once_and_goes_on_is_stopped_with_its_rank(supervisor: Supervisor) -> None:
    order: list[str] = []

    def noting(name: str) -> Loop:
        def loop(stop: threading.Event) -> None:
            stop.wait()
            order.append(name)

        return loop

    supervisor.start("writer", noting("writer"), rank=0)
    supervisor.start("demux", noting("demux"), restart=False, rank=4)
    assert supervisor.stop(LONG_S) == []
    assert order == ["demux", "writer"]


def test_a_loop_is_waited_for_as_long_as_its_patience_says_and_no_longer() -> None:
    clock = SystemClock()
    supervisor, release = Supervisor(clock), threading.Event()

    def hangs(stop: threading.Event) -> None:
        release.wait()

    began_s = clock.monotonic()
    tasks = [
        supervisor.start("camera:mute", hangs, rank=4, patience_s=0.1),
        supervisor.start("camera:dark", hangs, rank=4, patience_s=0.1),
        supervisor.start("open:far", hangs, rank=4, patience_s=0.0),
        supervisor.start("lane", until_stopped, rank=3),
    ]
    try:
        # What is not waited for is not named either.
        assert supervisor.stop(LONG_S) == ["camera:mute", "camera:dark"]
        assert 0.1 <= clock.monotonic() - began_s < LONG_S / 4
        assert [task.done.is_set() for task in tasks] == [False, False, False, True]
    finally:
        release.set()
    for task in tasks:
        finished(task)


def test_a_thread_that_the_machine_does_not_give_is_not_waited_for(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            supervisor.start("lane", until_stopped)
    supervisor.start("other", until_stopped)
    assert supervisor.stop(LONG_S) == []
