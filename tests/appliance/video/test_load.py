"""What pacing is told of a camera."""

import math

import pytest

from appliance.video.levels import ALL, KEYS, Structure
from appliance.video.load import CameraLoad, usable_rate


@pytest.mark.parametrize(
    ("taken", "missed", "usable"), [(10.0, 0.0, math.inf), (10.0, 5.0, 10.0), (0.0, 0.0, math.inf)]
)
def test_what_a_lane_can_use_is_known_where_it_leaves_frames_out(
    taken: float, missed: float, usable: float
) -> None:
    assert usable_rate(taken, missed) == usable


def test_what_all_would_cost_follows_from_what_the_keys_cost() -> None:
    structure = Structure(50.0, key_cost=4.0)
    keys = CameraLoad("gate", 1.0, 25.0, structure, KEYS, 0.008, 0.0)

    # One of 50 units takes 8 ms, the others 2 ms.
    assert keys.full_cost_s == pytest.approx((0.008 + 49 * 0.002) / 50)
    assert structure.share_of_cost(ALL) == 1.0


def test_a_camera_of_little_weight_is_starved_at_less() -> None:
    structure = Structure(25.0)
    load = CameraLoad("gate", 0.1, 25.0, structure, ALL, 0.002, 0.0, wanted_rate=0.5)

    assert load.starved(0.1)
    assert not load.starved(1.0)
