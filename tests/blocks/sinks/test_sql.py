from collections.abc import Callable

import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Event, Frame, Moment
from blocks.sinks.sql import ROW_TYPE, SqlManifest, SqlSink

FrameAt = Callable[[float], Frame]


def test_a_row_names_its_table(frame_at: FrameAt, origin: Origin) -> None:
    sink = SqlSink(SqlManifest(connection="history", table="crossings"), origin)
    assert sink.run(frame_at(2.0), {"total": 3}) == Event(
        connection="history",
        type=ROW_TYPE,
        subject="crossings",
        time=1.7e9 + 2.0,
        data={"total": 3},
    )


@pytest.mark.parametrize("table", ["", "1st", "a b", 'a"; DROP TABLE x', "x" * 64, "größe"])
def test_a_table_name_that_is_none_is_refused(table: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        SqlManifest(connection="history", table=table)


@pytest.mark.parametrize("table", ["events", "Events", "sqlite_master"])
def test_a_table_that_belongs_to_somebody_else_is_refused(table: str) -> None:
    with pytest.raises(ValidationError, match="is taken; choose another"):
        SqlManifest(connection="history", table=table)


def test_no_frame_is_needed(origin: Origin) -> None:
    sink = SqlSink(SqlManifest(connection="history", table="crossings"), origin)
    event = sink.run(Moment("gate", 2.0, 1.7e9, "unsynchronised"), {"total": 3})
    assert (event.time, event.clock, event.data) == (1.7e9, "unsynchronised", {"total": 3})
