"""From pixels to the tensor, and from hand-made outputs to boxes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.ssd import decode, form, mismatch
from appliance.inference.families.suppression import MOST_BOXES
from blocks.data import Image

LABELS = ("person", "dog")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))


def placed(image: Image) -> Fitted:
    return fit(image, form((4, 2)))[1]


def outputs(*rows: tuple[tuple[float, ...], tuple[float, ...]]) -> dict[str, NDArray[Any]]:
    """Of rows of a box and its scores of background, person and dog."""
    boxes = np.array([box for box, _ in rows], np.float32).reshape(1, -1, 4)
    scores = np.array([score for _, score in rows], np.float32).reshape(1, -1, 3)
    return {"boxes": boxes, "scores": scores}


def test_boxes_are_in_pixels_and_have_their_labels() -> None:
    found = decode(outputs(((0.1, 0.2, 0.5, 0.6), (0.9, 0.1, 0.8))), placed(WHOLE), LABELS, 0.5)
    assert found.as_rows() == [{"label": "dog", "confidence": 0.8, "box": [20, 20, 100, 60]}]
    assert found.class_id.tolist() == [1]
    assert found.tracker_id.tolist() == [-1]


def test_the_background_is_nothing() -> None:
    assert (
        len(decode(outputs(((0.1, 0.1, 0.2, 0.2), (1.0, 0.1, 0.1))), placed(WHOLE), LABELS, 0.5))
        == 0
    )


def test_a_box_just_as_sure_as_asked_for_is_kept() -> None:
    given = outputs(((0.1, 0.1, 0.2, 0.2), (0.0, 0.5, 0.0)))
    assert len(decode(given, placed(WHOLE), LABELS, 0.5)) == 1
    assert len(decode(given, placed(WHOLE), LABELS, 0.51)) == 0


def test_of_near_duplicates_the_surest_is_kept() -> None:
    given = outputs(
        ((0.10, 0.1, 0.5, 0.5), (0, 0.6, 0)),
        ((0.11, 0.1, 0.5, 0.5), (0, 0.9, 0)),
        ((0.60, 0.6, 0.9, 0.9), (0, 0.7, 0)),
    )
    found = decode(given, placed(WHOLE), LABELS, 0.5)
    np.testing.assert_allclose(found.confidence, [0.9, 0.7])


def test_boxes_of_two_classes_in_one_place_are_both_kept() -> None:
    found = decode(outputs(((0.1, 0.1, 0.5, 0.5), (0, 0.6, 0.9))), placed(WHOLE), LABELS, 0.5)
    assert found.label.tolist() == ["dog", "person"]


def test_boxes_end_at_the_edge_of_the_image() -> None:
    found = decode(outputs(((-0.1, 0.5, 1.2, 1.1), (0, 0.9, 0))), placed(WHOLE), LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[0, 50, 200, 100]])


def test_boxes_found_in_a_crop_are_placed_in_the_frame() -> None:
    crop = WHOLE.crop((100, 50, 200, 100))
    found = decode(outputs(((0.0, 0.0, 0.5, 0.5), (0, 0.9, 0))), placed(crop), LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[100, 50, 150, 75]])


def test_no_more_than_the_surest_boxes_are_kept() -> None:
    count = MOST_BOXES + 50
    left = np.linspace(0, 0.99, count)
    sure = np.linspace(0.5, 1.0, count)
    boxes = np.stack([left, left, left + 1e-4, left + 1e-4], axis=1)
    scores = np.stack([np.zeros(count), sure, np.zeros(count)], axis=1)
    given = {"boxes": boxes[None].astype(np.float32), "scores": scores[None].astype(np.float32)}
    found = decode(given, placed(WHOLE), LABELS, 0.5)
    assert len(found) == MOST_BOXES
    np.testing.assert_allclose(found.confidence.min(), sure[50], rtol=1e-6)


def test_an_image_is_stretched_and_its_brightness_goes_from_minus_one_to_one() -> None:
    red = np.zeros((100, 200, 3), np.uint8)
    red[:, :, 2] = 255
    tensor, place = fit(Image.from_bgr(red), form((4, 4)))
    assert tensor.shape == (1, 3, 4, 4)
    np.testing.assert_allclose(tensor[0, :, 3, 3], [1, -1, -1])
    assert place.factor == (0.02, 0.04)


@pytest.mark.parametrize("overlap", [0.2, 0.7])
def test_the_overlap_says_how_near_duplicates_are(overlap: float) -> None:
    # They share half of what both cover.
    given = outputs(((0.0, 0, 0.3, 1.0), (0, 0.6, 0)), ((0.1, 0, 0.4, 1.0), (0, 0.9, 0)))
    found = decode(given, placed(WHOLE), LABELS, 0.5, overlap)
    assert len(found) == (1 if overlap == 0.2 else 2)


def test_outputs_that_fit_are_no_mismatch() -> None:
    assert mismatch({"boxes": (1, 9, 4), "scores": (1, 9, 3)}, 2) == ""
    assert mismatch({"boxes": (1, "n", 4), "scores": (1, "n", "c")}, 2) == ""


def test_outputs_of_another_family_or_other_labels_are_named() -> None:
    assert "an ssd has the outputs" in mismatch({"output0": (1, 84, 8400)}, 80)
    assert "boxes of 7 numbers" in mismatch({"boxes": (1, 9, 7), "scores": (1, 9, 3)}, 2)
    assert "it gives 91 columns" in mismatch({"boxes": (1, 9, 4), "scores": (1, 9, 91)}, 2)
