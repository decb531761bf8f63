"""Messages on an MQTT topic."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from blocks.block import Origin, Template, block
from blocks.data import Event, Moment
from blocks.sinks.sink import SinkManifest

MONTH_S = 31 * 24 * 3600.0
# What has a meaning of its own in a topic, or none (MQTT 5, sections 1.5.4 and 4.7).
_RESERVED = re.compile(r"[+#/\x00-\x1f\x7f-\x9f]")


def _publishable(topic: str) -> str:
    if not topic:
        raise ValueError("the topic is empty")
    if "+" in topic or "#" in topic:
        raise ValueError("a topic to publish to has no wildcards: take out `+` and `#`")
    if not topic.isprintable():
        raise ValueError("a topic has no control characters")
    if topic.startswith("$"):
        raise ValueError("topics that begin with `$` belong to the broker")
    return topic


class MqttManifest(SinkManifest):
    """The broker and the topic."""

    topic: Annotated[Template, AfterValidator(_publishable)] = Field(
        description="The topic; may name {camera} {pipeline} {workflow} {step} {label}, in which "
        "`+`, `#` and `/` become `_`."
    )
    qos: int = Field(
        default=1,
        ge=0,
        le=1,
        description="1: the broker acknowledges it; 0: it may be lost on the way.",
    )
    retain: bool = Field(
        default=False, description="The broker keeps the last message for who subscribes later."
    )
    expire_s: float | None = Field(
        default=None,
        gt=0,
        le=MONTH_S,
        description="After so many seconds the broker (MQTT 5) no longer hands it on; left out: "
        "never.",
    )


@block("mqtt@1", MqttManifest)
class MqttSink:
    """Publishes a message on an MQTT topic, acknowledged by the broker (QoS 1) unless `qos: 0`."""

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
          type: mqtt@1
          when: steps.gate.crossed_in > 0
          connection: plant
          topic: site/{camera}/gate
          data: {total: $steps.gate.total_in, at: $frame.captured_at}
    """

    def __init__(self, manifest: MqttManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._type = origin.fill("{workflow}.{step}")
        names = (origin.workflow, origin.pipeline, origin.camera, origin.step)
        self._topic_names = Origin(*(_RESERVED.sub("_", name) for name in names))
        self._origin = origin
        asked = {"qos": manifest.qos, "retain": manifest.retain, "expire_s": manifest.expire_s}
        usual = {"qos": 1, "retain": False, "expire_s": None}
        self._options = {k: v for k, v in asked.items() if v is not None and v != usual[k]}

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event:
        """`data` is what the message says; a `label` in it may be named in the topic."""
        label = _RESERVED.sub("_", str(data.get("label", "")))
        return self._manifest.event(
            moment,
            self._origin,
            event_type=self._type,
            subject=self._topic_names.fill(self._manifest.topic, label=label),
            data=data,
            options=self._options,
        )
