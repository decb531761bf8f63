"""Who runs a model now: as many at a time as it has streams, the others in the order they came.

Where several images at once are faster, whoever gets a stream after a wait takes along the others
that wait for one. Nobody waits for more to come.
"""

import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from appliance.clock import Clock
from blocks.host import LateError

# How much a run counts in the average of what one takes.
WEIGHT = 0.2

log = structlog.get_logger(__name__)

Outputs = Mapping[str, NDArray[Any]]


class Computes(Protocol):
    """What computes: a session."""

    def run(self, tensor: NDArray[Any]) -> Outputs:
        """The outputs of one input, by name."""
        ...


@dataclass(eq=False, slots=True)
class _Request:
    """A run that waits for a stream, or is with others in one run.

    `at_once` is how many images the session should have at most; after `latest_s` it is too late.
    """

    session: Computes
    tensor: NDArray[Any]
    at_once: int
    latest_s: float
    # Set when it comes soon: others may compute in its place now.
    soon: threading.Event = field(default_factory=threading.Event)
    # Set when it has a stream, or when all is over.
    woken: threading.Event = field(default_factory=threading.Event)
    # If it has a stream: itself, and those it takes along.
    party: "Sequence[_Request]" = ()
    outputs: Outputs | None = None
    error: Exception | None = None

    def goes_with(self, other: "_Request") -> bool:
        """Whether both can be given to a session as one tensor."""
        mine, its = self.tensor, other.tensor
        alike = mine.shape[1:] == its.shape[1:] and mine.dtype == its.dtype
        return alike and self.session is other.session

    def wake(self) -> None:
        """It has waited for long enough."""
        self.soon.set()
        self.woken.set()

    def run(self) -> None:
        """Run it by itself."""
        try:
            self.outputs = self.session.run(self.tensor)
        except Exception as error:  # noqa: BLE001 - whoever asked for it is told
            self.error = error

    def answer(self) -> Outputs:
        """Its outputs, or the error that it ended with."""
        if self.error is not None:
            raise self.error
        if self.outputs is None:
            raise RuntimeError("the run that this request was taken along with broke off")
        return self.outputs


class Streams:
    """The streams of one model. Safe to use from several threads.

    A request may have a deadline: if it would be met at once but not after the wait for a stream,
    it is given up as late, and never computed. One that a free stream could not meet either waits:
    late answers are better than none.
    """

    def __init__(self, count: int, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = count
        self._busy = 0
        self._waiting: deque[_Request] = deque()
        # Sessions that failed with several images where each alone was fine.
        self._one_by_one = weakref.WeakSet[Computes]()
        self._usual_s = 0.0
        self._late = 0

    @property
    def late(self) -> int:
        """How many requests were given up."""
        return self._late

    def resize(self, count: int) -> None:
        """Have another number of streams from now on; who runs is not disturbed."""
        with self._lock:
            self._count = count
            self._grant()

    def run(
        self,
        session: Computes,
        tensor: NDArray[Any],
        until_s: float | None = None,
        at_once: int = 1,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Outputs:
        """Run a session when there is a stream for it; its outputs for this tensor.

        `until_s` is on the clock's monotonic line: by when it has to be done. Up to `at_once`
        images (the first axis) go together, of those who wait. Where that is more than one, as many
        as go together next wait, and run, inside of `waiting()`. Those behind them are outside, so
        that not every lane has a frame in the queue, where it grows old.

        Raises:
            LateError: it cannot be done by then.
            Exception: whatever the session raises for this tensor.
        """
        now = self._clock.monotonic()
        with self._lock:
            if until_s is not None and now >= until_s:
                raise self._given_up()
            request = None
            if self._busy < self._count:
                self._busy += 1
            else:
                request = _Request(session, tensor, at_once, self._latest(now, until_s))
                self._waiting.append(request)
                self._tell_who_comes_soon()
        if request is not None:
            return self._queued(request, waiting)
        try:
            return session.run(tensor)
        finally:
            self._leave(self._clock.monotonic() - now)

    def _latest(self, now: float, until_s: float | None) -> float:
        """By when it has to be begun."""
        if until_s is None or now + self._usual_s > until_s:
            return math.inf
        return until_s - self._usual_s

    def _queued(
        self, request: _Request, waiting: Callable[[], AbstractContextManager[None]]
    ) -> Outputs:
        together = request.at_once > 1
        if together:
            self._wait(request, request.soon)
        with waiting() if together and not request.woken.is_set() else nullcontext():
            self._wait(request, request.woken)
            # Inside, too: nobody has a stream and waits for a permit.
            if request.party:
                self._lead(request.party)
        return request.answer()

    def _wait(self, request: _Request, event: threading.Event) -> None:
        if event.is_set():
            return
        if request.latest_s < math.inf:
            if self._clock.wait(event, request.latest_s - self._clock.monotonic()):
                return
            with self._lock:
                # It may have got a stream after all, or be in a run with others.
                if request in self._waiting:
                    self._waiting.remove(request)
                    self._tell_who_comes_soon()
                    raise self._given_up()
        event.wait()

    def _lead(self, party: Sequence[_Request]) -> None:
        began_s = self._clock.monotonic()
        try:
            if len(party) == 1:
                party[0].run()
            else:
                self._run_together(party)
        finally:
            self._leave(self._clock.monotonic() - began_s)
            for other in party[1:]:
                other.wake()

    def _run_together(self, party: Sequence[_Request]) -> None:
        session = party[0].session
        try:
            _share_out(session.run(np.concatenate([each.tensor for each in party])), party)
        except Exception as failed:  # noqa: BLE001 - one of them may be what is wrong
            for each in party:
                each.run()
            if all(each.error is None for each in party):
                log.warning("batches fail, images go one by one", error=str(failed))
                with self._lock:
                    self._one_by_one.add(session)

    def _given_up(self) -> LateError:
        self._late += 1
        return LateError("the model had no time for it before it would have been too late")

    def _leave(self, took_s: float) -> None:
        with self._lock:
            self._usual_s += (took_s - self._usual_s) * (WEIGHT if self._usual_s else 1.0)
            self._busy -= 1
            if self._waiting:
                self._grant()

    def _grant(self) -> None:
        """Give out what is free. The lock is held."""
        now = self._clock.monotonic()
        while self._waiting and self._busy < self._count:
            first = self._waiting.popleft()
            if now > first.latest_s:
                first.error = self._given_up()
            else:
                self._busy += 1
                first.party = self._party(first, now)
            first.wake()
        self._tell_who_comes_soon()

    def _tell_who_comes_soon(self) -> None:
        """As many as go together next. The lock is held."""
        for place, request in enumerate(self._waiting):
            if place >= request.at_once:
                return
            request.soon.set()

    def _party(self, first: _Request, now: float) -> Sequence[_Request]:
        """A request, and those that wait and can be run with it. The lock is held."""
        party, room = [first], first.at_once - len(first.tensor)
        if room <= 0 or first.session in self._one_by_one:
            return party
        for other in tuple(self._waiting):
            fits = len(other.tensor) <= room and now <= other.latest_s
            if fits and other.goes_with(first):
                self._waiting.remove(other)
                party.append(other)
                room -= len(other.tensor)
        return party


def _share_out(outputs: Outputs, party: Sequence[_Request]) -> None:
    """Give each its own rows.

    Raises:
        ValueError: there is not one for each image.
    """
    images = sum(len(each.tensor) for each in party)
    for name, values in outputs.items():
        if values.shape[:1] != (images,):
            raise ValueError(f"its output {name} is not one for each image")
    begin = 0
    for each in party:
        end = begin + len(each.tensor)
        each.outputs = {name: values[begin:end] for name, values in outputs.items()}
        begin = end
