"""Rows of a table of one's own in a database."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from blocks.block import Origin, block
from blocks.data import Event, Moment
from blocks.sinks.sink import SinkManifest

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


class SqlManifest(SinkManifest):
    """The database and its table."""

    table: TableName = Field(
        description="The table; it is made from the first row if it is not there. A letter, then "
        "letters, digits and `_`."
    )


@block("sql@1", SqlManifest)
class SqlSink:
    """Writes a row into a table of a database.

    The data are its columns, with `event_id` and `time` beside them.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: tracks
          type: byte_track@1
          detections: $steps.people.detections
        - name: gate
          type: line_count@1
          detections: $steps.tracks.detections
          line: [[0.1, 0.6], [0.9, 0.6]]
        - name: history
          type: sql@1
          when: steps.gate.crossed_in + steps.gate.crossed_out > 0
          connection: history
          table: crossings
          data: {total_in: $steps.gate.total_in, total_out: $steps.gate.total_out}
    """

    def __init__(self, manifest: SqlManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._origin = origin

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event:
        """`data` is column by column; lists and maps become JSON text."""
        return self._manifest.event(
            moment,
            self._origin,
            event_type=ROW_TYPE,
            subject=self._manifest.table,
            data=data,
        )
