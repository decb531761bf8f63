from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from appliance.engine.testing import frame
from blocks.data import Detections, Frame, Image, Pixels
from blocks.images.annotate import Annotate, AnnotateManifest
from blocks.images.canvas import Colour, colour_of

FrameAt = Callable[[float], Frame]


def person(x: float = 300, tracker_id: int = 7, label: str = "person") -> Detections:
    box = [[x, 200, x + 60, 400]]
    return Detections.of(box, [0.87], tracker_id=[tracker_id], label=[label])


def drawn(
    frame: Frame,
    detections: Detections,
    counts: dict[str, Any] | None = None,
    block: Annotate | None = None,
    **settings: Any,
) -> Pixels:
    block = block or annotate(**settings)
    return block.run(frame, frame.image, detections, counts or {}).image.bgr


def has(pixel: Pixels, colour: Colour) -> bool:
    """Whether it has that colour, but for some of the dark rim that smoothing mixes in."""
    return bool(np.abs(np.subtract(pixel.astype(int), colour)).max() <= 40)


def annotate(**settings: Any) -> Annotate:
    return Annotate(AnnotateManifest.model_validate(settings))


def test_the_image_that_was_given_stays_as_it_is(frame_at: FrameAt) -> None:
    frame = frame_at(0.0)
    picture = drawn(
        frame, person(), {"in": 1}, lines=[[[0, 0], [1, 1]]], zones=[[[0, 0], [1, 0], [1, 1]]]
    )
    assert picture.any()
    assert not frame.image.bgr.any()


def test_of_nothing_a_plain_copy_is_made(frame_at: FrameAt) -> None:
    frame = frame_at(0.0)
    np.testing.assert_array_equal(drawn(frame, Detections.empty()), frame.image.bgr)


def test_a_track_keeps_its_colour_wherever_it_goes(frame_at: FrameAt) -> None:
    for x in (100, 300):
        picture = drawn(frame_at(0.0), person(x), labels=False)
        assert has(picture[300, x], colour_of(7))
    other = drawn(frame_at(0.0), person(300, tracker_id=8), labels=False)
    assert has(other[300, 300], colour_of(8))
    assert not has(other[300, 300], colour_of(7))


def test_without_tracker_ids_a_label_has_its_colour(frame_at: FrameAt) -> None:
    colours = [
        drawn(frame_at(0.0), person(300, -1, label), labels=False)[300, 300].tolist()
        for label in ("person", "person", "dog")
    ]
    assert colours[0] == colours[1] != colours[2]


def test_what_stands_above_a_box_is_as_it_is_asked_for(frame_at: FrameAt) -> None:
    ways: list[tuple[int, dict[str, Any]]] = [
        (7, {}),
        (-1, {}),
        (7, {"confidence": True}),
        (7, {"confidence": True, "labels": False}),
    ]
    above = [
        drawn(frame_at(0.0), person(300, tracker_id), **settings)[:198].tobytes()
        for tracker_id, settings in ways
    ]
    assert len(set(above)) == 4
    assert not drawn(frame_at(0.0), person(), labels=False)[:190].any()


def test_counts_are_written_in_the_corner(frame_at: FrameAt) -> None:
    corners = [
        drawn(frame_at(0.0), person(), counts)[:120, :160]
        for counts in ({}, {"in": 4}, {"in": 5}, {"in": 5, "out": 1})
    ]
    assert not corners[0].any()
    assert len({c.tobytes() for c in corners}) == 4


def test_lines_and_zones_lie_where_they_are_counted(frame_at: FrameAt) -> None:
    line, zone = [[0.1, 0.5], [0.9, 0.5]], [[0.5, 0.6], [0.9, 0.6], [0.9, 0.9], [0.5, 0.9]]
    picture = drawn(frame_at(0.0), Detections.empty(), lines=[line], zones=[zone])
    assert has(picture[240, 200], (255, 255, 255))
    assert picture[360, 450].any()
    assert not picture[360, 200].any()
    in_pixels = drawn(
        frame_at(0.0),
        Detections.empty(),
        units="pixels",
        lines=[[[64, 240], [576, 240]]],
        zones=[[[320, 288], [576, 288], [576, 432], [320, 432]]],
    )
    np.testing.assert_array_equal(picture, in_pixels)


def test_an_arrow_shows_where_in_is(frame_at: FrameAt) -> None:
    there = drawn(frame_at(0.0), Detections.empty(), lines=[[[0.1, 0.5], [0.9, 0.5]]])
    back = drawn(frame_at(0.0), Detections.empty(), lines=[[[0.9, 0.5], [0.1, 0.5]]])
    # From left to right, the right hand is below.
    assert there[250:275, 320].any()
    assert not there[205:230, 320].any()
    assert back[205:230, 320].any()
    assert not back[250:275, 320].any()


def test_a_path_shows_the_last_seconds_of_a_track(frame_at: FrameAt) -> None:
    block = annotate(paths_s=1.0, labels=False)
    for i in range(16):
        picture = drawn(frame_at(i * 0.2), person(100 + 20 * i), block=block)
    # The feet are at 430 now, were at 330 a second ago, and at 130 three seconds ago.
    assert has(picture[400, 345], colour_of(7))
    assert not picture[400, 310].any()


def test_without_paths_nothing_is_remembered(frame_at: FrameAt) -> None:
    block = annotate(labels=False)
    for i in range(5):
        drawn(frame_at(i * 0.2), person(100 + 20 * i), block=block)
    assert not block._paths


def test_paths_of_those_who_are_gone_are_forgotten(frame_at: FrameAt) -> None:
    block = annotate(paths_s=1.0)
    for i in range(100):
        drawn(frame_at(i * 0.1), person(300, tracker_id=i), block=block)
        assert len(block._paths) <= 12
    gone = drawn(frame_at(99.0), Detections.empty(), block=block)
    assert not gone.any()
    assert not block._paths


def test_a_crop_gets_its_part_and_keeps_its_place(frame_at: FrameAt) -> None:
    frame = frame_at(0.0)
    line = [[0.1, 0.5], [0.9, 0.5]]
    crop = frame.image.crop((250, 150, 450, 450))
    answer = annotate(labels=False, lines=[line]).run(frame, crop, person()).image
    assert (answer.offset, answer.scale, answer.frame_size) == (
        crop.offset,
        crop.scale,
        crop.frame_size,
    )
    assert (answer.width, answer.height) == (200, 300)
    assert has(answer.bgr[150, 50], colour_of(7))
    assert has(answer.bgr[90, 10], (255, 255, 255))


def test_boxes_that_are_no_numbers_or_far_outside_do_no_harm(frame_at: FrameAt) -> None:
    odd = Detections.of([[np.nan, 0, 5, 5], [-1e9, -1e9, 1e9, 1e9], [700, 500, 800, 600]])
    picture = drawn(frame_at(0.0), odd, paths_s=1.0)
    assert picture.shape == (480, 640, 3)


def test_a_picture_of_video_planes_can_be_drawn_on(frame_at: FrameAt) -> None:
    planes = (np.full((480, 640), 16, np.uint8), *[np.full((240, 320), 128, np.uint8)] * 2)
    picture = annotate(labels=False).run(frame_at(0.0), Image(planes, "yuv420p"), person()).image
    assert picture.pixel_format == "bgr24"
    assert has(picture.bgr[300, 300], colour_of(7))


def test_paths_of_more_than_a_minute_are_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        annotate(paths_s=600)


def on_black(found: Detections, image: Image | None = None) -> Pixels:
    picture = image or Image.from_bgr(np.zeros((120, 160, 3), np.uint8))
    return annotate(labels=False).run(frame(), picture, found).image.bgr


def test_masks_are_tinted_and_the_rest_is_not() -> None:
    mask = np.zeros((1, 120, 160), np.bool_)
    mask[0, 40:80, 60:100] = True
    found = replace(Detections.of([[0, 0, 159, 119]], label=["belt"]), mask=mask)
    picture = on_black(found)
    assert picture[60, 80].any()
    assert not picture[20, 30].any()


def test_of_a_mask_a_crop_shows_its_own_part() -> None:
    mask = np.zeros((1, 120, 160), np.bool_)
    mask[0, 40:80, 60:100] = True
    found = replace(Detections.of([[0, 0, 159, 119]], label=["belt"]), mask=mask)
    crop = Image.from_bgr(np.zeros((120, 160, 3), np.uint8)).crop((50, 30, 150, 110))
    picture = on_black(found, crop)
    assert picture.shape == (80, 100, 3)
    assert picture[30, 30].any()
    assert not picture[5, 50].any()


def test_keypoints_that_are_sure_are_dots_and_those_of_a_person_are_joined() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, [5, 6]] = [[40, 60, 0.9], [120, 60, 0.9]]
    points[0, 7] = [80, 20, 0.1]
    found = replace(Detections.of([[0, 0, 159, 119]], label=["person"]), keypoints=points)
    picture = on_black(found)
    assert picture[60, 40].any()
    assert picture[60, 80].any()
    assert not picture[20, 80].any()


def test_other_keypoints_are_not_joined() -> None:
    points = np.array([[[40, 60, 0.9], [120, 60, 0.9]]], np.float32)
    found = replace(Detections.of([[0, 0, 159, 119]], label=["face"]), keypoints=points)
    picture = on_black(found)
    assert picture[60, 40].any()
    assert not picture[60, 80].any()


def test_turned_boxes_are_drawn_turned() -> None:
    corners = np.array([[80, 20, 120, 60, 80, 100, 40, 60]], np.float32)
    plain = Detections.of([[40, 20, 120, 100]], label=["ship"])
    picture = on_black(replace(plain, data={**plain.data, "corners": corners}))
    assert picture[40, 100].any()
    assert not picture[20, 40:70].any()
