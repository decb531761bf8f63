"""The file behind the outbox: who may have it, how it is set up, and that it shrinks."""

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.delivery import store
from appliance.delivery.outbox import Outbox
from appliance.delivery.store import OutboxError
from blocks.data import Event
from tests.appliance.delivery.conftest import SOURCE, ManualClock

EventOf = Callable[..., Event]

# As version 1 of the schema made it, with one row that waits.
VERSION_1 = """
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    CREATE TABLE outbox (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL,
        connection TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time FLOAT NOT NULL,
        body TEXT NOT NULL, created FLOAT NOT NULL, next_try FLOAT NOT NULL,
        tries INTEGER NOT NULL, dead INTEGER NOT NULL, last_error TEXT NOT NULL);
    CREATE INDEX outbox_due ON outbox (connection, id) WHERE dead = 0;
    CREATE TABLE sources (source TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL);
    CREATE TABLE totals (connection TEXT NOT NULL PRIMARY KEY, emitted INTEGER NOT NULL,
        delivered INTEGER NOT NULL, dead INTEGER NOT NULL, pending INTEGER NOT NULL);
    INSERT INTO outbox VALUES (7, 'e7', 'plant', 't', 'gate', 1.0, '{}', 1.0, 0.0, 0, 0, '');
    INSERT INTO totals VALUES ('plant', 1, 0, 0, 1);
    PRAGMA user_version = 1;
"""


def test_two_daemons_do_not_share_a_state_directory(tmp_path: Path, clock: ManualClock) -> None:
    first = Outbox(tmp_path, clock)
    with pytest.raises(OutboxError, match=rf"in use by another daemon \(process {os.getpid()}\)"):
        Outbox(tmp_path, clock)
    first.close()
    Outbox(tmp_path, clock).close()


def test_a_state_directory_that_cannot_be_written_is_named(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutboxError, match=r"file/state cannot be written .*set another `state_dir`"
    ):
        Outbox(tmp_path / "file" / "state", clock)


def test_a_file_that_is_no_database_is_named_and_the_directory_let_go(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "outbox.db").write_text("this is not a database, but long enough to be read")
    with pytest.raises(OutboxError, match="file is not a database; if it is damaged, move it"):
        Outbox(tmp_path, clock)
    (tmp_path / "outbox.db").unlink()
    Outbox(tmp_path, clock).close()


def test_a_damaged_outbox_is_named_and_the_directory_let_go(
    tmp_path: Path, clock: ManualClock
) -> None:
    Outbox(tmp_path, clock).close()
    path = tmp_path / "outbox.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xaa" * (len(content) - 4096))
    with pytest.raises(OutboxError, match="disk image is malformed; if it is damaged, move it"):
        Outbox(tmp_path, clock)
    path.unlink()
    Outbox(tmp_path, clock).close()


def test_an_outbox_of_a_newer_version_is_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    Outbox(tmp_path, clock).close()
    with sqlite3.connect(tmp_path / "outbox.db") as write:
        write.execute("PRAGMA user_version = 99")
    write.close()
    with pytest.raises(OutboxError, match=r"written by a newer version \(schema 99"):
        Outbox(tmp_path, clock)


def test_an_outbox_of_the_first_version_goes_on_with_what_waits_in_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    with sqlite3.connect(tmp_path / "outbox.db") as write:
        write.executescript(VERSION_1)
    write.close()
    outbox = Outbox(tmp_path, clock)
    (row,) = outbox.due("plant", clock.now(), 10)
    assert (row.id, row.event_id, row.subject, row.options) == (7, "e7", "gate", "")
    assert outbox.totals()["plant"].pending == 1
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox.db") as read:
        assert read.execute("PRAGMA user_version").fetchone() == (store.SCHEMA_VERSION,)
    read.close()


def test_the_file_is_set_up_to_survive_a_power_cut_and_to_shrink(outbox: Outbox) -> None:
    with outbox._store._engine.connect() as connection:

        def pragma(name: str) -> object:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("auto_vacuum") == 2
        assert pragma("user_version") == store.SCHEMA_VERSION
        assert pragma("journal_size_limit") == store.JOURNAL_LIMIT_BYTES


def test_the_query_for_what_is_due_reads_an_index(outbox: Outbox) -> None:
    with outbox._store._engine.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM outbox WHERE connection = 'x' AND dead = 0 "
            "ORDER BY id"
        ).fetchall()
    assert "USING" in plan[0][3]
    assert "outbox_due" in plan[0][3]
    assert len(plan) == 1


def test_the_file_shrinks_after_a_long_queue_was_delivered(
    outbox: Outbox, event: EventOf, stopped: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ROWS_BEFORE_RECLAIM", 100)
    outbox.put([event("x" * 5000) for _ in range(300)], source=SOURCE)
    outbox.writer(stopped)

    def pages() -> int:
        with outbox._store._engine.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    long = pages()
    outbox.acknowledge([row.id for row in outbox.due("plant", 1_700_000_000.0, 300)])
    outbox.writer(stopped)
    outbox._store.reclaim()
    assert pages() < long / 5
