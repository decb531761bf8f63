from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.data import Detections, Frame
from blocks.zones.zone_count import ZoneCount, ZoneCountManifest

FrameAt = Callable[[float], Frame]
LEFT_HALF = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]

# In a frame of 640 x 480: feet in the left half, feet in the right half, and one across.
PEOPLE = Detections.of(
    [[100, 100, 140, 200], [400, 100, 440, 200], [290, 100, 330, 200]],
    tracker_id=[1, -1, 3],
    label=["person"] * 3,
)


def zone(**settings: Any) -> ZoneCount:
    return ZoneCount(ZoneCountManifest.model_validate({"zone": LEFT_HALF, **settings}))


def test_those_whose_feet_are_inside_count(frame_at: FrameAt) -> None:
    answer = zone().run(frame_at(0.0), PEOPLE)
    assert answer.count == 2
    assert answer.detections.tracker_id.tolist() == [1, 3]


def test_the_anchor_decides_who_is_inside(frame_at: FrameAt) -> None:
    answer = zone(anchor="right_center").run(frame_at(0.0), PEOPLE)
    assert answer.detections.tracker_id.tolist() == [1]


def test_who_is_not_tracked_counts_too(frame_at: FrameAt) -> None:
    right_half = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    assert zone(zone=right_half).run(frame_at(0.0), PEOPLE).count == 1


def test_corners_may_be_pixels(frame_at: FrameAt) -> None:
    corners = [[90, 190], [150, 190], [150, 210], [90, 210]]
    assert zone(zone=corners, units="pixels").run(frame_at(0.0), PEOPLE).count == 1


def test_of_nobody_nobody_is_inside(frame_at: FrameAt) -> None:
    answer = zone().run(frame_at(0.0), Detections.empty())
    assert (answer.count, len(answer.detections)) == (0, 0)


def test_a_zone_that_crosses_itself_is_refused() -> None:
    with pytest.raises(ValidationError, match="the zone crosses itself"):
        zone(zone=[[0, 0], [1, 1], [1, 0], [0, 1]])
