"""Events as rows of a database: SQLite, PostgreSQL, MySQL or MariaDB, through SQLAlchemy.

Rows of the block sql@1 go to the table they name, with a column for each value; every other event
goes to the table `events`. The key is `event_id`: a row that is sent twice is there once.

Times are UTC. SQLite knows no time: there they are RFC 3339 texts, which sort as the times do,
which SQLite's own date functions read, and which Grafana's SQLite source takes for times. In
PostgreSQL they are `timestamptz`, so that Grafana's time filters work, in MySQL and MariaDB
DATETIME(6), which has no zone.
"""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from appliance.clock import Clock
from appliance.delivery.envelope import Row, rfc3339
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    InvalidConnection,
    Outcome,
    Refused,
    Unavailable,
)
from blocks.sinks.sql import EVENTS_TABLE, ROW_TYPE

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
CONNECT_TIMEOUT_S = 5
ANSWER_S = 30
LOCK_S = 20
_MYSQL_PATIENCE = "SET SESSION lock_wait_timeout = {0}, innodb_lock_wait_timeout = {0}"
_PATIENCE = {
    "postgresql": "SET lock_timeout = '{0}s'",
    "mysql": _MYSQL_PATIENCE,
    "mariadb": _MYSQL_PATIENCE,
}
OWN_COLUMNS = ("event_id", "time")
_EXTRAS = {"psycopg": "postgres", "pymysql": "mysql"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# SQLite says OperationalError to bad SQL and to a full disk alike; these codes are about the row.
_SQLITE_REFUSALS = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
)


class Utc(sa.types.TypeDecorator[datetime]):
    """A time in UTC, in the form each database can compute with."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Text for SQLite, microseconds for MySQL, a time with its zone for the others."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """The time as the driver takes it."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return rfc3339(value.timestamp())
        return value.replace(tzinfo=None) if dialect.name in ("mysql", "mariadb") else value


@dataclass(frozen=True, slots=True)
class _Insert:
    """One row, ready to be written: its table, and its values by column."""

    table: str
    values: Mapping[str, Any]


class SqlTransport:
    """One database."""

    def __init__(self, settings: ConnectionSettings, _clock: Clock) -> None:
        self._engine = _engine(settings)
        # The query may hold a password too.
        self._address = self._engine.url.set(query={}).render_as_string(hide_password=True)
        self._columns: dict[str, frozenset[str]] = {}

    def open(self) -> None:
        """Connect, and see that the database answers."""
        # Somebody may have changed the tables meanwhile.
        self._columns.clear()
        try:
            with self._engine.connect() as connection:
                connection.execute(sa.select(sa.literal(1)))
        except (SQLAlchemyError, OSError) as error:
            raise self._unavailable(error) from error

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Write the rows in one transaction; where one spoils it, each in its own."""
        try:
            return self._write(batch)
        except Refused:
            pass
        except (SQLAlchemyError, OverflowError, OSError) as error:
            if _is_about_the_database(error):
                raise self._unavailable(error) from error
        # A table may have been changed or dropped since it was looked at.
        self._columns.clear()
        outcomes: list[Outcome] = []
        for row in batch:
            try:
                outcomes.append(self._write_alone(row))
            except Unavailable as gone:
                return [*outcomes, *[gone] * (len(batch) - len(outcomes))]
        return outcomes

    def idle(self) -> None:
        """Nothing to keep alive: the next try finds out."""

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _write_alone(self, row: Row) -> Refused | None:
        try:
            self._write([row])
        except Refused as refused:
            return refused
        except (SQLAlchemyError, OverflowError, OSError) as error:
            if _is_about_the_database(error):
                raise self._unavailable(error) from error
            return Refused(f"the database {self._address} refused it: {_cause(error)}")
        return None

    def _write(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Write all of them or none."""
        groups: dict[tuple[str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
        for row in batch:
            insert = _insert(row)
            self._check_table(insert)
            columns = tuple(sorted(insert.values))
            groups.setdefault((insert.table, columns), []).append(insert.values)
        with self._engine.begin() as connection:
            for (table, columns), rows in groups.items():
                connection.execute(insert_once(self._engine.dialect.name, table, columns), rows)
        return [None] * len(batch)

    def _check_table(self, insert: _Insert) -> None:
        """See that the table has the columns; make it if there is none.

        Raises:
            Refused: the table is there, and lacks one.
        """
        known = self._columns.get(insert.table)
        if known is None or not known.issuperset(insert.values):
            known = self._columns[insert.table] = self._look_up(insert)
        missing = [name for name in insert.values if name not in known]
        if missing:
            raise Refused(
                f"the table {insert.table!r} has no column {missing[0]!r}: add the column, or take "
                "the value out of the step's `data`"
            )

    def _look_up(self, insert: _Insert) -> frozenset[str]:
        found = self._existing(insert.table)
        if found is None:
            try:
                _new_table(insert).create(self._engine)
            except SQLAlchemyError:
                # Another box may have made it at the same moment.
                found = self._existing(insert.table)
                if found is None:
                    raise
            else:
                return frozenset(insert.values)
        return found

    def _existing(self, table: str) -> frozenset[str] | None:
        inspector = sa.inspect(self._engine)
        if not inspector.has_table(table):
            return None
        unique = [inspector.get_pk_constraint(table)["constrained_columns"]]
        unique += [each["column_names"] for each in inspector.get_unique_constraints(table)]
        unique += [
            [name for name in each["column_names"] if name]
            for each in inspector.get_indexes(table)
            if each["unique"]
        ]
        if ["event_id"] not in unique:
            raise Refused(
                f"the table {table!r} has no unique column `event_id`, by which a row that is sent "
                "twice is known: make it the key, or name another table"
            )
        return frozenset(column["name"] for column in inspector.get_columns(table))

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"the database {self._address} does not answer: {_cause(error)}")


# A few dozen are all that a box ever has; whoever names a new table for each event has no gain.
@lru_cache(maxsize=256)
def insert_once(dialect: str, table: str, columns: tuple[str, ...]) -> sa.Insert:
    """A statement that writes rows whose `event_id` is not there, and leaves the others alone."""
    typed = [sa.column(name, Utc()) if name == "time" else sa.column(name) for name in columns]
    target = sa.table(table, *typed)
    if dialect == "sqlite":
        return sqlite.insert(target).on_conflict_do_nothing(index_elements=["event_id"])
    if dialect == "postgresql":
        return postgresql.insert(target).on_conflict_do_nothing(index_elements=["event_id"])
    # INSERT IGNORE would hide real errors too.
    return mysql.insert(target).on_duplicate_key_update(event_id=target.c.event_id)


def _engine(settings: ConnectionSettings) -> sa.Engine:
    where = f"connection {settings.name}"
    if settings.options:
        raise InvalidConnection(f"{where}: a database has no options; all of it is in the `url`")
    try:
        url = sa.make_url(settings.url)
        dialect = url.get_backend_name()
        if dialect not in DIALECTS:
            raise InvalidConnection(f"{where}: {dialect} is not one of {', '.join(DIALECTS)}")
        if dialect == "sqlite" and url.database in (None, "", ":memory:"):
            raise InvalidConnection(f"{where}: name a file, as in sqlite:////var/lib/events.db")
        engine = sa.create_engine(url, connect_args=_limits(dialect), pool_size=1)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").lower())
        advice = f"install vision-appliance[{extra}]" if extra else "install it"
        raise InvalidConnection(
            f"{where}: the package {error.name} is missing: {advice}"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        if isinstance(error, InvalidConnection):
            raise
        # The address itself may hold a password, and stays out of the message.
        raise InvalidConnection(
            f"{where}: `url` is not of the form postgresql://user:password@host/database or "
            "sqlite:////path/to/file.db"
        ) from error
    if dialect in _PATIENCE:
        sa.event.listen(engine, "connect", lambda raw, _record: _set_patience(raw, dialect))
    return engine


def _limits(dialect: str) -> dict[str, int]:
    """How long the driver waits, in its own words: nothing of a database may hang for ever."""
    if dialect == "sqlite":
        return {"timeout": CONNECT_TIMEOUT_S}
    if dialect == "postgresql":
        alive = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        return {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": ANSWER_S * 1000, **alive}
    answer = {"read_timeout": ANSWER_S, "write_timeout": ANSWER_S}
    return {"connect_timeout": CONNECT_TIMEOUT_S, **answer}


def _set_patience(raw: Any, dialect: str) -> None:
    """For how long the server may wait for somebody's lock: less than the driver waits for it."""
    cursor = raw.cursor()
    cursor.execute(_PATIENCE[dialect].format(LOCK_S))
    cursor.close()
    raw.commit()


def _insert(row: Row) -> _Insert:
    event: dict[str, Any] = json.loads(row.body)
    own = {"event_id": row.event_id, "time": datetime.fromtimestamp(row.time, UTC)}
    data: dict[str, Any] = event["data"]
    if row.type != ROW_TYPE:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        described = {"type": row.type, "source": event["source"], "subject": row.subject}
        rest = {"sequence": int(event["sequence"]), "data": text}
        return _Insert(EVENTS_TABLE, {**own, **described, **rest})
    for name in (row.subject, *data):
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot name a table or a column: take a letter, then letters, digits "
                "and `_`, 63 at most"
            )
    for name in OWN_COLUMNS:
        if name in data:
            raise Refused(f"the column {name!r} is written by the appliance: name yours otherwise")
    return _Insert(row.subject, {**own, **{name: _cell(value) for name, value in data.items()}})


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def _new_table(insert: _Insert) -> sa.Table:
    columns = [
        sa.Column(
            name,
            _column_type(name, value),
            primary_key=name == "event_id",
            index=name == "time",
        )
        for name, value in insert.values.items()
    ]
    # The default of many servers cannot hold every letter.
    letters: dict[str, Any] = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}
    return sa.Table(insert.table, sa.MetaData(), *columns, **letters)


def _column_type(name: str, value: Any) -> sa.types.TypeEngine[Any]:
    """The type of a column by its first value."""
    if name == "event_id":
        return sa.String(64)
    if name == "time":
        return Utc()
    if isinstance(value, bool):
        return sa.Boolean()
    if isinstance(value, int):
        return sa.BigInteger()
    if isinstance(value, str):
        return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    # Nothing is most often a measurement that was not to be had.
    return sa.Double()


def _is_about_the_database(error: Exception) -> bool:
    """Whether to try again later; otherwise it is about the row, and would fail again."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        # The low byte is the kind, the others tell more about it.
        return code & 0xFF not in _SQLITE_REFUSALS
    broken = (OperationalError, InterfaceError)
    # DatabaseError itself, and no kind of it, is what a file that is no database gets.
    return error.connection_invalidated or isinstance(error, broken) or type(error) is DatabaseError


def _cause(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
