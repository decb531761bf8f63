import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from appliance.delivery.envelope import Row
from appliance.delivery.transports import sql
from appliance.delivery.transports.sql import SqlTransport, Utc, insert_once
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    InvalidConnection,
    Refused,
    Unavailable,
)
from blocks.sinks.sql import ROW_TYPE
from tests.appliance.delivery.conftest import ManualClock

RowOf = Callable[..., Row]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def database(file: Path, clock: ManualClock) -> Iterator[SqlTransport]:
    made = SqlTransport(ConnectionSettings("history", "sql", f"sqlite:///{file}"), clock)
    made.open()
    yield made
    made.close()


@pytest.fixture
def table_row(row: RowOf) -> RowOf:
    """Makes rows for a table called crossings."""

    def make(table: str = "crossings", **columns: Any) -> Row:
        return row(columns, subject=table, type_=ROW_TYPE)

    return make


def dialect(name: str) -> sa.Dialect:
    return sa.make_url(f"{name}://").get_dialect()()


def query(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_events_become_rows_of_the_table_events(
    database: SqlTransport, file: Path, row: RowOf
) -> None:
    assert database.send([row({"wo": "Tür"}), row({"n": [1, 2]})]) == [None, None]
    columns = "event_id, time, type, source, subject, sequence, data"
    assert query(file, f"SELECT {columns} FROM events ORDER BY sequence") == [
        (
            f"event-{n}",
            "2023-11-14T22:13:20.250Z",
            "count.crossed",
            "/box/gate",
            "gate",
            n,
            data,
        )
        for n, data in ((1, '{"wo":"Tür"}'), (2, '{"n":[1,2]}'))
    ]


def test_sqlite_can_compute_with_the_times(database: SqlTransport, file: Path, row: RowOf) -> None:
    database.send([row()])
    assert query(file, "SELECT strftime('%s', time) FROM events") == [("1700000000",)]


def test_rows_that_are_sent_again_are_there_once(
    database: SqlTransport, file: Path, row: RowOf, table_row: RowOf
) -> None:
    batch = [row(), table_row(total=1), row()]
    assert database.send(batch) == [None] * 3
    batch.append(row())
    assert database.send(batch) == [None] * 4
    assert query(file, "SELECT count(*) FROM events") == [(3,)]
    assert query(file, "SELECT count(*) FROM crossings") == [(1,)]


def test_a_table_is_made_from_its_first_row(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    first = table_row(total=3, longest_s=0.5, inside=True, label="person", boxes=[[1]], speed=None)
    assert database.send([first, table_row(total=4)]) == [None, None]
    assert query(file, "SELECT * FROM crossings ORDER BY total") == [
        ("event-1", "2023-11-14T22:13:20.250Z", 3, 0.5, 1, "person", "[[1]]", None),
        ("event-2", "2023-11-14T22:13:20.250Z", 4, None, None, None, None, None),
    ]
    types = {name: kind for _, name, kind, *_ in query(file, "PRAGMA table_info(crossings)")}
    assert types == {
        "event_id": "VARCHAR(64)",
        "time": "TEXT",
        "total": "BIGINT",
        "longest_s": "DOUBLE",
        "inside": "BOOLEAN",
        "label": "TEXT",
        "boxes": "TEXT",
        "speed": "DOUBLE",
    }


def test_a_column_that_is_not_there_refuses_its_row_alone(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    database.send([table_row(total=1)])
    outcomes = database.send([table_row(total=2), table_row(total=3, lane=7), table_row(total=4)])
    assert outcomes[0] is None
    assert outcomes[2] is None
    assert isinstance(outcomes[1], Refused)
    assert "the table 'crossings' has no column 'lane': add the column" in str(outcomes[1])
    assert query(file, "SELECT total FROM crossings") == [(1,), (2,), (4,)]


def test_a_column_that_was_added_is_used(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    database.send([table_row(total=1)])
    query(file, "ALTER TABLE crossings ADD COLUMN lane INTEGER")
    assert database.send([table_row(total=2, lane=7)]) == [None]
    assert query(file, "SELECT lane FROM crossings") == [(None,), (7,)]


def test_a_table_that_was_dropped_is_made_again(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    database.send([table_row(total=1)])
    query(file, "DROP TABLE crossings")
    assert database.send([table_row(total=2)]) == [None]
    assert query(file, "SELECT total FROM crossings") == [(2,)]


def test_a_table_of_the_users_own_is_used_as_it_is(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    query(
        file,
        "CREATE TABLE crossings (id INTEGER PRIMARY KEY, total INTEGER CHECK (total < 100), "
        "time TEXT, event_id TEXT UNIQUE)",
    )
    outcomes = database.send([table_row(total=1), table_row(total=100), table_row(total=2)])
    assert [outcome is None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1], Refused)
    assert "refused it: CHECK constraint failed" in str(outcomes[1])
    assert query(file, "SELECT id, total FROM crossings") == [(1, 1), (2, 2)]


def test_a_table_that_would_take_rows_twice_is_refused(
    database: SqlTransport, file: Path, table_row: RowOf
) -> None:
    query(file, "CREATE TABLE crossings (total INTEGER, time TEXT, event_id TEXT)")
    [outcome] = database.send([table_row(total=1)])
    assert isinstance(outcome, Refused)
    assert "'crossings' has no unique column `event_id`" in str(outcome)


@pytest.mark.parametrize(
    ("table", "columns", "sentence"),
    [
        ("a b", {"n": 1}, "'a b' cannot name a table or a column"),
        ("crossings", {"x; DROP": 1}, "'x; DROP' cannot name a table or a column"),
        ("crossings", {"time": 1}, "the column 'time' is written by the appliance"),
        ("crossings", {"total": 2**70}, "too large"),
    ],
)
def test_a_row_that_fits_nowhere_does_not_hold_up_the_others(
    database: SqlTransport,
    file: Path,
    table_row: RowOf,
    table: str,
    columns: dict[str, Any],
    sentence: str,
) -> None:
    good = [table_row(total=1), table_row(total=2)]
    poison = table_row(table, **columns)
    outcomes = database.send([good[0], poison, good[1]])
    assert [outcome is None for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1], Refused)
    assert sentence in str(outcomes[1])
    assert query(file, "SELECT total FROM crossings") == [(1,), (2,)]


def test_a_locked_database_is_tried_again_later(
    file: Path, clock: ManualClock, row: RowOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "CONNECT_TIMEOUT_S", 0)
    database = SqlTransport(ConnectionSettings("history", "sql", f"sqlite:///{file}"), clock)
    database.send([row()])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unavailable, match=r"history\.db does not answer: database is locked"):
            database.send([row()])
    database.send([row()])
    assert query(file, "SELECT event_id FROM events") == [("event-1",), ("event-3",)]
    database.close()


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path, clock: ManualClock) -> None:
    url = f"sqlite:///{tmp_path}/nowhere/events.db"
    with pytest.raises(Unavailable, match="unable to open database file"):
        SqlTransport(ConnectionSettings("history", "sql", url), clock).open()


def test_a_file_that_is_no_database_is_unavailable(
    file: Path, clock: ManualClock, row: RowOf
) -> None:
    file.write_text("this is not a database, but long enough to be read as one")
    database = SqlTransport(ConnectionSettings("history", "sql", f"sqlite:///{file}"), clock)
    with pytest.raises(Unavailable, match="file is not a database"):
        database.send([row()])
    database.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "`url` is not of the form"),
        ("//u:geheim@host", "`url` is not of the form"),
        ("sqlite://", "name a file, as in sqlite:////var"),
        ("mssql+pymssql://u:geheim@host/db", "mssql is not one of sqlite, postgresql, mysql"),
        ("postgresql+nothing://u:geheim@host/db", "`url` is not of the form"),
        ("postgresql://u:geheim@host/db", r"psycopg is missing: install vision-appliance\[postg"),
        ("mysql+pymysql://u:geheim@host/db", r"pymysql is missing: install vision-appliance\[my"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(
    url: str, sentence: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for driver in ("psycopg", "pymysql"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(InvalidConnection, match=f"^connection history: .*{sentence}") as refusal:
        SqlTransport(ConnectionSettings("history", "sql", url), clock)
    assert "geheim" not in str(refusal.value)


def test_options_are_refused(clock: ManualClock) -> None:
    settings = ConnectionSettings("history", "sql", "sqlite:////tmp/x.db", {"table": "x"})
    with pytest.raises(InvalidConnection, match="a database has no options"):
        SqlTransport(settings, clock)


def test_the_statement_for_postgresql_leaves_a_known_row_alone() -> None:
    statement = insert_once("postgresql", "crossings", ("event_id", "time", "total"))
    assert str(statement.compile(dialect=dialect("postgresql"))) == (
        "INSERT INTO crossings (event_id, time, total) VALUES "
        "(%(event_id)s, %(time)s::TIMESTAMP WITH TIME ZONE, %(total)s) "
        "ON CONFLICT (event_id) DO NOTHING"
    )


def test_the_statement_for_mariadb_leaves_a_known_row_alone() -> None:
    statement = insert_once("mariadb", "crossings", ("event_id", "total"))
    assert str(statement.compile(dialect=dialect("mysql"))) == (
        "INSERT INTO crossings (event_id, total) VALUES (%s, %s) "
        "ON DUPLICATE KEY UPDATE event_id = crossings.event_id"
    )


def test_each_database_gets_times_it_can_compute_with() -> None:
    time = datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC)
    utc = Utc()
    assert utc.process_bind_param(time, dialect("postgresql")) == time
    assert utc.process_bind_param(time, dialect("mysql")) == time.replace(tzinfo=None)
    assert str(utc.compile(dialect=dialect("postgresql"))) == "TIMESTAMP WITH TIME ZONE"
    assert str(utc.compile(dialect=dialect("mysql"))) == "DATETIME(6)"


def test_a_password_in_the_query_of_an_address_is_not_told(clock: ManualClock) -> None:
    address = "sqlite:///file:/no/such/folder/x.db?password=geheim&uri=true"
    transport = SqlTransport(ConnectionSettings("history", "sql", address), clock)
    with pytest.raises(Unavailable) as refusal:
        transport.open()
    assert "no/such/folder/x.db does not answer" in str(refusal.value)
    assert "geheim" not in str(refusal.value)
