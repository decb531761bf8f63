"""The only starter of threads: named loops that are restarted when they fail, and stopped together.

A loop is a plain function of a stop event. It returns when its work is done or the event is set; it
raises only when it is broken, and is then started again after a pause that grows with each failure.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from appliance.clock import Clock

Loop = Callable[[threading.Event], None]

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# A loop that ran this long before it failed begins again with the first pause.
HEALTHY_AFTER_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Task:
    """One supervised loop, and how it fares."""

    name: str
    loop: Loop
    restart: bool
    expected: tuple[type[Exception], ...]
    rank: int
    patience_s: float
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    failures: int = 0
    last_error: str = ""


class Supervisor:
    """Starts loops on threads of their own, restarts what fails, stops all of it in order.

    `stop` ends the tasks rank by rank, the highest first, those of one rank together: what produces
    has a higher rank than what consumes, so that producers end first and consumers drain.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tasks: list[tuple[Task, threading.Thread]] = []

    def start(
        self,
        name: str,
        loop: Loop,
        *,
        restart: bool = True,
        expected: tuple[type[Exception], ...] = (),
        rank: int = 0,
        patience_s: float = math.inf,
    ) -> Task:
        """Run `loop` on a new thread called `name`; with `restart`, again whenever it raises.

        At a stop it is waited for `patience_s` at most; with 0 not at all, and it is no matter if
        it goes on: nobody needs what it holds.

        What is `expected` to go wrong is logged as its sentence, anything else with its traceback.

        Raises:
            RuntimeError: the machine gives no more threads.
        """
        task = Task(name, loop, restart, expected, rank, patience_s)
        thread = threading.Thread(target=self._supervise, args=(task,), name=name, daemon=True)
        with self._lock:
            # What runs once and is over is forgotten: connections come and go for months.
            self._tasks = [(t, th) for t, th in self._tasks if t.restart or not t.done.is_set()]
            self._tasks.append((task, thread))
        try:
            thread.start()
        except RuntimeError:
            # The machine has no more threads: there is nothing here to wait for.
            with self._lock:
                self._tasks.remove((task, thread))
            raise
        return task

    def stop(self, timeout_s: float) -> list[str]:
        """Stop every task, the highest rank first, within `timeout_s` in all; name what hangs.

        A rank that hangs takes its share of the time, not that of the ranks after it.
        """
        deadline = self._clock.monotonic() + timeout_s
        hanging = []
        ranks = sorted({task.rank for task, _ in self._tasks}, reverse=True)
        for i, rank in enumerate(ranks):
            ranked = [(task, thread) for task, thread in self._tasks if task.rank == rank]
            for task, _ in ranked:
                task.stop.set()
            now = self._clock.monotonic()
            until = now + (deadline - now) / (len(ranks) - i)
            for task, thread in ranked:
                wait_s = min(until, now + task.patience_s) - self._clock.monotonic()
                thread.join(max(0.0, wait_s))
                if thread.is_alive() and task.patience_s > 0:
                    hanging.append(task.name)
        self._tasks.clear()
        return hanging

    @property
    def tasks(self) -> list[Task]:
        """All tasks in the order of their start."""
        return [task for task, _ in self._tasks]

    def _supervise(self, task: Task) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while not task.stop.is_set():
                began = self._clock.monotonic()
                try:
                    task.loop(task.stop)
                except Exception as error:
                    _note(task, error)
                    if not task.restart:
                        return
                else:
                    return
                if self._clock.monotonic() - began > HEALTHY_AFTER_S:
                    pause_s = FIRST_PAUSE_S
                self._clock.wait(task.stop, pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        finally:
            task.done.set()


def _note(task: Task, error: Exception) -> None:
    task.failures += 1
    if isinstance(error, task.expected):
        task.last_error = str(error)
        log.warning(task.last_error, loop=task.name, failures=task.failures)
    else:
        task.last_error = f"{type(error).__name__}: {error}"
        log.error("loop failed", loop=task.name, failures=task.failures, exc_info=error)
