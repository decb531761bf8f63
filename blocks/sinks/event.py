"""An event for any outside system: a topic, a row, a line, whatever it takes."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from blocks.block import ConnectionName, Manifest, Origin, Template, block
from blocks.data import Event, Frame


class EventManifest(Manifest):
    """Where it goes, and what it is called."""

    connection: ConnectionName = Field(description="The outside system it goes to.")
    event_type: Template = Field(
        default="{workflow}.{step}",
        min_length=1,
        description="What kind of event it is; may name {camera} {pipeline} {workflow} {step} "
        "{label}.",
    )


@block("event@1", EventManifest)
class EventSink:
    """Sends an event about a camera and a step to any outside system.

    In a database it is a row of the table `events`.
    """

    def __init__(self, manifest: EventManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._origin = origin

    def run(self, frame: Frame, data: Mapping[str, Any]) -> Event:
        """`data` is what the event says; a `label` in it may be named in the type."""
        label = str(data.get("label", ""))
        return Event(
            connection=self._manifest.connection,
            type=self._origin.fill(self._manifest.event_type, label=label),
            subject=self._origin.fill("{camera}/{step}"),
            time=frame.captured_at,
            data=data,
            clock=frame.clock,
        )
