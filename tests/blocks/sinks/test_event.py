from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Event, Frame, Moment
from blocks.sinks.event import EventManifest, EventSink

FrameAt = Callable[[float], Frame]


def test_an_event_names_its_workflow_step_and_camera(frame_at: FrameAt, origin: Origin) -> None:
    sink = EventSink(EventManifest(connection="plant"), origin)
    assert sink.run(frame_at(2.0), {"total": 3}) == Event(
        connection="plant",
        type="gate-count.out",
        subject="gate/out",
        time=1.7e9 + 2.0,
        data={"total": 3},
    )


def test_the_type_may_name_the_label(frame_at: FrameAt, origin: Origin) -> None:
    sink = EventSink(EventManifest(connection="plant", event_type="seen.{label}"), origin)
    assert sink.run(frame_at(0.0), {"label": "person"}).type == "seen.person"


def test_a_clock_that_is_not_synchronised_is_passed_on(frame_at: FrameAt, origin: Origin) -> None:
    frame = replace(frame_at(0.0), clock="unsynchronised")
    sink = EventSink(EventManifest(connection="plant"), origin)
    assert sink.run(frame, {}).clock == "unsynchronised"


def test_a_type_with_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"\{lable\} is not a place in a text"):
        EventManifest(connection="plant", event_type="seen.{lable}")


def test_an_empty_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        EventManifest(connection="plant", event_type="")


def test_no_frame_is_needed(origin: Origin) -> None:
    sink = EventSink(EventManifest(connection="plant"), origin)
    event = sink.run(Moment("gate", 2.0, 1.7e9, "unsynchronised"), {"total": 3})
    assert (event.time, event.clock, event.data) == (1.7e9, "unsynchronised", {"total": 3})
