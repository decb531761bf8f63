from collections.abc import Callable

import pytest
from pydantic import ValidationError

from blocks.block import Origin
from blocks.data import Frame
from blocks.sinks.sink import SinkManifest

FrameAt = Callable[[float], Frame]


def test_an_event_has_no_cooldown_unless_it_is_said(frame_at: FrameAt, origin: Origin) -> None:
    sink = SinkManifest(connection="plant")
    event = sink.event(frame_at(1.0), origin, event_type="t", subject="s", data={})
    assert (event.cooldown_s, event.cooldown_key) == (0.0, "")


def test_a_cooldown_is_one_of_its_step_and_of_what_the_key_names(
    frame_at: FrameAt, origin: Origin
) -> None:
    sink = SinkManifest(connection="plant", cooldown_s=30, cooldown_key="{camera}:{label}")
    data = {"label": "truck"}
    event = sink.event(frame_at(1.0), origin, event_type="t", subject="s", data=data)
    assert event.cooldown_s == 30.0
    assert event.cooldown_key == f"{origin.pipeline}/{origin.step}/{origin.camera}:truck"


@pytest.mark.parametrize("seconds", [-1, 604_801])
def test_a_cooldown_lasts_a_week_at_most(seconds: float) -> None:
    with pytest.raises(ValidationError, match="cooldown_s"):
        SinkManifest(connection="plant", cooldown_s=seconds)
