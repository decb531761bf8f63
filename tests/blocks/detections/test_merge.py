from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.data import Detections
from blocks.detections.merge import Merge, MergeManifest


def merged(*parts: Detections, **settings: float) -> Detections:
    return Merge(MergeManifest(**settings)).run(parts).detections


def box(x: float = 0, confidence: float = 0.5, label: str = "person", **columns: Any) -> Detections:
    """One box of 10 x 10 pixels."""
    found = Detections.of([[x, 0, x + 10, 10]], [confidence], label=[label])
    return replace(found, data={**found.data, **columns})


def test_boxes_of_all_stand_behind_each_other() -> None:
    second = Detections.of([[5, 5, 6, 6], [1, 1, 2, 2]], [0.1, 0.2], [7, 8], [3, -1], ["a", "b"])
    found = merged(box(), second)
    assert found.xyxy.tolist() == [[0, 0, 10, 10], [5, 5, 6, 6], [1, 1, 2, 2]]
    assert found.confidence.tolist() == pytest.approx([0.5, 0.1, 0.2])
    assert found.class_id.tolist() == [0, 7, 8]
    assert found.tracker_id.tolist() == [-1, 3, -1]
    assert found.label.tolist() == ["person", "a", "b"]


def test_over_nothing_there_is_nothing() -> None:
    assert len(merged()) == 0
    assert merged().label.tolist() == []
    assert len(merged(Detections.empty(), Detections.empty(), iou=0.5)) == 0


def test_columns_that_all_have_are_kept_and_the_others_go() -> None:
    found = merged(
        box(plate=np.array(["AB 1"]), speed=np.array([3.0])), box(plate=np.array(["CD 22"]))
    )
    assert set(found.data) == {"label", "plate"}
    assert found.data["plate"].tolist() == ["AB 1", "CD 22"]


def test_where_nothing_was_found_no_column_is_missed() -> None:
    found = merged(Detections.empty(), box(plate=np.array(["AB 1"])), Detections.empty())
    assert found.data["plate"].tolist() == ["AB 1"]


def test_there_is_always_a_label() -> None:
    bare = replace(box(), data={})
    assert merged(bare, box()).data["label"].tolist() == ["", "person"]


def test_masks_and_keypoints_are_kept_where_all_have_them_of_one_shape() -> None:
    def with_points(count: int) -> Detections:
        mask, points = np.ones((1, 4, 4), np.bool_), np.ones((1, count, 3), np.float32)
        return replace(box(), mask=mask, keypoints=points)

    found = merged(with_points(5), with_points(5))
    assert found.mask is not None
    assert found.keypoints is not None
    assert (found.mask.shape, found.keypoints.shape) == ((2, 4, 4), (2, 5, 3))
    found = merged(with_points(5), with_points(17))
    assert found.mask is not None
    assert found.keypoints is None
    assert merged(with_points(5), box()).mask is None


def test_without_an_iou_the_same_box_stays_twice() -> None:
    assert len(merged(box(), box())) == 2


def test_of_boxes_that_overlap_the_surest_stays_in_its_place() -> None:
    found = merged(box(50, 0.3), box(1, 0.6), box(0, 0.9), iou=0.5)
    assert found.confidence.tolist() == pytest.approx([0.3, 0.9])


def test_boxes_of_two_labels_do_not_push_each_other_out() -> None:
    # The class numbers are the same: those of two models mean nothing to each other.
    assert merged(box(), box(label="dog"), iou=0.5).label.tolist() == ["person", "dog"]
    assert merged(box(-500), box(-500, label="dog"), box(490, label="cat"), iou=0.1).label.size == 3


def test_a_box_of_no_confidence_is_no_duplicate() -> None:
    assert len(merged(box(0, 0.0), box(50, 0.0), iou=0.5)) == 2


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_a_box_without_a_place_goes_and_takes_no_other_with_it(lost: float) -> None:
    nowhere = Detections.of([[0, 0, 10, lost]], [0.9], label=["person"])
    parts = (box(0, 0.6), nowhere, box(1, 0.5), box(50, 0.3))
    assert merged(*parts, iou=0.5).confidence.tolist() == pytest.approx([0.6, 0.3])
    assert len(merged(nowhere, iou=0.5)) == 0
    assert len(merged(*parts)) == 4


def test_columns_of_one_name_and_two_kinds_are_not_joined() -> None:
    found = merged(
        box(speed=np.array([3.0]), plate=np.array(["AB 1"])),
        box(speed=np.array(["fast"]), plate=np.array(["CD 22"])),
    )
    assert set(found.data) == {"label", "plate"}


boxes = st.tuples(
    st.integers(-20, 60), st.integers(1, 40), st.floats(0, 1, width=32), st.sampled_from("ab")
)


@given(st.lists(boxes, max_size=12, unique_by=lambda b: b[2]))
def test_what_stays_is_what_the_definition_says(written: list[tuple[int, int, float, str]]) -> None:
    parts = [Detections.of([[x, 0, x + w, 10]], [c], label=[label]) for x, w, c, label in written]
    kept: list[tuple[int, int, float, str]] = []
    for x, w, confidence, label in sorted(written, key=lambda b: -b[2]):
        if all(label != k[3] or iou_along((x, w), (k[0], k[1])) <= 0.52 for k in kept):
            kept.append((x, w, confidence, label))
    assert sorted(merged(*parts, iou=0.52).confidence.tolist()) == sorted(k[2] for k in kept)


def iou_along(a: tuple[int, int], b: tuple[int, int]) -> float:
    common = max(0, min(a[0] + a[1], b[0] + b[1]) - max(a[0], b[0]))
    return common / (a[1] + b[1] - common)


def test_an_iou_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        MergeManifest(iou=0)
