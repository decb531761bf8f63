import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.data import Detections, Image
from blocks.images.crop import Crop, CropManifest, Crops

PIXELS = np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8)
IMAGE = Image.from_bgr(PIXELS)


def crops(boxes: list[list[float]], image: Image = IMAGE, **settings: float) -> Crops:
    found = Detections.of(boxes, label=[f"box {i}" for i in range(len(boxes))])
    return Crop(CropManifest(**settings)).run(image, found)


def labels(answer: Crops) -> list[str]:
    return [str(row.label[0]) for row in answer.detections]


def test_each_box_is_cut_out() -> None:
    answer = crops([[10, 20, 30, 50], [0, 0, 5, 4]])
    assert len(answer.images) == 2
    np.testing.assert_array_equal(answer.images[0].bgr, PIXELS[20:50, 10:30])
    np.testing.assert_array_equal(answer.images[1].bgr, PIXELS[0:4, 0:5])
    assert answer.images[0].offset == (10.0, 20.0)


def test_a_crop_and_its_row_stand_in_the_same_place() -> None:
    answer = crops([[10, 20, 30, 50], [200, 0, 300, 10], [0, 0, 40, 40]])
    assert labels(answer) == ["box 0", "box 2"]
    assert [len(row) for row in answer.detections] == [1, 1]
    assert [image.offset for image in answer.images] == [(10, 20), (0, 0)]
    assert answer.detections[1].xyxy.tolist() == [[0, 0, 40, 40]]


def test_padding_is_added_on_each_side_and_ends_at_the_edge() -> None:
    answer = crops([[10, 20, 30, 50], [0, 0, 10, 10]], padding=0.1)
    assert (answer.images[0].offset, answer.images[0].width) == ((8, 17), 24)
    assert answer.images[0].height == 36
    assert (answer.images[1].offset, answer.images[1].width) == ((0, 0), 11)


def test_the_row_is_that_of_the_box_without_its_padding() -> None:
    assert crops([[10, 20, 30, 50]], padding=0.5).detections[0].xyxy.tolist() == [[10, 20, 30, 50]]


def test_what_is_too_small_is_left_out_by_the_part_that_is_seen() -> None:
    boxes: list[list[float]] = [[0, 0, 20, 19], [0, 0, 20, 20], [90, 0, 200, 40]]
    assert labels(crops(boxes, min_size=20)) == ["box 1"]
    assert labels(crops(boxes, min_size=20, padding=1.0)) == ["box 1"]
    assert labels(crops(boxes)) == ["box 0", "box 1", "box 2"]


@pytest.mark.parametrize(
    "box",
    [
        [np.nan, 0, 10, 10],
        [0, 0, np.inf, 10],
        [100, 0, 120, 10],
        [-20, 0, 0, 10],
        [5, 5, 5, 20],
        [20, 20, 10, 30],
    ],
)
def test_a_box_of_which_nothing_is_in_the_image_is_left_out(box: list[float]) -> None:
    assert crops([box]) == Crops((), ())


def test_without_boxes_there_are_no_crops() -> None:
    assert Crop(CropManifest()).run(IMAGE, Detections.empty()) == Crops((), ())


def test_a_crop_of_a_crop_knows_its_place_in_the_frame() -> None:
    outer = crops([[20, 10, 80, 50]]).images[0]
    answer = crops([[30, 20, 50, 40], [0, 0, 15, 15]], outer)
    assert labels(answer) == ["box 0"]
    assert answer.images[0].offset == (30.0, 20.0)
    np.testing.assert_array_equal(answer.images[0].bgr, PIXELS[20:40, 30:50])


def test_the_smallest_size_counts_pixels_of_the_frame_also_in_an_image_made_smaller() -> None:
    half = Image((PIXELS[:30, :50],), scale=(2.0, 2.0), frame_size=(100, 60))
    assert labels(crops([[60, 30, 100, 60]], half, min_size=30)) == ["box 0"]
    assert labels(crops([[60, 30, 100, 60]], half, min_size=31)) == []


numbers = st.floats(-200, 200, width=32)


@given(st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=5), st.floats(0, 10))
def test_there_is_a_picture_for_each_row_whatever_the_boxes(
    boxes: list[list[float]], padding: float
) -> None:
    answer = crops(boxes, padding=padding)
    assert len(answer.images) == len(answer.detections)
    assert all(image.width >= 1 and image.height >= 1 for image in answer.images)


def test_negative_padding_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        CropManifest(padding=-0.1)
