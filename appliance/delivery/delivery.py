"""One loop for each connection: takes what is due, hands it over, writes down what became of it.

A connection that is down delays no other: each has its own loop, its own rows and its own back-off.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from appliance.clock import Clock
from appliance.delivery.envelope import Row
from appliance.delivery.outbox import Outbox
from appliance.delivery.transports.transport import Outcome, Refused, Transport, Unavailable

BATCH = 200
IDLE_S = 0.1
# A stream of events is sent in groups, twenty times a second at most: each try costs a transaction
# or an answer. What comes after a quiet time is sent at once.
GATHER_S = 0.05
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
# A connection that has held so long is well again, though nothing was sent on it.
STEADY_S = 5.0
# A row at which the transport itself fails is tried so often, then buried.
TRIES_AT_DEFECT = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """How a connection fares. The counts begin with the process; `Outbox.totals` has them all."""

    connection: str
    connected: bool = False
    last_error: str = ""
    delivered: int = 0
    refused: int = 0
    failures_in_a_row: int = 0


class _Turn(Enum):
    SENT = auto()
    IDLE = auto()
    FAILED = auto()


class Delivery:
    """The deliveries of one connection: `deliver` is the loop, run by one supervised thread.

    Back-off is exponential with full jitter (any pause from none to a bound that doubles with each
    failure, up to 60 s), as in the AWS Architecture Blog's "Exponential Backoff And Jitter".
    `jitter` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        transport: Transport,
        name: str,
        outbox: Outbox,
        clock: Clock,
        *,
        drain_s: float = 3.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._outbox = outbox
        self._transport = transport
        self._clock = clock
        self._drain_s = drain_s
        self._jitter = jitter
        self._open = False
        self._last_error = ""
        self._delivered = 0
        self._refused = 0
        self._failures = 0
        self._pause_s = 0.0
        self._opened_at_s = 0.0
        self._more = False
        # How many rows are sent at once. After a failure it begins again with one: a peer that cuts
        # the line at a bad row takes the answers to all others with it, each time anew.
        self._at_once = BATCH

    def status(self) -> DeliveryStatus:
        """How it stands; may be read by any thread."""
        return DeliveryStatus(
            connection=self.name,
            connected=self._open,
            last_error=self._last_error,
            delivered=self._delivered,
            refused=self._refused,
            failures_in_a_row=self._failures,
        )

    def deliver(self, stop: threading.Event) -> None:
        """The loop. When it is told to stop, it first sends what it can in `drain_s` seconds."""
        try:
            while not stop.is_set():
                seen = self._outbox.arrivals(self.name)
                turn = self._turn()
                if turn is _Turn.IDLE:
                    self._outbox.wait_for_arrival(self.name, seen, IDLE_S)
                elif turn is _Turn.FAILED:
                    self._clock.wait(stop, self._pause_s)
                elif not self._more:
                    self._clock.wait(stop, GATHER_S)
            self._drain()
        finally:
            self._close()

    def _drain(self) -> None:
        """Send what waits, until it is gone, time is up, or the peer fails."""
        if self._failures and not self._open:
            # It is down: what waits is on disk, and stays there.
            return
        deadline = self._clock.monotonic() + self._drain_s
        self._outbox.flush(self._drain_s)
        while self._clock.monotonic() < deadline:
            if self._turn() is not _Turn.SENT:
                return

    def _turn(self) -> _Turn:
        rows = self._outbox.due(self.name, self._clock.now(), self._at_once)
        self._more = len(rows) == self._at_once
        try:
            self._be_open()
            if not rows:
                self._idle()
                return _Turn.IDLE
        except Unavailable as gone:
            # One row is enough to keep the back-off over a restart: the others stand behind it.
            self._fail(rows[:1], gone)
            return _Turn.FAILED
        return self._settle(rows, self._send(rows))

    def _be_open(self) -> None:
        if self._open:
            return
        self._transport.open()
        self._open = True
        self._opened_at_s = self._clock.monotonic()
        log.info("connected", connection=self.name)

    def _idle(self) -> None:
        self._transport.idle()
        # A peer that lets us in and throws us out again has not recovered.
        if self._failures and self._clock.monotonic() - self._opened_at_s >= STEADY_S:
            self._failures = 0
            self._last_error = ""

    def _send(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        try:
            return self._transport.send(rows)
        except Unavailable as gone:
            return [gone] * len(rows)
        except Exception as error:
            # A defect of ours, or of a library: it must cost one row, not the connection.
            log.exception("transport failed", connection=self.name, rows=len(rows))
            if len(rows) > 1:
                return [outcome for row in rows for outcome in self._send([row])]
            sentence = f"the transport failed with {type(error).__name__}: {error}"
            last = rows[0].tries + 1 >= TRIES_AT_DEFECT
            return [Refused(sentence) if last else Unavailable(sentence)]

    def _settle(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> _Turn:
        delivered: list[int] = []
        refused: dict[str, list[int]] = {}
        unsent: list[Row] = []
        gone: Unavailable | None = None
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome is None:
                delivered.append(row.id)
            elif isinstance(outcome, Refused):
                refused.setdefault(str(outcome), []).append(row.id)
            else:
                unsent.append(row)
                gone = gone or outcome
        self._outbox.acknowledge(delivered)
        self._delivered += len(delivered)
        for sentence, ids in refused.items():
            log.warning("refused", connection=self.name, events=len(ids), error=sentence)
            self._outbox.bury(ids, sentence)
            self._refused += len(ids)
            self._last_error = sentence
        if delivered or refused:
            # Some got through: a broker that cuts the line at each bad row is not down.
            self._failures = 0
        if gone is not None:
            self._fail(unsent, gone)
            return _Turn.FAILED
        self._at_once = min(BATCH, self._at_once * 2)
        if not refused:
            self._last_error = ""
        return _Turn.SENT

    def _fail(self, rows: Sequence[Row], gone: Unavailable) -> None:
        """Postpone the rows, and begin again with a new connection after a pause."""
        self._close()
        self._at_once = 1
        bound_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures, 10))
        self._pause_s = bound_s * self._jitter()
        self._last_error = str(gone)
        if not self._failures:
            log.warning("connection failed", connection=self.name, error=self._last_error)
        self._failures += 1
        self._outbox.postpone(
            [row.id for row in rows], self._clock.now() + self._pause_s, self._last_error
        )

    def _close(self) -> None:
        self._open = False
        self._transport.close()
