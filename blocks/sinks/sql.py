"""Rows of a table of one's own in a database."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from blocks.block import ConnectionName, Manifest, block
from blocks.data import Event, Frame

ROW_TYPE = "sql.row"
"""The type of events whose subject is a table and whose data are its columns."""

EVENTS_TABLE = "events"
"""The table of all other events: its columns are fixed."""


def _free(table: str) -> str:
    if table.lower() == EVENTS_TABLE or table.lower().startswith("sqlite_"):
        raise ValueError(f"the table name {table!r} is taken; choose another")
    return table


TableName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    AfterValidator(_free),
]


class SqlManifest(Manifest):
    """The database and its table."""

    connection: ConnectionName = Field(description="The database it goes to.")
    table: TableName = Field(
        description="The table; it is made from the first row if it is not there. A letter, then "
        "letters, digits and `_`."
    )


@block("sql@1", SqlManifest)
class SqlSink:
    """Writes a row into a table of a database.

    The data are its columns, with `event_id` and `time` beside them.
    """

    def __init__(self, manifest: SqlManifest) -> None:
        self._manifest = manifest

    def run(self, frame: Frame, data: Mapping[str, Any]) -> Event:
        """`data` is column by column; lists and maps become JSON text."""
        return Event(
            connection=self._manifest.connection,
            type=ROW_TYPE,
            subject=self._manifest.table,
            time=frame.captured_at,
            data=data,
            clock=frame.clock,
        )
