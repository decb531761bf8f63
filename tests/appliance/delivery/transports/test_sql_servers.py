"""Events as rows of real servers: PostgreSQL and MariaDB."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from appliance.clock import SystemClock
from appliance.delivery.envelope import Row
from appliance.delivery.transports import sql
from appliance.delivery.transports.sql import SqlTransport
from appliance.delivery.transports.transport import ConnectionSettings, Refused, Unavailable
from blocks.sinks.sql import ROW_TYPE
from tests.database_servers import DatabaseServer

RowOf = Callable[..., Row]
Query = Callable[[str], list[Any]]
AT = datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=UTC)


@pytest.fixture(scope="session", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def address(server: DatabaseServer, request: pytest.FixtureRequest) -> str:
    return server.database(f"t{abs(hash(request.node.nodeid))}")


@pytest.fixture
def database(address: str) -> Iterator[SqlTransport]:
    made = SqlTransport(ConnectionSettings("history", "sql", address), SystemClock())
    made.open()
    yield made
    made.close()


@pytest.fixture
def query(address: str) -> Query:
    engine = sa.create_engine(address, poolclass=sa.NullPool)

    def run(statement: str) -> list[Any]:
        with engine.begin() as connection:
            found = connection.exec_driver_sql(statement)
            return [tuple(each) for each in found] if found.returns_rows else []

    return run


def in_utc(time: datetime) -> datetime:
    """MariaDB gives a time without its zone."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def test_events_become_rows_with_a_time_that_the_database_can_compute_with(
    database: SqlTransport, query: Query, row: RowOf
) -> None:
    assert database.send([row({"wo": "Tür 🚪"}), row()]) == [None, None]
    found = query("SELECT event_id, time, sequence, data FROM events ORDER BY sequence")
    assert [(each[0], in_utc(each[1]), *each[2:]) for each in found] == [
        ("event-1", AT, 1, '{"wo":"Tür 🚪"}'),
        ("event-2", AT, 2, '{"n":2}'),
    ]


def test_a_thousand_rows_that_are_sent_again_change_nothing(
    database: SqlTransport, query: Query, row: RowOf
) -> None:
    rows = [row({"total": n}, subject="crossings", type_=ROW_TYPE) for n in range(1000)]
    for start in range(0, 1000, 200):
        assert database.send(rows[start : start + 200]) == [None] * 200
    query("UPDATE crossings SET total = -1 WHERE total = 7")
    for start in range(0, 1000, 200):
        assert database.send(rows[start : start + 200]) == [None] * 200
    assert query("SELECT count(*), min(total), max(total) FROM crossings") == [(1000, -1, 999)]


def test_a_table_is_made_from_its_first_row(
    database: SqlTransport, query: Query, row: RowOf
) -> None:
    first = {"total": 3, "longest_s": 0.5, "inside": True, "label": "person", "boxes": [[1]]}
    rows = [
        row(first, subject="crossings", type_=ROW_TYPE),
        row({"total": 2**40}, subject="crossings", type_=ROW_TYPE),
    ]
    assert database.send(rows) == [None, None]
    assert query("SELECT total, longest_s, inside, label, boxes FROM crossings ORDER BY total") == [
        (3, 0.5, True, "person", "[[1]]"),
        (2**40, None, None, None, None),
    ]


def test_a_table_of_ones_own_is_used_as_it_is(
    database: SqlTransport, query: Query, row: RowOf
) -> None:
    query(
        "CREATE TABLE passed (event_id varchar(64) PRIMARY KEY, time timestamp, plate varchar(12))"
    )
    plate = row({"plate": "AB 1"}, subject="passed", type_=ROW_TYPE)
    assert database.send([plate]) == [None]
    assert query("SELECT plate FROM passed") == [("AB 1",)]


def test_a_value_that_does_not_fit_its_column_refuses_its_row_alone(
    database: SqlTransport, query: Query, row: RowOf
) -> None:
    query(
        "CREATE TABLE passed (event_id varchar(64) PRIMARY KEY, time timestamp, plate varchar(4))"
    )
    rows = [
        row({"plate": plate}, subject="passed", type_=ROW_TYPE)
        for plate in ("AB 1", "X" * 40, "C 2")
    ]
    outcomes = database.send(rows)
    assert [type(each) for each in outcomes] == [type(None), Refused, type(None)]
    assert "too long" in str(outcomes[1])
    assert query("SELECT plate FROM passed ORDER BY plate") == [("AB 1",), ("C 2",)]


def test_a_server_that_is_killed_is_unavailable_and_has_each_row_once_when_it_is_back(
    server: DatabaseServer, database: SqlTransport, query: Query, row: RowOf
) -> None:
    rows = [row() for _ in range(50)]
    assert database.send(rows) == [None] * 50
    server.kill()
    late = [row() for _ in range(50)]
    with pytest.raises(Unavailable, match=r"the database .* does not answer"):
        database.send(late)
    database.close()
    with pytest.raises(Unavailable, match=r"the database .* does not answer"):
        database.open()
    server.start()
    database.open()
    # What was sent before may not have been acknowledged: it is sent again.
    assert database.send([*rows, *late]) == [None] * 100
    assert query("SELECT count(*), count(DISTINCT event_id) FROM events") == [(100, 100)]


def test_a_database_that_is_not_there_is_told_by_name_without_the_password(
    server: DatabaseServer,
) -> None:
    url = sa.make_url(server.url).set(database="nowhere", password="geheim")
    settings = ConnectionSettings("history", "sql", url.render_as_string(hide_password=False))
    with pytest.raises(Unavailable, match="nowhere") as refusal:
        SqlTransport(settings, SystemClock()).open()
    assert "geheim" not in str(refusal.value)


def test_what_waits_for_a_lock_longer_than_it_should_is_tried_again(
    address: str, row: RowOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "LOCK_S", 1)
    database = SqlTransport(ConnectionSettings("history", "sql", address), SystemClock())
    assert database.send([row()]) == [None]
    engine = sa.create_engine(address)
    lock = "LOCK TABLE events" if "postgres" in address else "LOCK TABLES events WRITE"
    with engine.begin() as other:
        other.exec_driver_sql(lock)
        with pytest.raises(Unavailable, match="does not answer"):
            database.send([replace(row(), event_id="late")])
    engine.dispose()
    database.close()
    database.open()
    assert database.send([replace(row(), event_id="late")]) == [None]
    database.close()
