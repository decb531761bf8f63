import itertools
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.data import Columns, Detections, Event, Frame, Image, Matrix, Moment, Pixels

RNG = np.random.default_rng(5)


def noise(height: int, width: int) -> Pixels:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def planes_of(y: int, u: int, v: int, height: int = 6, width: int = 8) -> tuple[Pixels, ...]:
    half = ((height + 1) // 2, (width + 1) // 2)
    return (
        np.full((height, width), y, np.uint8),
        np.full(half, u, np.uint8),
        np.full(half, v, np.uint8),
    )


# What the ITU recommendations give for pure red: BT.601-7 table 3 and BT.709-6 item 3.
REDS: list[tuple[Matrix, bool, tuple[int, int, int]]] = [
    ("bt601", False, (81, 90, 240)),
    ("bt601", True, (76, 85, 255)),
    ("bt709", False, (63, 102, 240)),
    ("bt709", True, (54, 99, 255)),
]


@pytest.mark.parametrize(("matrix", "full_range", "yuv"), REDS)
@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7)])
def test_red_is_red_in_each_matrix_and_range(
    matrix: Matrix, full_range: bool, yuv: tuple[int, int, int], height: int, width: int
) -> None:
    image = Image(planes_of(*yuv, height, width), "yuv420p", matrix, full_range)
    assert (image.width, image.height) == (width, height)
    assert image.bgr.shape == (height, width, 3)
    np.testing.assert_allclose(image.bgr[0, 0], (0, 0, 255), atol=3)
    np.testing.assert_allclose(image.rgb(3, 3)[1, 1], (255, 0, 0), atol=3)


@pytest.mark.parametrize(("matrix", "full_range", "yuv"), REDS)
def test_grey_needs_no_colour(matrix: Matrix, full_range: bool, yuv: Any) -> None:
    black, white = ((0, 255) if full_range else (16, 235)), (0, 255)
    for luma, grey in zip(black, white, strict=True):
        image = Image(planes_of(luma, 128, 128), "yuv420p", matrix, full_range)
        np.testing.assert_allclose(image.bgr[2, 3], (grey,) * 3, atol=1)


def test_resized_pixels_are_red_first_and_of_the_size_asked_for() -> None:
    image = Image.from_bgr(np.full((10, 20, 3), (1, 2, 3), np.uint8))
    assert image.rgb(5, 4).shape == (4, 5, 3)
    assert image.rgb(5, 4)[0, 0].tolist() == [3, 2, 1]


def test_luma_keeps_the_proportions() -> None:
    image = Image.from_bgr(noise(90, 160))
    assert image.luma(45).shape == (45, 80)
    assert Image(planes_of(77, 128, 128, 90, 160), "yuv420p").luma(9).tolist() == [[77] * 16] * 9


def test_what_was_made_once_is_kept() -> None:
    image = Image(planes_of(81, 90, 240), "yuv420p")
    assert image.bgr is image.bgr
    assert image.rgb(4, 4) is image.rgb(4, 4)
    assert image.rgb(4, 4) is not image.rgb(4, 2)


def test_a_changed_image_keeps_nothing_of_the_old_one() -> None:
    image = Image(planes_of(81, 90, 240), "yuv420p")
    assert image.bgr[0, 0, 2] > 250
    assert replace(image, planes=planes_of(16, 128, 128)).bgr[0, 0, 2] == 0


def test_pixels_cannot_be_written() -> None:
    given = noise(4, 4)
    image = Image.from_bgr(given)
    for pixels in (image.planes[0], image.bgr, image.rgb(2, 2), image.luma(2)):
        with pytest.raises(ValueError, match="read-only"):
            pixels[0, 0] = 0
    given[0, 0] = 7  # the giver's own array stays as he had it
    with pytest.raises(FrozenInstanceError):
        image.full_range = True  # type: ignore[misc]  # that it is refused is what is tested


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_array_that_is_no_picture_is_refused(pixels: Any) -> None:
    with pytest.raises(ValueError, match=r"an image is an array of \(height, width, 3\) of uint8"):
        Image.from_bgr(pixels)


corners = st.floats(-50, 150, allow_nan=False)


@given(corners, corners, corners, corners)
def test_a_crop_lies_in_the_image_and_is_never_empty(
    x1: float, y1: float, x2: float, y2: float
) -> None:
    image = Image.from_bgr(noise(60, 100))
    crop = image.crop((x1, y1, x2, y2))
    (left, top), (right, bottom) = crop.offset, np.add(crop.offset, (crop.width, crop.height))
    assert crop.width >= 1
    assert crop.height >= 1
    assert left >= 0
    assert top >= 0
    assert right <= 100
    assert bottom <= 60
    assert crop.frame_size == (100, 60)
    np.testing.assert_array_equal(
        crop.bgr, image.bgr[int(top) : int(bottom), int(left) : int(right)]
    )


def padded(height: int, width: int) -> tuple[Pixels, ...]:
    """Planes whose rows lie apart, as those of a decoder do."""
    half = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), half, half)
    return tuple(
        RNG.integers(0, 256, (high, wide + 32), dtype=np.uint8)[:, :wide] for high, wide in sizes
    )


@pytest.mark.parametrize(("matrix", "full_range"), [(m, full) for m, full, _ in REDS])
@pytest.mark.parametrize(("height", "width"), [(40, 60), (41, 60), (40, 61), (41, 61)])
def test_a_crop_of_decoder_planes_has_the_pixels_of_the_whole(
    matrix: Matrix, full_range: bool, height: int, width: int
) -> None:
    planes = padded(height, width)
    image = Image(planes, "yuv420p", matrix, full_range)
    whole = Image(planes, "yuv420p", matrix, full_range).bgr
    for x1, y1 in itertools.product((10, 11), (20, 21)):
        for x2, y2 in itertools.product((30, 31, width), (32, 33, height)):
            crop = image.crop((x1, y1, x2, y2))
            assert (crop.width, crop.height, crop.offset) == (x2 - x1, y2 - y1, (x1, y1))
            np.testing.assert_array_equal(crop.bgr, whole[y1:y2, x1:x2])


@pytest.mark.parametrize(("x", "y"), [(10, 20), (11, 20), (10, 21), (11, 21)])
def test_a_crop_of_decoder_planes_converts_nothing_outside_of_it(x: int, y: int) -> None:
    image = Image(planes_of(81, 90, 240, 480, 640), "yuv420p")
    crop = image.crop((x, y, x + 8, y + 6))
    assert not image._made
    assert crop.pixel_format == ("yuv420p" if (x, y) == (10, 20) else "bgr24")
    assert all(np.shares_memory(a, b) for a, b in zip(crop.planes, image.planes, strict=True)) == (
        (x, y) == (10, 20)
    )
    np.testing.assert_allclose(crop.rgb(4, 3)[1, 1], (255, 0, 0), atol=3)


def test_a_crop_of_a_crop_of_planes_keeps_matrix_range_and_place() -> None:
    image = Image(padded(60, 80), "yuv420p", "bt709", True)
    inner = image.crop((10, 8, 70, 50)).crop((14, 20, 33, 41))
    assert (inner.pixel_format, inner.matrix, inner.full_range) == ("yuv420p", "bt709", True)
    assert (inner.offset, inner.frame_size) == ((14.0, 20.0), (80, 60))
    np.testing.assert_array_equal(inner.bgr, image.bgr[20:41, 14:33])


def test_a_crop_of_one_pixel_of_planes_is_that_pixel() -> None:
    image = Image(padded(7, 9), "yuv420p", "bt709")
    for x, y in itertools.product(range(9), range(7)):
        crop = image.crop((x, y, x + 1, y + 1))
        np.testing.assert_array_equal(crop.bgr[0, 0], image.bgr[y, x])
        assert crop.rgb(2, 2).shape == (2, 2, 3)


def test_boxes_found_in_a_crop_of_a_crop_lie_in_the_frame() -> None:
    frame = noise(60, 100)
    outer = Image.from_bgr(frame).crop((10, 20, 60, 50))
    inner = outer.crop((15, 25, 35, 45))  # given in the frame's pixels, as all boxes are
    assert inner.offset == (15.0, 25.0)
    np.testing.assert_array_equal(inner.bgr, frame[25:45, 15:35])
    assert inner.to_frame(np.array([[1, 2, 3, 4]], np.float32)).tolist() == [[16, 27, 18, 29]]


def test_an_enlarged_image_places_its_boxes_by_its_scale() -> None:
    half = Image((noise(30, 50),), offset=(10.0, 20.0), scale=(2.0, 4.0), frame_size=(500, 500))
    assert half.to_frame(np.array([[0, 0, 5, 5]], np.float32)).tolist() == [[10, 20, 20, 40]]
    crop = half.crop((20, 40, 30, 60))
    assert (crop.width, crop.height, crop.offset, crop.scale) == (5, 5, (20.0, 40.0), (2.0, 4.0))
    assert half.from_frame(np.array([[20, 40], [10, 20]])).tolist() == [[5, 5], [0, 0]]


def people() -> Detections:
    return replace(
        Detections.of(
            [[0, 0, 10, 10], [5, 5, 20, 30], [1, 1, 2, 2]],
            [0.9, 0.8, 0.123456],
            class_id=[1, 1, 2],
            tracker_id=[4, -1, 0],
            label=["person", "person", "dog"],
        ),
        mask=np.arange(3 * 4).reshape(3, 2, 2) % 2 == 0,
        keypoints=np.ones((3, 5, 3), np.float32),
    )


def test_what_is_left_out_has_its_meaning() -> None:
    found = Detections.of([[0, 0, 1, 1]])
    assert (found.confidence.tolist(), found.class_id.tolist()) == ([1.0], [0])
    assert (found.tracker_id.tolist(), found.label.tolist()) == ([-1], [""])
    assert len(Detections.empty()) == 0
    assert Detections.empty().xyxy.shape == (0, 4)
    assert Detections.empty().label.tolist() == []


def test_filtering_takes_every_column_along() -> None:
    found = people()[np.array([True, False, True])]
    assert found.tracker_id.tolist() == [4, 0]
    assert found.label.tolist() == ["person", "dog"]
    assert found.mask is not None
    assert found.keypoints is not None
    assert (found.mask.shape, found.keypoints.shape) == ((2, 2, 2), (2, 5, 3))
    assert len(people()[[]]) == 0
    assert people()[1:].confidence.shape == (2,)


def test_detections_cannot_be_changed() -> None:
    found = people()
    for column in (found.xyxy, found.confidence, found.tracker_id, found.mask, found.label):
        assert column is not None
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0
    with pytest.raises(TypeError, match="does not support item assignment"):
        found.data["label"] = np.array(["x"] * 3)  # type: ignore[index]  # the refusal is tested
    renamed = found.with_tracker_id(np.array([7, 8, 9]))
    assert (renamed.tracker_id.tolist(), found.tracker_id.tolist()) == ([7, 8, 9], [4, -1, 0])


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"confidence": [0.5]}, "confidence has 1 rows where xyxy has 2"),
        ({"label": ["a", "b", "c"]}, "label has 3 rows where xyxy has 2"),
        ({"tracker_id": []}, "tracker_id has 0 rows where xyxy has 2"),
    ],
)
def test_columns_of_unequal_length_are_refused(columns: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Detections.of([[0, 0, 1, 1], [1, 1, 2, 2]], **columns)


def test_boxes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"boxes are an array of \(N, 4\), not \(4, 3\)"):
        Detections.of(np.zeros((4, 3)))


def test_rows_are_plain_values_that_say_what_there_is() -> None:
    found = replace(people(), data={**people().data, "direction": np.array(["in", "out", "in"])})
    assert found.as_rows() == [
        {
            "label": "person",
            "confidence": 0.9,
            "box": [0.0, 0.0, 10.0, 10.0],
            "tracker_id": 4,
            "direction": "in",
        },
        {"label": "person", "confidence": 0.8, "box": [5.0, 5.0, 20.0, 30.0], "direction": "out"},
        {
            "label": "dog",
            "confidence": 0.1235,
            "box": [1.0, 1.0, 2.0, 2.0],
            "tracker_id": 0,
            "direction": "in",
        },
    ]
    assert type(found.as_rows()[0]["direction"]) is str
    assert Detections.empty().as_rows() == []


def test_finds_seen_from_a_crop_are_in_its_pixels_keypoints_too() -> None:
    crop = Image.from_bgr(noise(60, 100)).crop((10, 20, 60, 50))
    keypoints = np.array([[[12, 25, 0.9], [0, 0, 0.1]]], np.float32)
    found = replace(Detections.of([[15, 25, 30, 40]], tracker_id=[4]), keypoints=keypoints)
    seen = found.seen_from(crop)
    assert seen.xyxy.tolist() == [[5, 5, 20, 20]]
    assert seen.keypoints is not None
    np.testing.assert_allclose(seen.keypoints, [[[2, 5, 0.9], [-10, -20, 0.1]]], rtol=1e-6)
    assert seen.keypoints.dtype == np.float32
    assert seen.tracker_id.tolist() == [4]
    # What was given is as it was.
    assert found.xyxy.tolist() == [[15, 25, 30, 40]]
    assert found.keypoints is not None
    assert found.keypoints[0, 0, 0] == 12


def test_masks_stay_those_of_the_frame() -> None:
    mask = np.ones((1, 60, 100), np.bool_)
    found = replace(Detections.of([[15, 25, 30, 40]]), mask=mask)
    seen = found.seen_from(Image.from_bgr(noise(60, 100)).crop((10, 20, 60, 50)))
    assert seen.mask is not None
    assert seen.mask.shape == (1, 60, 100)


@given(corners, corners, st.floats(0.1, 10), st.floats(0.1, 10))
def test_seen_from_an_image_and_placed_back_a_box_is_where_it_was(
    x: float, y: float, scale_x: float, scale_y: float
) -> None:
    image = Image((noise(30, 50),), offset=(x, y), scale=(scale_x, scale_y), frame_size=(500, 500))
    box = Detections.of([[3, 4, 50, 60]])
    placed = image.to_frame(box.seen_from(image).xyxy)
    np.testing.assert_allclose(placed, box.xyxy, atol=1e-3)


def test_of_nothing_nothing_is_seen() -> None:
    assert len(Detections.empty().seen_from(Image.from_bgr(noise(4, 4)))) == 0


def test_a_frame_is_a_moment_with_a_picture() -> None:
    image = Image.from_bgr(noise(4, 4))
    frame = Frame("gate", 2.0, 1.7e9, sequence=7, image=image)
    assert isinstance(frame, Moment)
    assert (frame.camera, frame.at_s, frame.captured_at) == ("gate", 2.0, 1.7e9)
    assert (frame.clock, frame.sequence, frame.image) == ("synchronised", 7, image)
    with pytest.raises(FrozenInstanceError):
        frame.at_s = 3.0  # type: ignore[misc]  # that it is refused is what is tested


def test_columns_say_names_and_types() -> None:
    columns = Columns(direction=str, speed=float)
    assert columns.types == {"direction": str, "speed": float}
    assert repr(columns) == "Columns(direction=str, speed=float)"
    with pytest.raises(TypeError, match="does not support item assignment"):
        columns.types["more"] = int  # type: ignore[index]  # that it is refused is what is tested


def test_equal_columns_are_equal_in_any_order() -> None:
    one, other = Columns(direction=str, speed=float), Columns(speed=float, direction=str)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Columns(direction=str)
    assert one != {"direction": str, "speed": float}


def test_an_event_is_frozen() -> None:
    event = Event("plant", "gate.crossed", "site/gate", 1.7e9, {"total": 3})
    with pytest.raises(FrozenInstanceError):
        event.subject = "elsewhere"  # type: ignore[misc]  # that it is refused is what is tested
