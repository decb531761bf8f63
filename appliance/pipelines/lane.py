"""A lane: one pipeline on one camera, with its thread, its mailbox, its run and its account."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import structlog

from appliance.clock import Clock
from appliance.engine.errors import StepError
from appliance.engine.run import Run, Turn
from appliance.observe.buckets import Buckets
from appliance.observe.bursts import Bursts
from blocks.data import Event, Frame

log = structlog.get_logger(__name__)

# How long a lane waits for a frame before it looks at its stop event again.
WAIT_S = 0.2
# Where events that cannot be sent are counted, beside the steps; no step can be called so.
UNSENDABLE = "event-data"


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


class Lane:
    """Runs the frames of its mailbox strictly in order, on the one thread that calls `loop`."""

    def __init__(
        self,
        name: LaneName,
        run: Run,
        slot: FrameSlot,
        outbox: EventStore,
        clock: Clock,
        on_turn: Callable[[Turn], None] | None = None,
    ) -> None:
        self.name = name
        self.buckets = slot.buckets
        self._run = run
        self._slot = slot
        self._outbox = outbox
        self._on_turn = on_turn
        self._bursts = Bursts(clock)

    def loop(self, stop: threading.Event) -> None:
        """Run frames until the source ends or `stop` is set.

        Raises:
            StepError: a step that says `on_error: stop` raised. Its frame is counted as failed, and
                the loop may be called again.
        """
        while not stop.is_set():
            frame = self._slot.take(stop, WAIT_S)
            if frame is not None:
                self._run_frame(frame)
            elif self._slot.ended:
                break
        self._slot.discard()

    def close(self) -> None:
        """Count the frame that a loop left behind which raised and was not called again."""
        self._slot.discard()

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
        )

    def _run_frame(self, frame: Frame) -> None:
        if self._outbox.full:
            self.buckets.put("outbox")
            return
        bucket = "failed"
        try:
            turn = self._run.turn(frame)
            for failure in turn.failures:
                self._report("step failed", failure.step, failure.error)
            self._keep(turn.events)
            bucket = "processed"
        except StepError as error:
            # The log has it from the supervisor, with each restart.
            self._bursts.add(error.step, str(error))
            raise
        finally:
            self.buckets.put(bucket)
        if self._on_turn is not None:
            self._on_turn(turn)

    def _keep(self, events: Sequence[Event]) -> None:
        if not events:
            return
        try:
            self._outbox.put(events, source=self.name.source)
        except ValueError as error:
            self._report("event left out", UNSENDABLE, error)

    def _report(self, message: str, kind: str, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"
        count = self._bursts.add(kind, what)
        if count:
            log.warning(message, lane=str(self.name), step=kind, error=what, count=count)
