"""A lane: one pipeline on one camera, with its thread, its mailbox, its run and its account.

Its turns are those of its frames, and between them those that blocks ask for (ticks), each at the
time for which it was asked; the last one is the stop. Before the first frame there is no turn.
"""

import math
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
from appliance.observe.ages import Ages, Timed, Way
from appliance.observe.buckets import Buckets
from appliance.observe.bursts import Bursts
from appliance.pipelines.shortage import in_ms, shortage
from appliance.pipelines.source_time import SourceTime
from appliance.pipelines.terms import Terms, was_late
from blocks.data import Event, Frame, Moment
from blocks.host import LateError

log = structlog.get_logger(__name__)

# How long a lane waits for a frame before it looks at its stop event again.
WAIT_S = 0.2
# How late a frame may come and still be run before the ticks that are due after it.
LATE_S = 0.25
# How much a frame counts in the average of what its camera and decoder take.
LAG_WEIGHT = 0.1
# What is counted beside the steps, under names that no step can have: events that cannot be sent,
# and ticks that were too many.
UNSENDABLE = "event-data"
OVERDUE = "too-many-ticks"

M = TypeVar("M", bound=Moment)
# Called when something is done.
Done = Callable[[], None]


def _untimed() -> Done:
    return lambda: None


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

    def wait(self, stop: threading.Event, timeout_s: float | None = None) -> bool:
        """Whether a frame lies there, once there is one; False when stopped, ended or too late."""
        ...

    def take(self) -> Timed | None:
        """The newest frame, taken out; None where none lies there."""
        ...

    def keep_awake(self, until_s: float) -> None:
        """Let every frame in until then, on the source's line, whether anything moves or not."""
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

    def put(
        self, events: Sequence[Event], *, source: str, committed: Callable[[], None] | None = None
    ) -> None:
        """Keep the events of one turn until they are delivered. Does not wait for the disk.

        `committed` is called, on another thread, when they are on disk.

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
    """How a lane fares: its frames by bucket, what its steps cost, what failed and how often.

    `rate` is frames processed each second, `age_ms` how old they were when their results were there
    (p50, p95, and the parts of p95), all of the last ten seconds; `short` says what the lane is
    short of, and is empty where it is short of nothing.
    """

    name: str
    captured: int
    buckets: dict[str, int]
    steps_ms: dict[str, float]
    failures: dict[str, int]
    last_failure: str
    last_failures: dict[str, str]
    rate: float
    age_ms: dict[str, float]
    short: str


class Lane:
    """Runs the turns of a pipeline on one camera in order, on the one thread that calls `loop`.

    `on_turn` is told of every turn that was run, with a frame or without.
    """

    def __init__(  # noqa: PLR0913 - what a lane meets is given to it
        self,
        name: LaneName,
        run: Run,
        slot: FrameSlot,
        outbox: EventStore,
        time: SourceTime,
        terms: Terms,
        on_turn: Callable[[Turn], None] | None = None,
    ) -> None:
        self.name = name
        self.buckets = slot.buckets
        self.ages = Ages()
        self._terms = terms
        terms.permits.join(str(name), terms.weight)
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
        # From the capture to the picture, on the average over some frames.
        self._usual_lag_s: float | None = None
        # What the lane takes to decode a frame by itself, on the average.
        self._decode_s = 0.0
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
        figures = self.ages.figures(self._time.clock.monotonic())
        captured, buckets = self.buckets.account()
        times = [(t.step, t.total_s / t.runs * 1000) for t in self._run.times if t.runs]
        return LaneStatus(
            name=str(self.name),
            captured=captured,
            buckets=buckets,
            steps_ms={step: round(ms, 3) for step, ms in times},
            failures=self._bursts.counts(),
            last_failure=self._bursts.last,
            last_failures=self._bursts.last_of_each(),
            rate=round(figures.rate, 2),
            age_ms=in_ms(figures),
            short=shortage(figures, self._terms.max_latency_s, dict(times)),
        )

    def _run_turns(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._slot.wait(stop, self._wait_s()):
                self._run_newest(stop)
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

    def _run_newest(self, stop: threading.Event) -> None:
        """Run the frame that is the newest when the lane is permitted to."""
        with self._terms.permits.hold(str(self.name), stop) as granted:
            timed = self._slot.take() if granted else None
            if timed is None:
                return
            began_s = self._time.clock.monotonic()
            age_s = began_s - timed.captured_s
            if self._is_stale(timed, age_s):
                self.buckets.end(timed.frame, "stale", age_s)
                return
            frame = timed.frame if isinstance(timed.frame, Frame) else timed.frame.decode()
            if not isinstance(frame, Frame):
                self.buckets.end(timed.frame, frame, age_s)
                return
            # What the lane decodes itself is part of the way to the picture, not of the turn.
            decode_s = self._time.clock.monotonic() - began_s
            self._decode_s += (decode_s - self._decode_s) * LAG_WEIGHT
            timed = replace(timed, ready_s=timed.ready_s + decode_s)
            self._run_frame(frame, timed, began_s + decode_s)

    def _is_stale(self, timed: Timed, age_s: float) -> bool:
        """Whether the result would come too late, where that of another frame would not.

        A lane whose frames mostly come too late, or whose turns take too long, goes on: late
        results are better than none.
        """
        if timed.kept or not self._time.passes:
            return False
        limit_s, turn_s = self._terms.max_latency_s, self.ages.turn_s + self._decode_s
        lag_s = timed.ready_s - timed.captured_s
        usual_s = lag_s if self._usual_lag_s is None else self._usual_lag_s
        self._usual_lag_s = usual_s + (lag_s - usual_s) * LAG_WEIGHT
        return age_s + turn_s > limit_s >= min(lag_s, usual_s) + turn_s

    def _run_frame(self, frame: Frame, timed: Timed, began_s: float) -> None:
        self._time.seen(frame)
        if self._last is not None and frame.at_s < self._last.at_s:
            # So late that ticks after it have been run: for blocks time never goes back.
            frame = replace(frame, at_s=self._last.at_s)
        bucket = "failed"
        try:
            if not self._run_ticks(frame, frame.at_s) or self._outbox.full:
                bucket = "outbox"
                return
            always = timed.kept or not self._time.passes
            done_s = began_s + self.ages.turn_s
            until_s = None if always else self._terms.until_s(timed.captured_s, done_s)
            with self._terms.deadline.at(until_s):
                turn = self._run_turn(self._run.turn, frame, self._timed(timed, began_s))
            bucket = "late" if was_late(turn) else "processed"
        except StepError as error:
            if not isinstance(error.__cause__, LateError):
                raise
            bucket = "late"
            return
        finally:
            age_s = self._time.clock.monotonic() - timed.captured_s
            self.buckets.end(frame, bucket, age_s)
        self._tell(turn)
        awake_s = self._run.awake_until
        self._slot.keep_awake(-math.inf if awake_s is None else awake_s)

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

    def _run_turn(
        self, call: Callable[[M], Turn], moment: M, done: Callable[[], Done] = _untimed
    ) -> Turn:
        """Run a turn; `done` is called when it is run, and what it gives when all is on disk."""
        self._last = moment_at(moment.at_s, moment)
        turn = call(moment)
        committed = done() if not was_late(turn) else _untimed()
        for failure in turn.failures:
            if not isinstance(failure.error, LateError):
                self._report("step failed", failure.step, failure.what)
        if turn.events:
            self._keep(turn.events, committed)
        else:
            committed()
        return turn

    def _timed(self, timed: Timed, began_s: float) -> Callable[[], Done]:
        """What notes how old the results of a frame are, in the two steps of `_run_turn`."""
        clock = self._time.clock
        lag_s = timed.ready_s - timed.captured_s

        def run() -> Done:
            ran_s = clock.monotonic()

            def committed() -> None:
                now = clock.monotonic()
                wait_s = began_s - timed.ready_s
                self.ages.add(now, Way(lag_s, wait_s, ran_s - began_s, now - ran_s))

            return committed

        return run

    def _tell(self, turn: Turn) -> None:
        if self._on_turn is not None:
            self._on_turn(turn)

    def _keep(self, events: Sequence[Event], committed: Done) -> None:
        try:
            self._outbox.put(events, source=self.name.source, committed=committed)
        except ValueError as error:
            self._report("event left out", UNSENDABLE, self._run.told(error))

    def _report(self, message: str, kind: str, what: str) -> None:
        count = self._bursts.add(kind, what)
        if count:
            log.warning(message, lane=str(self.name), step=kind, error=what, count=count)
