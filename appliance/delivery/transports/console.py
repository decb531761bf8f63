"""Events as lines on the standard output, for trying out a workflow."""

import json
import sys
from collections.abc import Sequence

from appliance.clock import Clock
from appliance.delivery.envelope import Row, rfc3339
from appliance.delivery.transports.transport import ConnectionSettings, Outcome, Unavailable


class ConsoleTransport:
    """One line for each event: time, type, subject, data."""

    def __init__(self, settings: ConnectionSettings, _clock: Clock) -> None:
        self._name = settings.name

    def open(self) -> None:
        """Nothing to open."""

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Write the lines, and see that they have left this process."""
        try:
            for row in batch:
                sys.stdout.write(_line(row))
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._name}: the standard output is closed: {error}") from error
        return [None] * len(batch)

    def idle(self) -> None:
        """Nothing to keep alive."""

    def close(self) -> None:
        """Nothing to close."""


def _line(row: Row) -> str:
    data = json.dumps(json.loads(row.body)["data"], ensure_ascii=False, separators=(",", ":"))
    text = " ".join(part for part in (rfc3339(row.time), row.type, row.subject, data) if part)
    # A label must not move the cursor of the terminal it is read on.
    return "".join(c if c.isprintable() else "?" for c in text) + "\n"
