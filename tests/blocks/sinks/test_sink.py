from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Frame, Image
from blocks.sinks.sink import SinkManifest

FrameAt = Callable[[float], Frame]


def test_an_event_is_normal_and_has_no_cooldown_unless_it_is_said(
    frame_at: FrameAt, origin: Origin
) -> None:
    sink = SinkManifest(connection="plant")
    event = sink.event(frame_at(1.0), origin, event_type="t", subject="s", data={})
    assert (event.priority, event.cooldown_s, event.cooldown_key) == ("normal", 0.0, "")
    assert event.picture is None


def test_a_cooldown_is_one_of_its_step_and_of_what_the_key_names(
    frame_at: FrameAt, origin: Origin
) -> None:
    sink = SinkManifest(connection="plant", cooldown_s=30, cooldown_key="{camera}:{label}")
    data = {"label": "truck"}
    event = sink.event(frame_at(1.0), origin, event_type="t", subject="s", data=data)
    assert event.cooldown_s == 30.0
    assert event.cooldown_key == f"{origin.pipeline}/{origin.step}/{origin.camera}:truck"


def test_priority_and_picture_go_with_the_event(frame_at: FrameAt, origin: Origin) -> None:
    picture = Image((np.zeros((4, 4, 3), np.uint8),))
    sink = SinkManifest(connection="plant", priority="alarm")
    event = sink.event(frame_at(1.0), origin, event_type="t", subject="s", data={}, picture=picture)
    assert event.priority == "alarm"
    assert event.picture is picture


@pytest.mark.parametrize("seconds", [-1, 604_801])
def test_a_cooldown_lasts_a_week_at_most(seconds: float) -> None:
    with pytest.raises(ValidationError, match="cooldown_s"):
        SinkManifest(connection="plant", cooldown_s=seconds)


def test_a_priority_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="'alarm', 'normal' or 'telemetry'"):
        SinkManifest.model_validate({"connection": "plant", "priority": "high"})
