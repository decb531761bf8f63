"""A part of the image to look at."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.data import Image
from blocks.models.region import RegionManifest

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
TRIANGLE = [[0.25, 0.2], [0.5, 0.2], [0.25, 0.6]]


def shown(settings: dict[str, Any], image: Image = IMAGE) -> Image:
    part = RegionManifest.model_validate(settings).part_of(image)
    assert part is not None
    return part


def test_without_a_region_the_image_itself_is_looked_at() -> None:
    assert RegionManifest().part_of(IMAGE) is IMAGE


def test_of_a_region_the_rectangle_round_it_is_cut_out() -> None:
    part = shown({"region": TRIANGLE})
    assert (part.width, part.height, part.offset) == (50, 40, (50.0, 20.0))
    assert part.frame_size == (200, 100)


def test_a_region_may_be_in_pixels() -> None:
    corners = [[10, 20], [30, 20], [30, 50]]
    given = {"region": corners, "units": "pixels"}
    part = shown(given)
    assert (part.width, part.height, part.offset) == (20, 30, (10.0, 20.0))


def test_a_region_in_a_crop_is_where_both_overlap() -> None:
    crop = IMAGE.crop((60, 0, 200, 100))
    part = shown({"region": TRIANGLE}, crop)
    assert (part.width, part.offset) == (40, (60.0, 20.0))


def test_a_region_outside_of_the_frame_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"outside 0\.\.1 of the frame"):
        RegionManifest.model_validate({"region": [[0, 0], [2, 0], [1, 1]]})


# The region reaches from 50 to 100 across and from 20 to 60 down.
@pytest.mark.parametrize(
    "crop",
    [(110, 0, 200, 100), (0, 60, 200, 100), (99, 0, 200, 100), (0, 0, 200, 21), (0, 0, 9, 9)],
)
def test_where_an_image_shows_nothing_of_the_region_or_a_sliver_there_is_no_part(crop: Any) -> None:
    assert RegionManifest.model_validate({"region": TRIANGLE}).part_of(IMAGE.crop(crop)) is None


def test_two_pixels_are_a_part() -> None:
    part = shown({"region": TRIANGLE}, IMAGE.crop((98, 58, 200, 100)))
    assert (part.width, part.height, part.offset) == (2, 2, (98.0, 58.0))


def test_an_image_of_one_row_of_pixels_is_no_part() -> None:
    assert RegionManifest().part_of(IMAGE.crop((10, 10, 60, 11))) is None
    assert RegionManifest().part_of(IMAGE.crop((10, 10, 60, 12))) is not None


def test_a_region_of_decoder_planes_begins_with_a_whole_pixel_of_colour() -> None:
    y, half = np.zeros((100, 200), np.uint8), np.zeros((50, 100), np.uint8)
    given = {"region": [[11, 21], [31, 21], [31, 50]], "units": "pixels"}
    part = shown(given, Image((y, half, half), "yuv420p"))
    assert (part.width, part.height, part.offset) == (21, 30, (10.0, 20.0))
    assert part.pixel_format == "yuv420p"
