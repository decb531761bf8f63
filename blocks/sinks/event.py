"""An event for any outside system: a topic, a row, a line, whatever it takes."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from blocks.block import Origin, Template, block
from blocks.data import Event, Moment
from blocks.sinks.sink import SinkManifest


class EventManifest(SinkManifest):
    """Where it goes, and what it is called."""

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
        - name: crossed
          type: event@1
          when: steps.gate.crossed_in > 0
          connection: site
          event_type: gate.entered
          data: {total: $steps.gate.total_in, at: $frame.captured_at}
    """

    def __init__(self, manifest: EventManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._origin = origin

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event:
        """`data` is what the event says; a `label` in it may be named in the type."""
        label = str(data.get("label", ""))
        return self._manifest.event(
            moment,
            self._origin,
            event_type=self._origin.fill(self._manifest.event_type, label=label),
            subject=self._origin.fill("{camera}/{step}"),
            data=data,
        )
