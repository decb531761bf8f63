"""The outbox on disk: its tables, and every statement that is run on them.

One SQLite file in WAL mode. `synchronous` is FULL: what has been committed survives a power cut.
The counters of `totals` change in the transactions that change the rows, so that
`emitted = delivered + pending + dead` holds whenever the process ends.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError

from appliance.delivery.envelope import Row

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 2.0
JOURNAL_LIMIT_BYTES = 4 * 1024 * 1024
# SQLite takes 32766 values in one statement.
IDS_IN_ONE_STATEMENT = 1000
# Pages are given back to the file system once so many rows have gone, not at every one.
ROWS_BEFORE_RECLAIM = 10_000

_tables = sa.MetaData()
_rows = sa.Table(
    "outbox",
    _tables,
    # AUTOINCREMENT: without it SQLite gives the same id again once the table has been empty.
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("next_try", sa.Float, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("dead", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.Text, nullable=False, default=""),
    sa.Column("options", sa.Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)
# Literal text on both sides: SQLite uses a partial index only where it can see the same condition.
_ALIVE = sa.text("dead = 0")
sa.Index("outbox_due", _rows.c.connection, _rows.c.id, sqlite_where=_ALIVE)
_sources = sa.Table(
    "sources",
    _tables,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("sequence", sa.Integer, nullable=False),
)
_totals = sa.Table(
    "totals",
    _tables,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("emitted", sa.Integer, nullable=False),
    sa.Column("delivered", sa.Integer, nullable=False),
    sa.Column("dead", sa.Integer, nullable=False),
    sa.Column("pending", sa.Integer, nullable=False),
)
# What leads from each version of the file to the next one.
_STEPS = {1: ("ALTER TABLE outbox ADD COLUMN options TEXT NOT NULL DEFAULT ''",)}
_COUNTED = ("emitted", "delivered", "dead", "pending")


def _add_to_totals() -> sa.Insert:
    new = insert(_totals)
    added = {name: _totals.c[name] + new.excluded[name] for name in _COUNTED}
    return new.on_conflict_do_update(["connection"], set_=added)


def _set_sequences() -> sa.Insert:
    new = insert(_sources)
    return new.on_conflict_do_update(["source"], set_={"sequence": new.excluded.sequence})


# Statements are made once: to build one takes longer than to run it.
_ADD = sa.insert(_rows)
_ADD_TO_TOTALS = _add_to_totals()
_SET_SEQUENCES = _set_sequences()
_WAITING = (
    sa.select(*(_rows.c[field] for field in Row.__slots__), _rows.c.next_try)
    .where(_rows.c.connection == sa.bindparam("name"), _ALIVE)
    .order_by(_rows.c.id)
    .limit(sa.bindparam("most"))
)
_THESE = sa.and_(_rows.c.id.in_(sa.bindparam("ids", expanding=True)), _ALIVE)
_FORGET = sa.delete(_rows).where(_THESE).returning(_rows.c.connection)


class OutboxError(Exception):
    """The outbox cannot do what was asked; the text is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of the events of one connection since the outbox was made."""

    emitted: int = 0
    delivered: int = 0
    dead: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of some rows in a try. `until` is UTC seconds, for those that are postponed."""

    kind: Literal["acknowledge", "postpone", "bury"]
    ids: tuple[int, ...]
    until: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes: stamped rows, how far the sequences have come, settlements.

    `handed_over` is how many records and settlements it was made of; `told` is called when it is
    on disk.
    """

    rows: Sequence[Mapping[str, Any]]
    sequences: Mapping[str, int]
    settlements: Sequence[Settlement]
    handed_over: int
    told: Sequence[Callable[[], None]] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that is not dead, and the UTC second before which it is not tried."""

    row: Row
    next_try: float


class Store:
    """The file `outbox.db` of a state directory, held by one process.

    Everything but `commit` may be called by any thread; `commit` by one at a time.

    Raises:
        OutboxError: the directory cannot be written, another daemon has it, or the file is not
            an outbox that this version knows.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "outbox.db"
        self._freed = 0
        self._lock = _hold(state_dir)
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(self.path)),
            connect_args={"timeout": BUSY_TIMEOUT_S},
            max_overflow=-1,
        )
        sa.event.listen(self._engine, "connect", _set_up)
        try:
            # Before any thread has a second connection: WAL is set by one alone.
            self._prepare()
            self._check()
        except DatabaseError as error:
            self.close()
            raise OutboxError(
                f"{self.path} cannot be used as the outbox: {error.orig}; if it is damaged, move "
                "it away and start again (what waits in it is then not delivered)"
            ) from error
        except OutboxError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let another process have the directory."""
        self._engine.dispose()
        self._lock.close()

    def sequences(self) -> dict[str, int]:
        """The last sequence number given to each source."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(_sources.c.source, _sources.c.sequence))
            return {row.source: row.sequence for row in found}

    def commit(self, batch: Batch) -> None:
        """Write all of the batch or nothing. Raises SQLAlchemyError where it cannot."""
        tally: dict[str, Counter[str]] = {}
        gone = 0
        with self._engine.begin() as connection:
            if batch.rows:
                connection.execute(_ADD, batch.rows)
                for row in batch.rows:
                    tally.setdefault(row["connection"], Counter()).update(emitted=1, pending=1)
            for settlement in batch.settlements:
                for name in _settle(connection, settlement):
                    outcome = "delivered" if settlement.kind == "acknowledge" else "dead"
                    tally.setdefault(name, Counter()).update({outcome: 1, "pending": -1})
                    gone += settlement.kind == "acknowledge"
            _count(connection, tally)
            _remember(connection, batch.sequences)
        self._freed += gone

    def waiting(self, name: str, limit: int) -> list[Waiting]:
        """The first rows of a connection that are not dead, oldest first."""
        asked = {"name": name, "most": limit}
        with self._engine.connect() as connection:
            found = connection.execute(_WAITING, asked)
            return [Waiting(Row(*each[:-1]), each[-1]) for each in found]

    def totals(self) -> dict[str, Totals]:
        """The counters of each connection that ever had an event."""
        query = sa.select(_totals.c.connection, *(_totals.c[name] for name in _COUNTED))
        with self._engine.connect() as connection:
            return {name: Totals(*counts) for name, *counts in connection.execute(query)}

    def reclaim(self) -> None:
        """Give the pages of delivered rows back to the file system, if there are many."""
        if self._freed < ROWS_BEFORE_RECLAIM:
            return
        self._freed = 0
        with closing(self._engine.raw_connection()) as connection:
            # Each step frees one page, and only a script is stepped to its end: the statement
            # has no columns, so that elsewhere its first row is taken for its last.
            connection.cursor().executescript("PRAGMA incremental_vacuum")

    def _check(self) -> None:
        """See now that the tables can be read, not at the first event."""
        with self._engine.connect() as connection:
            for table in _tables.sorted_tables:
                connection.execute(sa.select(table).limit(1)).all()

    def _prepare(self) -> None:
        with self._engine.connect() as connection:
            # Means something only before the first table is made.
            connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
            if version > SCHEMA_VERSION:
                raise OutboxError(
                    f"{self.path} was written by a newer version (schema {version}, this one "
                    f"knows {SCHEMA_VERSION}): install that version, or move the file away"
                )
            if mode != "wal":
                raise OutboxError(
                    f"{self.path} lies on a file system without shared memory (journal mode "
                    f"{mode} instead of wal): set `state_dir` to a local disk"
                )
            if version == SCHEMA_VERSION:
                return
            # The driver begins no transaction for CREATE: without one a crash leaves half.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            if not version:
                _tables.create_all(connection)
            for older in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
                for statement in _STEPS[older]:
                    connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.commit()


def _hold(state_dir: Path) -> FileIO:
    """Take the directory for this process: the lock ends with it, however it ends."""
    try:
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = (state_dir / "outbox.lock").open("a+b", buffering=0)
    except OSError as error:
        raise OutboxError(
            f"the state directory {state_dir} cannot be written ({error.strerror}): make it "
            "writable for the user the daemon runs as, or set another `state_dir`"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().decode().strip() or "unknown"
        lock.close()
        raise OutboxError(
            f"the state directory {state_dir} is in use by another daemon (process {holder}): "
            "stop that one, or give this one a `state_dir` of its own"
        ) from error
    # The number is for the message above only; on a full disk it is not there.
    with suppress(OSError):
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n".encode())
    return lock


def _set_up(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")
    cursor.close()


def _settle(connection: sa.Connection, settlement: Settlement) -> list[str]:
    """Change the rows; the connection's name for each that has left the waiting ones."""
    left: list[str] = []
    for start in range(0, len(settlement.ids), IDS_IN_ONE_STATEMENT):
        ids = settlement.ids[start : start + IDS_IN_ONE_STATEMENT]
        if settlement.kind == "acknowledge":
            left += connection.execute(_FORGET, {"ids": ids}).scalars()
            continue
        these = sa.and_(_rows.c.id.in_(ids), _ALIVE)
        change = sa.update(_rows).where(these)
        change = change.values(tries=_rows.c.tries + 1, last_error=settlement.error)
        if settlement.kind == "bury":
            change = change.values(dead=1)
            left += connection.execute(change.returning(_rows.c.connection)).scalars()
        else:
            connection.execute(change.values(next_try=settlement.until))
    return left


def _count(connection: sa.Connection, tally: Mapping[str, Mapping[str, int]]) -> None:
    rows = [
        {"connection": name, **{counted: counts.get(counted, 0) for counted in _COUNTED}}
        for name, counts in tally.items()
    ]
    if rows:
        connection.execute(_ADD_TO_TOTALS, rows)


def _remember(connection: sa.Connection, sequences: Mapping[str, int]) -> None:
    rows = [{"source": source, "sequence": sequence} for source, sequence in sequences.items()]
    if rows:
        connection.execute(_SET_SEQUENCES, rows)
