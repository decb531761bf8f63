"""Queries with boxes and logits, against a decode written in plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.detr import (
    decode,
    form,
    mismatch,
    rf_decode,
    rf_form,
    rf_mismatch,
)
from appliance.inference.families.fitting import fit
from blocks.data import Image

LABELS = ("person", "dog", "car")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]
# The numbers that COCO gives to its 80 classes.
COCO = [number for number in range(1, 91) if number not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}]


def given(seed: int, columns: int, queries: int = 30) -> tuple[NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(seed)
    boxes = random.uniform(0.05, 0.95, (queries, 4)).astype(np.float32)
    return boxes, random.normal(-1, 2, (queries, columns)).astype(np.float32)


def expected(boxes: NDArray[Any], logits: NDArray[Any], bar: float) -> list[Any]:
    found = []
    for (x, y, w, h), row in zip(boxes.tolist(), logits.tolist(), strict=True):
        for number, logit in enumerate(row):
            sure = 1 / (1 + math.exp(-logit))
            if sure >= bar:
                corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
                limits = (200, 100, 200, 100)
                box = [min(max(v, 0), 1) * limit for v, limit in zip(corners, limits, strict=True)]
                found.append((box, sure, number))
    return sorted(found, key=lambda one: -one[1])


def same(found: Any, wanted: list[Any]) -> None:
    assert len(wanted) > 5
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in wanted], rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], rtol=1e-4, atol=1e-3)
    assert found.class_id.tolist() == [number for _, _, number in wanted]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("names", [("logits", "pred_boxes"), ("scores", "boxes"), ("a", "b")])
def test_queries_are_as_decoded_slowly(seed: int, names: tuple[str, str]) -> None:
    boxes, logits = given(seed, 3)
    outputs = {names[0]: logits[None], names[1]: boxes[None]}
    found = decode(outputs, PLACE, LABELS, 0.6)
    same(found, expected(boxes, logits, 0.6))
    assert found.label.tolist() == [LABELS[number] for number in found.class_id]


def test_four_classes_are_told_from_boxes_by_the_name() -> None:
    boxes, logits = given(7, 4)
    labels = (*LABELS, "bike")
    found = decode({"pred_boxes": boxes[None], "pred_logits": logits[None]}, PLACE, labels, 0.6)
    same(found, expected(boxes, logits, 0.6))
    why = mismatch({"x": (1, 30, 4), "y": (1, 30, 4)}, 4)
    assert "a detr has the outputs boxes" in why


def test_nothing_is_suppressed_unless_it_is_asked_for() -> None:
    boxes = np.array([[0.5, 0.5, 0.2, 0.2]] * 2, np.float32)
    logits = np.array([[2, -9, -9], [1, -9, -9]], np.float32)
    outputs = {"logits": logits[None], "pred_boxes": boxes[None]}
    assert len(decode(outputs, PLACE, LABELS, 0.5)) == 2
    assert len(decode(outputs, PLACE, LABELS, 0.5, 0.7)) == 1


def test_what_is_no_number_is_left_out() -> None:
    boxes, logits = given(1, 3)
    boxes[:] = np.nan
    assert len(decode({"logits": logits[None], "pred_boxes": boxes[None]}, PLACE, LABELS, 0)) == 0
    logits[:] = np.nan
    assert len(decode({"logits": logits[None], "pred_boxes": boxes[None]}, PLACE, LABELS, 0)) == 0


def test_the_last_column_of_an_rf_detr_stands_for_nothing() -> None:
    boxes, logits = given(3, 4)
    logits[:, 3] = 9.0
    found = rf_decode({"dets": boxes[None], "labels": logits[None]}, PLACE, LABELS, 0.6)
    same(found, expected(boxes, logits[:, :3], 0.6))


def test_an_rf_detr_of_coco_numbers_its_classes_with_gaps() -> None:
    names = tuple(f"class {number}" for number in range(80))
    boxes, logits = given(5, 91)
    found = rf_decode({"dets": boxes[None], "labels": logits[None]}, PLACE, names, 0.9)
    same(found, expected(boxes, logits[:, COCO], 0.9))
    logits[:] = -9.0
    logits[0, 90] = 9.0
    last = rf_decode({"dets": boxes[None], "labels": logits[None]}, PLACE, names, 0.5)
    assert last.label.tolist() == ["class 79"]


def test_labels_of_all_columns_are_taken_as_they_are() -> None:
    boxes, logits = given(3, 3)
    found = rf_decode({"dets": boxes[None], "labels": logits[None]}, PLACE, LABELS, 0.6)
    same(found, expected(boxes, logits, 0.6))


def test_images_are_stretched_and_those_of_an_rf_detr_are_set_to_a_mean() -> None:
    grey = Image.from_bgr(np.full((10, 20, 3), 128, np.uint8))
    np.testing.assert_allclose(fit(grey, form((8, 8)))[0], 128 / 255, rtol=1e-5)
    wanted = [(128 - 123.675) / 58.395, (128 - 116.28) / 57.12, (128 - 103.53) / 57.375]
    np.testing.assert_allclose(fit(grey, rf_form((8, 8)))[0][0, :, 7, 7], wanted, rtol=1e-4)


def test_shapes_that_are_none_are_told() -> None:
    assert mismatch({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, 80) == ""
    assert mismatch({"logits": ("n", "q", "c"), "pred_boxes": ("n", "q", 4)}, 80) == ""
    assert mismatch({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, None) == ""
    why = mismatch({"logits": (1, 300, 92), "pred_boxes": (1, 300, 4)}, 80)
    assert why == "it gives 92 columns of scores, where there are 80 labels"
    assert "2 images at once" in mismatch({"logits": (2, 9, 3), "pred_boxes": (2, 9, 4)}, 3)
    assert "a detr has the outputs" in mismatch({"logits": (1, 9, 3), "pred_boxes": (1, 8, 4)}, 3)
    assert "a detr has the outputs" in mismatch({"logits": (1, 9, 3)}, 3)
    assert rf_mismatch({"dets": (1, 300, 4), "labels": (1, 300, 91)}, 80) == ""
    assert rf_mismatch({"dets": (1, 300, 4), "labels": (1, 300, 3)}, 2) == ""
    why = rf_mismatch({"dets": (1, 300, 4), "labels": (1, 300, 91)}, 8)
    assert "91 columns of scores, where 8 labels and one for nothing make 9" in why


def test_an_export_with_the_last_step_inside_is_one_too() -> None:
    shapes = {"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300)}
    assert mismatch(shapes, 80) == ""
    many = {"labels": (2, 300), "boxes": (2, 300, 4), "scores": (2, 300)}
    assert mismatch(many, 80) == "it takes 2 images at once, where one is given"
