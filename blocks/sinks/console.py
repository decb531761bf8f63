"""Lines on the standard output, for trying out a workflow."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field

from blocks.block import ConnectionName, Origin, Template, block
from blocks.data import Event, Moment
from blocks.sinks.sink import SinkManifest

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class ConsoleManifest(SinkManifest):
    """What the line says."""

    # There is always one of this name; nobody has to configure it.
    connection: ConnectionName = Field(default="console", description="The console it goes to.")
    text: Template = Field(
        default="{camera}",
        description="The text of the line; may name {camera} {pipeline} {workflow} {step} {label}.",
    )


@block("console@1", ConsoleManifest)
class ConsoleSink:
    """Prints a line: time, workflow and step, the text, the data."""

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: seen
          type: console@1
          when: size(steps.people.detections) > 0
          text: somebody at {camera}
          data: {people: $steps.people.detections}
    """

    def __init__(self, manifest: ConsoleManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._origin = origin

    def run(self, moment: Moment, data: Mapping[str, Any] = _NOTHING) -> Event:
        """`data` is printed after the text; a `label` in it may be named in the text."""
        return self._manifest.event(
            moment,
            self._origin,
            event_type=self._origin.fill("{workflow}.{step}"),
            subject=self._origin.fill(self._manifest.text, label=str(data.get("label", ""))),
            data=data,
        )
