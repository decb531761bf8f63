"""Slices of an image, and what was found in them put together."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from appliance.engine.testing import detections, image
from blocks.data import Detections, Image
from blocks.models import slicing
from blocks.models.slicing import Look, look, merged, slices

WHOLE = image((360, 200))
# They reach from 0 to 200, and from 160 to 360.
LEFT, RIGHT = slices(WHOLE, 200, 0.2)


def looks(whole: Detections, left: Detections, right: Detections) -> Detections:
    found = ((whole, WHOLE), (left, LEFT), (right, RIGHT))
    return merged([look(finds, piece, WHOLE) for finds, piece in found], WHOLE.frame_size)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (201, 200), (1000, 90), (333, 777)])
def test_slices_cover_the_image_and_share_what_they_must(width: int, height: int) -> None:
    covered = np.zeros((height, width), np.int64)
    found = slices(image((width, height)), 200, 0.25)
    for part in found:
        x, y = (int(v) for v in part.offset)
        assert (part.width, part.height) == (min(200, width), min(200, height))
        covered[y : y + part.height, x : x + part.width] += 1
    assert covered.min() == 1
    lefts = sorted({part.offset[0] for part in found})
    assert all(later - first <= 150 for first, later in itertools.pairwise(lefts))


def test_an_image_no_larger_than_a_slice_has_none() -> None:
    assert slices(image((200, 150)), 200, 0.2) == ()
    assert len(slices(image((201, 150)), 200, 0.2)) == 2


def test_slices_of_a_part_lie_where_it_lies_in_the_frame() -> None:
    part = image((1000, 800)).crop((300, 200, 700, 400))
    assert [piece.offset for piece in slices(part, 200, 0.0)] == [(300, 200), (500, 200)]


def test_slices_of_a_small_copy_are_counted_in_its_own_pixels() -> None:
    half = replace(image((360, 200)), scale=(2.0, 2.0), frame_size=(720, 400))
    pieces = slices(half, 200, 0.2)
    assert [(p.offset, p.width, p.height) for p in pieces] == [
        ((0, 0), 200, 200),
        ((320, 0), 200, 200),
    ]


def test_slices_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="640 x 480 has 475 slices of 32 pixels, and at most 256"):
        slices(image((640, 480)), 32, 0.2)


def test_what_two_slices_see_whole_is_there_once_as_the_surer_saw_it() -> None:
    found = looks(
        detections(),
        detections(("car", (170, 50, 190, 80)), confidence=0.6),
        detections(("car", (169, 50, 190, 80)), confidence=0.8),
    )
    assert found.xyxy.tolist() == [[169, 50, 190, 80]]
    assert found.confidence.tolist() == pytest.approx([0.8])


def test_a_thing_cut_off_is_left_out_where_it_is_whole_though_less_sure() -> None:
    found = looks(
        detections(("car", (100, 50, 300, 90)), confidence=0.5),
        detections(("car", (100, 50, 199, 90)), confidence=0.9),
        detections(("car", (161, 50, 300, 90)), confidence=0.9),
    )
    assert found.xyxy.tolist() == [[100, 50, 300, 90]]


def test_of_pieces_that_nobody_saw_whole_the_one_within_the_other_is_left_out() -> None:
    found = looks(
        detections(),
        detections(("car", (50, 50, 200, 90)), confidence=0.7),
        detections(("car", (160, 55, 195, 65)), confidence=0.9),
    )
    assert found.xyxy.tolist() == [[50, 50, 200, 90]]


def test_a_thing_that_two_slices_have_pieces_of_is_one_as_sure_as_the_surer() -> None:
    found = looks(
        detections(),
        detections(("car", (50, 50, 200, 90)), confidence=0.7),
        detections(("car", (160, 52, 315, 92)), confidence=0.9),
    )
    assert found.xyxy.tolist() == [[50, 50, 315, 92]]
    assert found.confidence.tolist() == pytest.approx([0.9])


def test_neighbours_of_which_each_is_whole_in_one_slice_stay_two() -> None:
    found = looks(
        detections(),
        detections(("car", (100, 50, 180, 90)), ("car", (185, 50, 200, 90)), confidence=0.9),
        detections(("car", (160, 50, 180, 90)), ("car", (185, 50, 260, 90)), confidence=0.8),
    )
    assert found.xyxy.tolist() == [[100, 50, 180, 90], [185, 50, 260, 90]]


def test_pieces_of_two_labels_are_not_put_together() -> None:
    van = replace(detections(("van", (160, 50, 315, 90))), class_id=np.array([1]))
    found = looks(detections(), detections(("car", (50, 50, 200, 90))), van)
    assert len(found) == 2


def test_what_was_put_together_is_left_out_where_it_is_whole() -> None:
    found = looks(
        detections(("car", (48, 48, 340, 92)), confidence=0.95),
        detections(("car", (50, 50, 200, 90)), confidence=0.7),
        detections(("car", (160, 50, 340, 90)), confidence=0.9),
    )
    assert found.xyxy.tolist() == [[48, 48, 340, 92]]


def test_pieces_of_a_turned_box_are_left_as_they_are() -> None:
    def turned(box: tuple[int, int, int, int]) -> Detections:
        found = detections(("car", box))
        corners = np.zeros((1, 4, 2), np.float32)
        return replace(found, data={**found.data, "corners": corners})

    found = looks(detections(), turned((50, 50, 200, 90)), turned((160, 50, 315, 90)))
    assert sorted(found.xyxy.tolist()) == [[50, 50, 200, 90], [160, 50, 315, 90]]


def test_a_box_at_the_border_of_the_image_is_not_cut_off() -> None:
    boxes = detections(("a", (0, 0, 50, 200)), ("a", (100, 10, 199, 50)), ("a", (90, 9, 190, 50)))
    cut = look(boxes, LEFT, WHOLE).cut
    assert cut.tolist() == [[False] * 4, [False, False, True, False], [False] * 4]


def test_a_small_whole_thing_before_a_large_one_is_another_thing() -> None:
    found = looks(
        detections(("person", (100, 10, 180, 190))),
        detections(("person", (120, 100, 150, 180))),
        detections(),
    )
    assert len(found) == 2


def test_what_one_look_tells_apart_stays_apart() -> None:
    both = detections(("person", (100, 10, 180, 190)), ("person", (110, 10, 190, 190)))
    assert len(looks(both, detections(), detections())) == 2


def test_things_of_two_labels_stay_apart() -> None:
    van = replace(detections(("van", (102, 0, 180, 90))), class_id=np.array([1]))
    found = looks(detections(("car", (100, 0, 180, 90)), confidence=0.5), van, detections())
    assert found.label.tolist() == ["van", "car"]


def test_keypoints_and_columns_go_with_their_boxes() -> None:
    def pose(x: float, confidence: float) -> Detections:
        found = detections(
            ("person", (x, 50, x + 20, 80)), confidence=confidence, columns={"side": [f"at {x}"]}
        )
        return replace(found, keypoints=np.full((1, 17, 3), x, np.float32))

    found = looks(detections(), pose(100, 0.6), pose(300, 0.8))
    assert found.keypoints is not None
    assert found.keypoints[:, 0, 0].tolist() == [300, 100]
    assert found.data["side"].tolist() == ["at 300", "at 100"]


def masked(piece: Image, *boxes: tuple[int, int, int, int]) -> Look:
    found = detections(*(("car", box) for box in boxes), confidence=[0.9, 0.8][: len(boxes)])
    masks = np.zeros((len(boxes), 200, 360), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return look(replace(found, mask=masks), piece, WHOLE)


def test_masks_are_held_by_the_slice_and_given_by_the_frame() -> None:
    left, right = masked(LEFT, (10, 10, 60, 40)), masked(RIGHT, (300, 0, 360, 9), (210, 5, 220, 9))
    assert left.found.mask is not None
    assert left.found.mask.shape == (1, 200, 200)
    found = merged([left, right], WHOLE.frame_size)
    assert found.mask is not None
    assert found.mask.shape == (3, 200, 360)
    for mask, (x1, y1, x2, y2) in zip(found.mask, found.xyxy.astype(int).tolist(), strict=True):
        assert mask[y1:y2, x1:x2].all()
        assert mask.sum() == (x2 - x1) * (y2 - y1)


def test_the_mask_of_a_thing_in_pieces_is_all_of_theirs() -> None:
    left, right = masked(LEFT, (50, 50, 200, 90)), masked(RIGHT, (160, 52, 315, 92))
    found = merged([left, right], WHOLE.frame_size)
    assert found.mask is not None
    assert found.mask.shape == (1, 200, 360)
    # Two rows of 150 above, two of 155 below, and 38 of 265 between.
    assert found.mask.sum() == 2 * 150 + 38 * 265 + 2 * 155


def test_of_a_pose_in_pieces_each_point_is_the_surest() -> None:
    def half(box: tuple[int, int, int, int], *sure: float) -> Detections:
        points = np.array([[[box[0] + i, 60, value] for i, value in enumerate(sure)]], np.float32)
        return replace(detections(("person", box)), keypoints=points)

    found = looks(
        detections(), half((50, 50, 200, 90), 0.9, 0.1), half((160, 50, 315, 90), 0.2, 0.8)
    )
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [[[50, 60, 0.9], [161, 60, 0.8]]])


def test_masks_of_the_surest_are_kept_where_not_all_have_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slicing, "MOST_MASK_BYTES", 2 * 360 * 200)
    left, right = masked(LEFT, (10, 10, 60, 40)), masked(RIGHT, (300, 0, 360, 9), (210, 5, 220, 9))
    found = merged([left, right], WHOLE.frame_size)
    assert found.confidence.tolist() == pytest.approx([0.9, 0.9])


def test_nothing_in_any_slice_is_nothing() -> None:
    assert len(looks(detections(), detections(), detections())) == 0
