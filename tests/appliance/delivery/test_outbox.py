import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from appliance.clock import SystemClock
from appliance.delivery import store
from appliance.delivery.envelope import Row, UnsendableEvent
from appliance.delivery.outbox import GROUP, Outbox
from appliance.delivery.store import Totals
from appliance.supervisor import Supervisor
from blocks.data import Event
from tests.appliance.delivery.conftest import SOURCE, ManualClock

EventOf = Callable[..., Event]
KILLS = 12


def numbers(rows: list[Row]) -> list[int]:
    return [json.loads(row.body)["data"]["n"] for row in rows]


def sequences(rows: list[Row]) -> list[int]:
    return [int(json.loads(row.body)["sequence"]) for row in rows]


def due(outbox: Outbox, now: float = 1_700_000_000.0, limit: int = 100) -> list[Row]:
    return outbox.due("plant", now, limit)


def commits(outbox: Outbox) -> list[None]:
    """Grows by one with each transaction that is committed from now on."""
    seen: list[None] = []
    sa.event.listen(outbox._store._engine, "commit", lambda _connection: seen.append(None))
    return seen


def test_an_event_is_there_once_the_writer_has_run(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    outbox.put([event(1)], source=SOURCE)
    assert due(outbox) == []
    outbox.writer(stopped)
    [row] = due(outbox)
    assert (row.connection, row.type, row.subject, row.tries) == (
        "plant",
        "count.crossed",
        "gate",
        0,
    )
    sent = json.loads(row.body)
    assert (sent["id"], sent["source"], sent["data"]) == (row.event_id, SOURCE, {"n": 1})


def test_a_lone_event_is_committed_unasked(
    outbox: Outbox, event: EventOf, supervisor: Supervisor
) -> None:
    supervisor.start("outbox", outbox.writer)
    outbox.put([event()], source=SOURCE)
    outbox.wait_for_arrival("plant", 0, 10.0)
    assert outbox.arrivals("plant") == 1
    assert len(due(outbox)) == 1


def test_whoever_puts_events_is_told_when_all_of_them_are_on_disk(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    told: list[int] = []
    outbox.put([event(1), event(2)], source=SOURCE, committed=lambda: told.append(len(due(outbox))))
    outbox.put([event(3)], source=SOURCE)
    outbox.put([event(4)], source=SOURCE, committed=lambda: told.append(-1))
    assert told == []
    outbox.writer(stopped)
    assert told == [4, -1]
    outbox.writer(stopped)
    assert told == [4, -1]


def test_where_nothing_can_be_sent_whoever_puts_it_is_told_at_once(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    told: list[str] = []
    outbox.put([], source=SOURCE, committed=lambda: told.append("nothing"))
    with pytest.raises(UnsendableEvent):
        outbox.put(
            [replace(event(1), data={"n": object()})],
            source=SOURCE,
            committed=lambda: told.append("unsendable"),
        )
    assert told == ["nothing", "unsendable"]
    outbox.writer(stopped)
    assert told == ["nothing", "unsendable"]


def test_an_event_whose_cooldown_lasts_is_left_out_and_counted(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    told: list[int] = []
    for number in (1, 2):
        cooled = replace(event(number), cooldown_s=60.0, cooldown_key="gate")
        outbox.put([cooled], source=SOURCE, committed=lambda n=number: told.append(n))  # type: ignore[misc]  # mypy knows no default of a lambda
    assert told == [2]
    outbox.writer(stopped)
    assert numbers(due(outbox)) == [1]
    assert outbox.suppressed("plant") == 1
    assert outbox.totals()["plant"].emitted == 1


def test_what_the_sink_asks_of_the_transport_goes_with_the_row(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    outbox.put([replace(event(1), options={"retain": True}), event(2)], source=SOURCE)
    outbox.writer(stopped)
    assert [row.options for row in due(outbox)] == ['{"retain": true}', ""]


def test_a_commit_that_fails_tells_nobody_before_it_is_done(
    tmp_path: Path, event: EventOf, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.01)
    outbox, told = Outbox(tmp_path, SystemClock()), threading.Event()
    blocker = sqlite3.connect(outbox._store.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    outbox.put([event()], source=SOURCE, committed=told.set)
    supervisor.start("outbox", outbox.writer)
    assert not outbox.flush(0.2)
    too_early = told.is_set()
    blocker.execute("ROLLBACK")
    blocker.close()
    assert told.wait(10.0)
    assert not too_early
    supervisor.stop(10.0)
    outbox.close()


def test_flush_waits_for_the_commit_and_says_if_there_was_none(
    outbox: Outbox, event: EventOf, supervisor: Supervisor
) -> None:
    outbox.put([event()], source=SOURCE)
    assert not outbox.flush(0.01)
    supervisor.start("outbox", outbox.writer)
    assert outbox.flush(10.0)
    assert len(due(outbox)) == 1


def test_flush_waits_for_events_that_settlements_could_overtake(
    outbox: Outbox, event: EventOf, supervisor: Supervisor
) -> None:
    with sqlite3.connect(outbox._store.path) as other:
        other.execute(
            "CREATE TRIGGER stuck BEFORE INSERT ON outbox WHEN NEW.subject = 'stuck' "
            "BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )
    other.close()
    for n in range(GROUP):
        outbox.put([event(n)], source=SOURCE)
    outbox.put([event(subject="stuck")], source=SOURCE)
    flushed: list[bool] = []
    thread = threading.Thread(target=lambda: flushed.append(outbox.flush(0.5)))
    thread.start()
    while not outbox._hurry:
        assert thread.is_alive()
    for n in range(GROUP):
        outbox.acknowledge([1_000_000 + n])
    supervisor.start("outbox", outbox.writer)
    thread.join(20.0)
    assert flushed == [False]
    with sqlite3.connect(outbox._store.path) as other:
        other.execute("DROP TRIGGER stuck")
    other.close()
    assert outbox.flush(20.0)


def test_flush_does_not_wait_for_a_writer_that_has_ended(
    outbox: Outbox, event: EventOf, clock: ManualClock, stopped: threading.Event
) -> None:
    outbox.writer(stopped)
    outbox.put([event()], source=SOURCE)
    # It would be the test's own time limit that ends this.
    assert not outbox.flush(600.0)


def test_events_share_commits(outbox: Outbox, event: EventOf, stopped: threading.Event) -> None:
    seen = commits(outbox)
    for n in range(500):
        outbox.put([event(n)], source=SOURCE)
    outbox.writer(stopped)
    assert numbers(due(outbox, limit=1000)) == list(range(500))
    assert len(seen) == 3


def test_settlements_share_the_commit_of_events(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    outbox.put([event(n) for n in range(3)], source=SOURCE)
    outbox.writer(stopped)
    seen = commits(outbox)
    for row in due(outbox):
        outbox.acknowledge([row.id])
    outbox.put([event(3)], source=SOURCE)
    outbox.writer(stopped)
    assert len(seen) == 1
    assert outbox.totals()["plant"] == Totals(emitted=4, delivered=3, pending=1)


def test_a_full_queue_says_so_and_still_takes(
    tmp_path: Path, clock: ManualClock, event: EventOf, stopped: threading.Event
) -> None:
    outbox = Outbox(tmp_path / "small", clock, capacity=3)
    outbox.put([event(1), event(2)], source=SOURCE)
    assert outbox.full is False
    outbox.put([event(3), event(4)], source=SOURCE)
    filled = outbox.full
    outbox.writer(stopped)
    assert (filled, outbox.full) == (True, False)
    assert len(due(outbox)) == 4
    outbox.close()


def test_sequences_have_no_gap_over_restarts_and_sources(
    tmp_path: Path, clock: ManualClock, event: EventOf, stopped: threading.Event
) -> None:
    for n in range(3):
        outbox = Outbox(tmp_path, clock)
        outbox.put([event(n), event(n)], source="/box/gate")
        outbox.put([event(n, connection="other")], source="/box/yard")
        outbox.writer(stopped)
        # What is delivered is gone, and its number is not given again.
        outbox.acknowledge([row.id for row in outbox.due("other", clock.now(), 10)][:1])
        outbox.close()
    outbox = Outbox(tmp_path, clock)
    assert sequences(due(outbox)) == [1, 2, 3, 4, 5, 6]
    assert outbox._sequences == {"/box/gate": 6, "/box/yard": 3}
    assert len({row.event_id for row in due(outbox)}) == 6
    outbox.close()


def test_ids_of_rows_are_not_used_again_after_all_have_gone(
    tmp_path: Path, clock: ManualClock, event: EventOf, stopped: threading.Event
) -> None:
    last = 0
    for _ in range(2):
        outbox = Outbox(tmp_path, clock)
        outbox.put([event()], source=SOURCE)
        outbox.writer(stopped)
        [row] = due(outbox)
        assert row.id > last
        last = row.id
        outbox.acknowledge([row.id])
        outbox.close()


def test_an_event_that_cannot_be_sent_loses_only_itself(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    with pytest.raises(UnsendableEvent, match=r"count\.crossed for plant: `data\.n` is of the"):
        outbox.put([event(1), event(object()), event(3)], source=SOURCE)
    outbox.writer(stopped)
    assert numbers(due(outbox)) == [1, 3]
    assert sequences(due(outbox)) == [1, 2]


def test_a_postponed_row_holds_back_all_behind_it(
    outbox: Outbox, event: EventOf, clock: ManualClock, stopped: threading.Event
) -> None:
    outbox.put([event(n) for n in range(4)], source=SOURCE)
    outbox.writer(stopped)
    outbox.postpone([due(outbox)[1].id], clock.now() + 10, "down")
    for _ in ("only handed over", "on disk"):
        assert numbers(due(outbox)) == [0]
        assert numbers(due(outbox, clock.now() + 10)) == [0, 1, 2, 3]
        outbox.writer(stopped)
    assert [row.tries for row in due(outbox, clock.now() + 10)] == [0, 1, 0, 0]


def test_a_clock_set_back_does_not_hold_a_row_for_long(
    outbox: Outbox, event: EventOf, clock: ManualClock, stopped: threading.Event
) -> None:
    outbox.put([event()], source=SOURCE)
    outbox.writer(stopped)
    outbox.postpone([due(outbox)[0].id], clock.now() + 3600, "down")
    outbox.writer(stopped)
    assert due(outbox, clock.now() + 59) == []
    assert len(due(outbox, clock.now() + 60)) == 1
    assert len(due(outbox, clock.now() - 86_400)) == 1


def test_what_is_acknowledged_is_not_given_again_and_counts_once(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    outbox.put([event(n) for n in range(3)], source=SOURCE)
    outbox.writer(stopped)
    first, *_ = due(outbox)
    outbox.acknowledge([first.id])
    assert numbers(due(outbox)) == [1, 2]
    assert outbox.totals()["plant"] == Totals(emitted=3, pending=3)
    outbox.acknowledge([first.id])
    outbox.writer(stopped)
    assert numbers(due(outbox)) == [1, 2]
    assert outbox.totals()["plant"] == Totals(emitted=3, delivered=1, pending=2)


def test_a_buried_row_is_kept_with_its_reason(
    outbox: Outbox, event: EventOf, stopped: threading.Event
) -> None:
    outbox.put([event(n) for n in range(2)], source=SOURCE)
    outbox.writer(stopped)
    outbox.bury([due(outbox)[0].id], "no such table")
    assert numbers(due(outbox)) == [1]
    outbox.writer(stopped)
    assert numbers(due(outbox)) == [1]
    assert outbox.totals()["plant"] == Totals(emitted=2, dead=1, pending=1)
    with sqlite3.connect(outbox._store.path) as read:
        assert read.execute("SELECT last_error FROM outbox WHERE dead = 1").fetchall() == [
            ("no such table",)
        ]
    read.close()


def test_connections_do_not_see_each_other(
    outbox: Outbox, event: EventOf, clock: ManualClock, stopped: threading.Event
) -> None:
    outbox.put([event(1), event(2, connection="other")], source=SOURCE)
    outbox.writer(stopped)
    outbox.postpone([due(outbox)[0].id], clock.now() + 10, "down")
    assert numbers(outbox.due("other", clock.now(), 10)) == [2]
    assert outbox.totals().keys() == {"plant", "other"}


def test_what_comes_after_the_writer_is_written_when_the_outbox_is_closed(
    tmp_path: Path, clock: ManualClock, event: EventOf, stopped: threading.Event
) -> None:
    outbox = Outbox(tmp_path, clock)
    outbox.put([event()], source=SOURCE)
    outbox.writer(stopped)
    outbox.acknowledge([row.id for row in due(outbox)])
    outbox.close()
    again = Outbox(tmp_path, clock)
    assert again.totals()["plant"] == Totals(emitted=1, delivered=1)
    again.close()


def test_a_commit_that_fails_is_tried_again_with_the_same_events(
    tmp_path: Path, event: EventOf, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.01)
    outbox = Outbox(tmp_path, SystemClock())
    blocker = sqlite3.connect(outbox._store.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    outbox.put([event(n) for n in range(3)], source=SOURCE)
    supervisor.start("outbox", outbox.writer)
    assert not outbox.flush(0.3)
    assert "outbox.db cannot be written: database is locked" in outbox.last_error
    blocker.execute("ROLLBACK")
    blocker.close()
    assert outbox.flush(10.0)
    assert outbox.last_error == ""
    assert numbers(due(outbox)) == [0, 1, 2]
    assert sequences(due(outbox)) == [1, 2, 3]
    supervisor.stop(10.0)
    outbox.close()


def test_a_stop_is_not_held_up_by_a_disk_that_does_not_take_it(
    tmp_path: Path,
    clock: ManualClock,
    event: EventOf,
    stopped: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_S", 0.01)
    outbox = Outbox(tmp_path, clock)
    blocker = sqlite3.connect(outbox._store.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    outbox.put([event()], source=SOURCE)
    outbox.writer(stopped)
    assert len(clock.waits) == 2
    assert due(outbox) == []
    # It is still in hand: a later try writes it.
    blocker.close()
    outbox.writer(stopped)
    assert len(due(outbox)) == 1
    outbox.close()


def test_a_writer_that_is_killed_loses_nothing_it_confirmed(tmp_path: Path) -> None:
    program = Path(__file__).with_name("writer_to_be_killed.py")
    state_dir = tmp_path / "state"
    chance = random.Random(7)
    with subprocess.Popen(
        [sys.executable, str(program), str(state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        for _ in range(KILLS):
            killed.stdin.write("again\n")
            killed.stdin.flush()
            pid = int(killed.stdout.readline().removeprefix("pid "))
            confirmed = 0
            for _ in range(chance.randint(1, 12)):
                confirmed = int(killed.stdout.readline())
            os.kill(pid, signal.SIGKILL)
            while (line := killed.stdout.readline()) != "ended\n":
                confirmed = int(line)
            _check(state_dir, confirmed)
        killed.stdin.close()
    totals = _check(state_dir, 0)
    assert totals["sent"].delivered
    assert totals["sent"].dead


def _check(state_dir: Path, confirmed: int) -> dict[str, Totals]:
    """Every confirmed event is there, numbered without a gap, and the counters fit the rows."""
    outbox = Outbox(state_dir, SystemClock())
    kept = outbox.due("kept", SystemClock().now(), 1_000_000)
    assert len(kept) >= confirmed
    assert numbers(kept) == sequences(kept) == list(range(1, len(kept) + 1))
    totals = outbox.totals()
    with outbox._store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        for name, each in totals.items():
            count = "SELECT count(*) FROM outbox WHERE connection = ? AND dead = ?"
            assert connection.exec_driver_sql(count, (name, 0)).scalar_one() == each.pending
            assert connection.exec_driver_sql(count, (name, 1)).scalar_one() == each.dead
            assert each.emitted == each.delivered + each.pending + each.dead
            assert each.emitted == outbox._sequences[f"/box/{name}"]
    outbox.close()
    return totals
