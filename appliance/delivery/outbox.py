"""Where events wait until an outside system has acknowledged them; nothing is lost on the way.

Lanes put events and go on. One writer thread stamps them and commits them in groups, for each
commit wears the flash it is written to; what became of a row is written by the same thread.
"""

import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from appliance.clock import Clock
from appliance.delivery.cooldowns import Cooldowns
from appliance.delivery.envelope import Draft, Row, UnsendableEvent, body, draft
from appliance.delivery.store import Batch, Settlement, Store, Totals
from blocks.data import Event

# How many events may wait for a commit before lanes are asked to skip frames.
CAPACITY = 10_000
GROUP = 200
LINGER_S = 0.02
# A settlement that is lost costs a duplicate, not an event: it may wait longer for company.
SETTLEMENT_LINGER_S = 0.5
IDLE_S = 0.1
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
# How often a commit is tried again once the daemon is told to stop.
TRIES_AT_STOP = 3
# No row waits longer than this for its next try: a clock set back must not hold it for a year.
LONGEST_POSTPONE_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Record:
    """What one frame emitted: it is committed as a whole."""

    source: str
    drafts: tuple[Draft, ...]
    committed: Callable[[], None] | None


class Outbox:
    """The queue to the writer, and the rows on disk.

    `put`, `full`, `flush`, `due`, `totals` and the settlements may be called by any thread; one
    supervised thread runs `writer`. Of one connection, one thread at a time takes and settles rows.

    Raises:
        OutboxError: the state directory cannot be used; the sentence says why.
    """

    def __init__(self, state_dir: Path, clock: Clock, *, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._store = Store(state_dir)
        self._sequences = self._store.sequences()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._committed = threading.Condition(self._lock)
        self._waiting: deque[_Record | Settlement] = deque()
        # Events handed over and not yet on disk.
        self._queued = 0
        # Settled, but not yet on disk: by row.
        self._settling: dict[int, Settlement] = {}
        self._hurry = False
        self._handed_over = 0
        self._done = 0
        self._ended = False
        self._arrived: Counter[str] = Counter()
        self._cooldowns = Cooldowns()
        # Survives a writer that fails and is started again.
        self._batch: Batch | None = None
        self._last_error = ""

    def put(
        self, events: Sequence[Event], *, source: str, committed: Callable[[], None] | None = None
    ) -> None:
        """Hand over what one frame emitted, without waiting for the commit.

        `committed` is called when all of it is on disk, on the writer's thread; at once where
        nothing of it can be sent.

        `source` is `/<box>/<camera or pipeline>`; sequences are counted for each. An event whose
        data cannot be sent is left out, and so is one whose cooldown lasts; the others are taken.

        Raises:
            UnsendableEvent: names each event that was left out, and why.
        """
        drafts, refused = [], []
        for event in events:
            try:
                made = draft(event)
            except ValueError as error:
                refused.append(f"the event {event.type} for {event.connection}: {error}")
                continue
            with self._lock:
                if self._cooldowns.takes(event):
                    drafts.append(made)
        if committed is not None and not drafts:
            committed()
        if drafts:
            with self._lock:
                self._waiting.append(_Record(source, tuple(drafts), committed))
                self._queued += len(drafts)
                self._handed_over += 1
                # The writer lingers by itself: it is woken for the first and for a full group.
                if self._queued == len(drafts) or self._queued >= GROUP:
                    self._work.notify()
        if refused:
            raise UnsendableEvent("; ".join(refused))

    @property
    def full(self) -> bool:
        """So much waits to be committed that no frame shall be run. `put` itself always takes."""
        return self._queued >= self._capacity

    def suppressed(self, connection: str) -> int:
        """How many events have been left out since the start, for their cooldown."""
        with self._lock:
            return self._cooldowns.suppressed[connection]

    @property
    def uncommitted(self) -> int:
        """How many events are in memory only."""
        return self._queued

    @property
    def last_error(self) -> str:
        """Why the last commit failed; empty when it did not."""
        return self._last_error

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was handed over so far is on disk; say whether it is.

        It does not wait for a writer that has been stopped.
        """
        with self._lock:
            target = self._handed_over
            if self._done < target:
                self._hurry = True
                self._work.notify()
            self._committed.wait_for(lambda: self._done >= target or self._ended, timeout_s)
            return self._done >= target

    def arrivals(self, connection: str) -> int:
        """How many events have been committed for a connection since the start."""
        with self._lock:
            return self._arrived[connection]

    def wait_for_arrival(self, connection: str, seen: int, timeout_s: float) -> None:
        """Wait until `arrivals` is more than `seen`, `timeout_s` at most."""
        with self._lock:
            self._committed.wait_for(lambda: self._arrived[connection] > seen, timeout_s)

    def due(self, connection: str, now: float, limit: int) -> list[Row]:
        """The next rows to try, in order. One that is postponed holds back all behind it."""
        # Taken before the rows are read: a settlement that is committed in between then counts.
        with self._lock:
            settling = dict(self._settling)
        rows: list[Row] = []
        for waiting in self._store.waiting(connection, limit + len(settling)):
            settled = settling.get(waiting.row.id)
            next_try = waiting.next_try
            if settled is not None:
                if settled.kind != "postpone":
                    continue
                next_try = settled.until
            if now < next_try <= now + LONGEST_POSTPONE_S or len(rows) == limit:
                break
            rows.append(waiting.row)
        return rows

    def acknowledge(self, ids: Sequence[int]) -> None:
        """The outside system has these; they go."""
        self._settle(Settlement("acknowledge", tuple(ids)))

    def postpone(self, ids: Sequence[int], until: float, error: str) -> None:
        """Not now: try these again at `until`, UTC seconds, 60 s from now at most."""
        until = min(until, self._clock.now() + LONGEST_POSTPONE_S)
        self._settle(Settlement("postpone", tuple(ids), until, error))

    def bury(self, ids: Sequence[int], error: str) -> None:
        """Never: keep these as dead letters, with the reason."""
        self._settle(Settlement("bury", tuple(ids), error=error))

    def totals(self) -> dict[str, Totals]:
        """What became of the events of each connection, of those that are on disk."""
        return self._store.totals()

    def close(self) -> None:
        """Write what came after the writer had ended, and let go of the state directory.

        Call it when the writer and the deliveries have ended, whichever was the last.
        """
        stopped = threading.Event()
        stopped.set()
        self.writer(stopped)
        self._store.close()

    def writer(self, stop: threading.Event) -> None:
        """The loop that commits. When it is told to stop, it first writes what it has."""
        self._say_ended(ended=False)
        while True:
            self._batch = self._batch or self._gather(stop)
            if self._batch is None:
                if stop.is_set():
                    break
                self._store.reclaim()
            elif self._commit(self._batch, stop):
                self._finish(self._batch)
                self._batch = None
            else:
                break
        self._say_ended(ended=True)

    def _say_ended(self, *, ended: bool) -> None:
        with self._lock:
            self._ended = ended
            self._committed.notify_all()

    def _settle(self, settlement: Settlement) -> None:
        if not settlement.ids:
            return
        with self._lock:
            self._waiting.append(settlement)
            self._settling.update(dict.fromkeys(settlement.ids, settlement))
            self._handed_over += 1
            self._work.notify()

    def _gather(self, stop: threading.Event) -> Batch | None:
        """Wait for work, linger for company, and take one transaction's worth."""

        def urgent() -> bool:
            return self._hurry or stop.is_set()

        with self._lock:
            self._work.wait_for(lambda: self._waiting or urgent(), IDLE_S)
            if self._waiting and not self._queued:
                self._work.wait_for(
                    lambda: self._queued or len(self._settling) >= GROUP or urgent(),
                    SETTLEMENT_LINGER_S,
                )
            if self._queued:
                self._work.wait_for(lambda: self._queued >= GROUP or urgent(), LINGER_S)
            self._hurry = False
            records: list[_Record] = []
            settlements: list[Settlement] = []
            count = 0
            # Strictly in the order in which it was handed over: `flush` counts on that.
            while self._waiting and count < GROUP:
                item = self._waiting.popleft()
                if isinstance(item, Settlement):
                    settlements.append(item)
                else:
                    records.append(item)
                    count += len(item.drafts)
        return self._stamp(records, settlements) if records or settlements else None

    def _stamp(self, records: Sequence[_Record], settlements: Sequence[Settlement]) -> Batch:
        """Give each event its id and its number; done once, however often the commit is tried."""
        now = self._clock.now()
        rows: list[dict[str, Any]] = []
        for record in records:
            for each in record.drafts:
                sequence = self._sequences[record.source] = (
                    self._sequences.get(record.source, 0) + 1
                )
                event_id = uuid.uuid4().hex
                row = {"event_id": event_id, "connection": each.connection, "type": each.type}
                text = body(each, event_id, record.source, sequence)
                times = {"time": each.time, "created": now, "next_try": 0.0}
                rows.append(
                    {**row, "subject": each.subject, "body": text, "options": each.options, **times}
                )
        touched = {record.source: self._sequences[record.source] for record in records}
        told = tuple(record.committed for record in records if record.committed is not None)
        return Batch(rows, touched, settlements, len(records) + len(settlements), told)

    def _commit(self, batch: Batch, stop: threading.Event) -> bool:
        """Write the batch, trying again until it is written; False if a stop came first."""
        pause_s, tries_at_stop = FIRST_PAUSE_S, 0
        while True:
            try:
                self._store.commit(batch)
            except SQLAlchemyError as error:
                self._failed(error)
            else:
                self._recovered()
                return True
            if stop.is_set():
                tries_at_stop += 1
                if tries_at_stop >= TRIES_AT_STOP:
                    log.error(
                        "outbox not written at stop", events=self._queued, error=self._last_error
                    )
                    return False
                # The stop event is set already, and would end this wait at once.
                self._clock.wait(threading.Event(), pause_s)
            else:
                self._clock.wait(stop, pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _failed(self, error: SQLAlchemyError) -> None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        sentence = f"the outbox {self._store.path} cannot be written: {cause}"
        if sentence != self._last_error:
            log.error("commit failed, will be tried again", error=sentence)
        self._last_error = sentence

    def _recovered(self) -> None:
        if self._last_error:
            log.info("the outbox is written again", path=str(self._store.path))
        self._last_error = ""

    def _finish(self, batch: Batch) -> None:
        with self._lock:
            self._queued -= len(batch.rows)
            self._done += batch.handed_over
            self._arrived.update(row["connection"] for row in batch.rows)
            for settlement in batch.settlements:
                for row_id in settlement.ids:
                    # A later settlement of the same row may be on its way.
                    if self._settling.get(row_id) is settlement:
                        del self._settling[row_id]
            self._committed.notify_all()
        for tell in batch.told:
            tell()
