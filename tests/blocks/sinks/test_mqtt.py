from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Event, Frame, Moment
from blocks.sinks.mqtt import MqttManifest, MqttSink

FrameAt = Callable[[float], Frame]


def test_a_message_goes_to_its_topic(frame_at: FrameAt, origin: Origin) -> None:
    sink = MqttSink(MqttManifest(connection="plant", topic="site/{camera}/{label}"), origin)
    assert sink.run(frame_at(2.0), {"label": "person"}) == Event(
        connection="plant",
        type="gate-count.out",
        subject="site/gate/person",
        time=1.7e9 + 2.0,
        data={"label": "person"},
    )


def test_names_cannot_change_the_levels_of_a_topic(frame_at: FrameAt, origin: Origin) -> None:
    manifest = MqttManifest(connection="plant", topic="site/{camera}/{label}")
    sink = MqttSink(manifest, replace(origin, camera="yard/#1"))
    event = sink.run(frame_at(0.0), {"label": "tool+/drill\n"})
    assert event.subject == "site/yard__1/tool__drill_"


@pytest.mark.parametrize(
    ("topic", "sentence"),
    [
        ("", "the topic is empty"),
        ("site/+/gate", "has no wildcards"),
        ("site/#", "has no wildcards"),
        ("site\n", "no control characters"),
        ("$SYS/gate", "belong to the broker"),
        ("site/{camra}", r"\{camra\} is not a place in a text"),
    ],
)
def test_a_topic_that_nobody_may_publish_to_is_refused(topic: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        MqttManifest(connection="plant", topic=topic)


def test_no_frame_is_needed(origin: Origin) -> None:
    sink = MqttSink(MqttManifest(connection="plant", topic="gate"), origin)
    event = sink.run(Moment("gate", 2.0, 1.7e9, "unsynchronised"), {"total": 3})
    assert (event.time, event.clock, event.data) == (1.7e9, "unsynchronised", {"total": 3})


def test_how_it_is_sent_goes_with_the_event_where_it_is_not_as_usual(
    frame_at: FrameAt, origin: Origin
) -> None:
    usual = MqttSink(MqttManifest(connection="plant", topic="t"), origin)
    assert usual.run(frame_at(0.0), {}).options == {}
    manifest = MqttManifest(connection="plant", topic="t", qos=0, retain=True, expire_s=60)
    event = MqttSink(manifest, origin).run(frame_at(0.0), {})
    assert event.options == {"qos": 0, "retain": True, "expire_s": 60.0}
