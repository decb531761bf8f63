"""A part of the image to look at."""

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.data import Image
from blocks.models.region import RegionManifest

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
TRIANGLE = [[0.25, 0.2], [0.5, 0.2], [0.25, 0.6]]


def test_without_a_region_the_image_itself_is_looked_at() -> None:
    assert RegionManifest().part_of(IMAGE) is IMAGE


def test_of_a_region_the_rectangle_round_it_is_cut_out() -> None:
    part = RegionManifest.model_validate({"region": TRIANGLE}).part_of(IMAGE)
    assert (part.width, part.height, part.offset) == (50, 40, (50.0, 20.0))
    assert part.frame_size == (200, 100)


def test_a_region_may_be_in_pixels() -> None:
    corners = [[10, 20], [30, 20], [30, 50]]
    given = {"region": corners, "units": "pixels"}
    part = RegionManifest.model_validate(given).part_of(IMAGE)
    assert (part.width, part.height, part.offset) == (20, 30, (10.0, 20.0))


def test_a_region_in_a_crop_is_where_both_overlap() -> None:
    crop = IMAGE.crop((60, 0, 200, 100))
    part = RegionManifest.model_validate({"region": TRIANGLE}).part_of(crop)
    assert (part.width, part.offset) == (40, (60.0, 20.0))


def test_a_region_outside_of_the_frame_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"outside 0\.\.1 of the frame"):
        RegionManifest.model_validate({"region": [[0, 0], [2, 0], [1, 1]]})
