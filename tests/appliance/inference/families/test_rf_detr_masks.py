"""Masks of queries, against a reading pixel by pixel."""

import numpy as np
import pytest

from appliance.inference.families import detr
from appliance.inference.families.fitting import fit
from appliance.inference.families.rf_detr_masks import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog", "car")
WIDE, HIGH = 120, 60
CELLS = 16


def between(plane: np.ndarray, x: float, y: float) -> float:
    """The value at a place of a plane, on straight lines between the middles of its cells."""
    columns, rows = plane.shape[1] - 1, plane.shape[0] - 1
    x, y = min(max(x - 0.5, 0), columns), min(max(y - 0.5, 0), rows)
    left, top = min(int(x), columns - 1), min(int(y), rows - 1)
    right, down = x - left, y - top
    upper = plane[top, left] * (1 - right) + plane[top, left + 1] * right
    lower = plane[top + 1, left] * (1 - right) + plane[top + 1, left + 1] * right
    return float(upper * (1 - down) + lower * down)


@pytest.mark.parametrize("seed", range(4))
def test_a_mask_is_where_the_logit_of_its_query_is_above_0(seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = random.uniform(0.3, 0.6, (1, 9, 4)).astype(np.float32)
    logits = random.normal(-2, 2, (1, 9, 4)).astype(np.float32)
    # One query is of two classes: both have its mask.
    logits[0, 5, :2] = 2, 3
    masks = random.normal(0, 3, (1, 9, CELLS, CELLS)).astype(np.float32)
    place = fit(Image.from_bgr(np.zeros((HIGH, WIDE, 3), np.uint8)), form((64, 64)))[1]
    outputs = {"dets": boxes, "labels": logits, "masks": masks}
    found = decode(outputs, place, LABELS, 0.5)
    plain = detr.rf_decode({"dets": boxes, "labels": logits}, place, LABELS, 0.5)
    assert found.xyxy.tolist() == plain.xyxy.tolist()
    assert found.label.tolist() == plain.label.tolist()
    order = [
        (sure, query)
        for query, row in enumerate(1 / (1 + np.exp(-logits[0, :, :3].astype(float))))
        for sure in row
        if sure >= 0.5
    ]
    queries = [query for _, query in sorted(order, key=lambda one: -one[0])]
    assert queries.count(5) >= 2
    assert found.mask is not None
    for mask, box, query in zip(found.mask, found.xyxy, queries, strict=True):
        near = 0
        for y in range(HIGH):
            for x in range(WIDE):
                inside = box[0] <= x + 0.5 < box[2] and box[1] <= y + 0.5 < box[3]
                value = between(masks[0, query], (x + 0.5) / WIDE * CELLS, (y + 0.5) / HIGH * CELLS)
                # OpenCV's places are in 1/32 of a cell.
                if inside and abs(value) < 0.7:
                    near += 1
                else:
                    assert mask[y, x] == (inside and value > 0)
        assert near < 0.4 * HIGH * WIDE


def test_nothing_is_found_in_nothing() -> None:
    place = fit(Image.from_bgr(np.zeros((HIGH, WIDE, 3), np.uint8)), form((64, 64)))[1]
    shapes = {"dets": (1, 9, 4), "labels": (1, 9, 4), "masks": (1, 9, CELLS, CELLS)}
    outputs = {name: np.full(shape, -9, np.float32) for name, shape in shapes.items()}
    found = decode(outputs, place, LABELS, 0.5)
    assert len(found) == 0
    assert found.mask is not None
    assert found.mask.shape == (0, HIGH, WIDE)


def test_outputs_without_masks_are_none_of_it() -> None:
    why = mismatch({"dets": (1, 9, 4), "labels": (1, 9, 4)}, 3)
    assert why.startswith("an rf_detr with masks has the outputs dets, labels and masks")
    shapes = {"dets": (1, 9, 4), "labels": (1, 9, 9), "masks": (1, 9, 4, 4)}
    assert "9 columns of scores, where 3 labels" in mismatch(shapes, 3)
