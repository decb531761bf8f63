"""A lane: one pipeline on one camera, with its thread, its mailbox, its run and its account.

Its turns are those of its frames, and between them those that blocks ask for (ticks), each at the
time for which it was asked; the last one is the stop. Before the first frame there is no turn.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from urllib.parse import quote

import structlog

from appliance.engine.errors import StepError
from appliance.engine.run import Run
from appliance.engine.ticks import MOST_TICKS, moment_at, next_tick
from appliance.engine.turn import Turn
from appliance.observe.buckets import Buckets
from appliance.observe.bursts import Bursts
from appliance.pipelines.source_time import SourceTime
from blocks.data import Event, Frame, Moment

log = structlog.get_logger(__name__)

# How long a lane waits for a frame before it looks at its stop event again.
WAIT_S = 0.2
# How late a frame may come and still be run before the ticks that are due after it.
LATE_S = 0.25
# What is counted beside the steps, under names that no step can have: events that cannot be sent,
# and ticks that were too many.
UNSENDABLE = "event-data"
OVERDUE = "too-many-ticks"

M = TypeVar("M", bound=Moment)


class FrameSlot(Protocol):
    """Where a lane's newest frame lies, with the account of all its frames."""

    @property
    def buckets(self) -> Buckets:
        """The lane's account."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""
        ...

    def take(self, stop: threading.Event, timeout_s: float | None = None) -> Frame | None:
        """The frame that lies there, once there is one; None when stopped, ended or too late."""
        ...

    def discard(self) -> None:
        """Count a frame that nobody will take."""
        ...


class EventStore(Protocol):
    """What a lane knows of the outbox."""

    @property
    def full(self) -> bool:
        """Whether it would have to wait to put anything in."""
        ...

    def put(self, events: Sequence[Event], *, source: str) -> None:
        """Keep the events of one turn until they are delivered. Does not wait for the disk.

        Raises:
            ValueError: some of them cannot be sent, and are left out; the sentence names them.
        """
        ...


@dataclass(frozen=True, slots=True)
class LaneName:
    """What a lane is called: here, and, as `source`, in the events it emits."""

    pipeline: str
    camera: str
    box: str

    def __str__(self) -> str:
        return f"{self.pipeline}:{self.camera}"

    @property
    def source(self) -> str:
        """The `source` of its events, by CloudEvents a reference of RFC 3986."""
        return "/" + "/".join(
            quote(part, safe="") for part in (self.box, self.pipeline, self.camera)
        )


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How a lane fares: its frames by bucket, what its steps cost, what failed and how often."""

    name: str
    captured: int
    buckets: dict[str, int]
    steps_ms: dict[str, float]
    failures: dict[str, int]
    last_failure: str
    last_failures: dict[str, str]


class Lane:
    """Runs the turns of a pipeline on one camera in order, on the one thread that calls `loop`.

    `on_turn` is told of every turn that was run, with a frame or without.
    """

    def __init__(
        self,
        name: LaneName,
        run: Run,
        slot: FrameSlot,
        outbox: EventStore,
        time: SourceTime,
        on_turn: Callable[[Turn], None] | None = None,
    ) -> None:
        self.name = name
        self.buckets = slot.buckets
        self._run = run
        self._slot = slot
        self._outbox = outbox
        self._time = time
        self._on_turn = on_turn
        self._bursts = Bursts(time.clock)
        # The moment of the last turn; none is before it.
        self._last: Moment | None = None
        # Whether a tick that is due has to wait for something else than its time.
        self._held = False
        self._finished = False
        # What ended the loop the last time it was called.
        self.error: StepError | None = None

    def loop(self, stop: threading.Event) -> None:
        """Run turns until the source ends or `stop` is set, and then the last one.

        Raises:
            StepError: a step that says `on_error: stop` raised. Its frame is counted as failed, and
                the loop may be called again.
        """
        try:
            self._run_turns(stop)
        except StepError as error:
            # The log has it from the supervisor, with each restart.
            self._bursts.add(error.step, str(error))
            self.error = error
            raise
        self.close()
        self.finish()

    def close(self) -> None:
        """Count a frame that nobody takes any more. May be called by any thread."""
        self._slot.discard()

    def finish(self) -> None:
        """Run the last turn, if it has not been run. For the loop, or after it: never beside it."""
        now = self._time.now()
        if self._finished or self._last is None or now is None:
            return
        self._finished = True
        now = moment_at(max(now.at_s, self._last.at_s), now)
        # There is no later: nothing waits for room, and no error ends what ends anyway.
        try:
            self._run_ticks(now, now.at_s, wait=False)
        except StepError as error:
            self._report("step failed", error.step, str(error))
        try:
            self._tell(self._run_turn(self._run.stop, now))
        except StepError as error:
            self._report("step failed", error.step, str(error))

    def status(self) -> LaneStatus:
        """How the lane fares now."""
        times = [(t.step, t.total_s / t.runs * 1000) for t in self._run.times if t.runs]
        return LaneStatus(
            name=str(self.name),
            captured=self.buckets.captured,
            buckets=self.buckets.snapshot(),
            steps_ms={step: round(ms, 3) for step, ms in times},
            failures=self._bursts.counts(),
            last_failure=self._bursts.last,
            last_failures=self._bursts.last_of_each(),
        )

    def _run_turns(self, stop: threading.Event) -> None:
        while not stop.is_set():
            frame = self._slot.take(stop, self._wait_s())
            if frame is not None:
                self._run_frame(frame)
            elif self._slot.ended:
                break
            elif not stop.is_set():
                self._run_due()

    def _wait_s(self) -> float:
        """How long to wait for a frame: until the next tick, if that comes first."""
        now = self._time.now()
        if self._last is None or now is None or self._held or not self._time.passes:
            return WAIT_S
        due_s = self._run.next_at(moment_at(self._last.at_s, now))
        return WAIT_S if due_s is None else min(WAIT_S, max(due_s + LATE_S - now.at_s, 0.0))

    def _run_frame(self, frame: Frame) -> None:
        self._time.seen(frame)
        if self._last is not None and frame.at_s < self._last.at_s:
            # So late that ticks after it have been run: for blocks time never goes back.
            frame = replace(frame, at_s=self._last.at_s)
        bucket = "failed"
        try:
            if not self._run_ticks(frame, frame.at_s) or self._outbox.full:
                bucket = "outbox"
                return
            turn = self._run_turn(self._run.turn, frame)
            bucket = "processed"
        finally:
            self.buckets.put(bucket)
        self._tell(turn)

    def _run_due(self) -> None:
        """Run what is due by now while no frame comes."""
        now = self._time.now()
        if now is not None:
            self._run_ticks(now, now.at_s - LATE_S)

    def _run_ticks(self, known: Moment, until_s: float, *, wait: bool = True) -> bool:
        """Run all ticks that are due until then, each at its time on the line of a known moment.

        False if one has to `wait` for room in the outbox.
        """
        self._held = False
        if self._last is None:
            return True
        for _ in range(MOST_TICKS):
            now = next_tick(self._run, self._last, known, until_s)
            if now is None:
                return True
            if wait and self._outbox.full:
                self._held = True
                return False
            self._tell(self._run_turn(self._run.tick, now))
        self._held = True
        what = f"more than {MOST_TICKS} were due by {until_s:.3f} s: a block asks for too many"
        self._report("turns without a frame put off", OVERDUE, what)
        return True

    def _run_turn(self, call: Callable[[M], Turn], moment: M) -> Turn:
        self._last = moment_at(moment.at_s, moment)
        turn = call(moment)
        for failure in turn.failures:
            self._report("step failed", failure.step, failure.what)
        self._keep(turn.events)
        return turn

    def _tell(self, turn: Turn) -> None:
        if self._on_turn is not None:
            self._on_turn(turn)

    def _keep(self, events: Sequence[Event]) -> None:
        if not events:
            return
        try:
            self._outbox.put(events, source=self.name.source)
        except ValueError as error:
            self._report("event left out", UNSENDABLE, self._run.told(error))

    def _report(self, message: str, kind: str, what: str) -> None:
        count = self._bursts.add(kind, what)
        if count:
            log.warning(message, lane=str(self.name), step=kind, error=what, count=count)
