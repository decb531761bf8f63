"""Masks of prototypes, against sums and interpolation written pixel by pixel."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families import yolo_masks
from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.yolo_masks import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog", "car")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]
PROTOTYPES = 5


def sampled(picture: NDArray[np.float32], x: float, y: float) -> float:
    """Linear between the middles of the cells, and at the edge as there."""
    high, wide = picture.shape
    x, y = min(max(x - 0.5, 0.0), wide - 1.0), min(max(y - 0.5, 0.0), high - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, wide - 1), min(top + 1, high - 1)
    a, b = x - left, y - top
    upper = picture[top, left] * (1 - a) + picture[top, right] * a
    lower = picture[bottom, left] * (1 - a) + picture[bottom, right] * a
    return float(upper * (1 - b) + lower * b)


def slow_sums(
    box: NDArray[Any], weights: NDArray[Any], prototypes: NDArray[Any], place: Fitted
) -> NDArray[np.float64]:
    """For each pixel of the frame the sum at its middle; NaN outside of the box."""
    total = sum(w * p for w, p in zip(weights, prototypes, strict=True))
    wide, high = place.image.frame_size
    sums = np.full((high, wide), math.nan)
    for y in range(high):
        for x in range(wide):
            if box[0] <= x + 0.5 < box[2] and box[1] <= y + 0.5 < box[3]:
                mx, my = (
                    (v + 0.5 - place.image.offset[i]) / place.image.scale[i] * place.factor[i]
                    + place.shift[i]
                    for i, v in enumerate((x, y))
                )
                ratio = prototypes.shape[1] / place.size[1]
                sums[y, x] = sampled(total, mx * ratio, my * ratio)
    return sums


def outputs(seed: int, count: int = 84) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
    random = np.random.default_rng(seed)
    boxes = [random.uniform(0, 64, (count, 2)), random.uniform(1, 40, (count, 2))]
    scores = random.uniform(0, 1, (count, 3))
    weights = random.normal(0, 1, (count, PROTOTYPES))
    table = np.concatenate([*boxes, scores, weights], axis=1).astype(np.float32)
    prototypes = random.normal(0, 1, (1, PROTOTYPES, 16, 16)).astype(np.float32)
    return table, {"output0": table.T[None], "output1": prototypes}


@pytest.mark.parametrize("cropped", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_masks_are_as_summed_and_interpolated_slowly(seed: int, cropped: bool) -> None:
    image = WHOLE.crop((31, 11, 151, 91)) if cropped else WHOLE
    place = fit(image, form((64, 64)))[1]
    table, given = outputs(seed)
    found = decode(given, place, LABELS, 0.9)
    assert found.mask is not None
    assert len(found) >= 5
    assert found.mask.shape == (len(found), 100, 200)
    for i, sure in enumerate(found.confidence):
        row = table[np.flatnonzero(table[:, 4:7].max(axis=1) == sure)[0]]
        sums = slow_sums(found.xyxy[i], row[7:], given["output1"][0], place)
        # OpenCV interpolates in steps of a 32nd: next to a border it may go either way.
        clear = ~(np.abs(sums) < 0.15)
        assert clear.mean() > 0.7
        np.testing.assert_array_equal(found.mask[i][clear], (sums > 0)[clear])


def plain(box: tuple[float, ...]) -> dict[str, NDArray[Any]]:
    """One find of one prototype, which is above nought in the left half of the input."""
    prototypes = np.full((1, 1, 16, 16), -1, np.float32)
    prototypes[..., :8] = 1
    row = np.array([*box, 0.9, 0.1, 0.1, 2.0], np.float32)
    return {"output0": row[None, :, None], "output1": prototypes}


def test_a_mask_is_cut_to_its_box() -> None:
    found = decode(plain((32, 32, 16, 8)), PLACE, LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[75, 37.5, 125, 62.5]])
    assert found.mask is not None
    expected = np.zeros((1, 100, 200), np.bool_)
    expected[0, 37:62, 75:100] = True
    np.testing.assert_array_equal(found.mask, expected)


def test_finished_tables_have_their_coefficients_at_the_end() -> None:
    _, given = outputs(1)
    rows = np.zeros((1, 20, 6 + PROTOTYPES), np.float32)
    rows[0, 3] = [24, 28, 40, 36, 0.9, 2, 1, 0, 0, 0, 0]
    given["output1"][:, 0] = 1
    found = decode({**given, "output0": rows}, PLACE, LABELS, 0.5)
    assert found.label.tolist() == ["car"]
    assert found.mask is not None
    assert found.mask.sum() == 50 * 25


def test_the_memory_of_the_masks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = outputs(1)
    everything = decode(given, PLACE, LABELS, 0.5)
    monkeypatch.setattr(yolo_masks, "MOST_BYTES", 3 * 200 * 100 + 1)
    found = decode(given, PLACE, LABELS, 0.5)
    assert found.mask is not None
    assert found.mask.nbytes == 3 * 200 * 100
    np.testing.assert_array_equal(found.confidence, everything.confidence[:3])
    assert len(everything) > 10


def test_a_box_smaller_than_a_pixel_has_an_empty_mask() -> None:
    found = decode(plain((32.05, 32.05, 0.01, 0.01)), PLACE, LABELS, 0.5)
    assert len(found) == 1
    assert found.mask is not None
    assert not found.mask.any()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_prototypes_that_are_no_numbers_are_no_mask(value: float) -> None:
    given = plain((32, 32, 16, 8))
    given["output1"][..., ::2] = value
    given["output1"][..., 1::2] = -value
    found = decode(given, PLACE, LABELS, 0.5)
    assert found.mask is not None
    assert not found.mask.any()


def test_nothing_is_found_in_nothing() -> None:
    _, given = outputs(1)
    assert len(decode(given, PLACE, LABELS, 1.1)) == 0
    assert len(decode({**given, "output0": np.zeros((1, 12, 0))}, PLACE, LABELS, 0.5)) == 0


def test_the_layouts_of_the_exports_are_no_mismatch() -> None:
    prototypes = (1, 32, 160, 160)
    assert mismatch({"output0": (1, 116, 8400), "output1": prototypes}, 80) == ""
    assert mismatch({"output0": (1, 116, 8400), "output1": prototypes}, None) == ""
    assert mismatch({"output0": (1, 25200, 117), "output1": prototypes}, 80) == ""
    assert mismatch({"output0": (1, 300, 38), "output1": prototypes}, 80) == ""
    assert mismatch({"output0": ("b", "n", "c"), "output1": ("b", "p", "h", "w")}, 80) == ""


def test_other_outputs_are_named_in_a_sentence() -> None:
    prototypes = (1, 32, 160, 160)
    wrong = mismatch({"output0": (1, 116, 8400), "output1": prototypes}, 79)
    assert "its output is (1, 116, 8400), where 79 labels make 115 columns " in wrong
    assert "the prototypes of the masks" in mismatch({"output0": (1, 84, 8400)}, 80)
    assert "one output of three axes" in mismatch({"output1": prototypes}, 80)


def test_boxes_in_parts_of_the_input_have_the_same_masks() -> None:
    rows, given = outputs(1)
    found = decode(given, PLACE, LABELS, 0.9)
    parts = rows.copy()
    parts[:, :4] /= 64
    same_found = decode(given | {"output0": parts.T[None]}, PLACE, LABELS, 0.9)
    assert found.mask is not None
    assert same_found.mask is not None
    assert len(found) >= 5
    np.testing.assert_allclose(same_found.xyxy, found.xyxy, rtol=1e-4, atol=1e-2)
    assert (same_found.mask == found.mask).mean() > 0.999
