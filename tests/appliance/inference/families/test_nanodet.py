"""NanoDet tables against a decode written in plain loops."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import fit
from appliance.inference.families.nanodet import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog")
# An input of 96 x 64, in which the image is half as wide and as high; 64 does not divide 96.
WHOLE = Image.from_bgr(np.zeros((128, 192, 3), np.uint8))
SIZE = (96, 64)
PLACE = fit(WHOLE, form(SIZE))[1]
PLUS, FIRST = (8, 16, 32, 64), (8, 16, 32)
Alone = Callable[[list[Any], float], list[Any]]


def points(strides: tuple[int, ...]) -> list[tuple[float, float, int]]:
    middle = 0.5 if strides == FIRST else 0.0
    return [
        ((column + middle) * stride, (row + middle) * stride, stride)
        for stride in strides
        for row in range(math.ceil(SIZE[1] / stride))
        for column in range(math.ceil(SIZE[0] / stride))
    ]


def table(seed: int, strides: tuple[int, ...]) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    count = len(points(strides))
    scores, bins = random.uniform(0, 1, (count, 2)), random.normal(0, 2, (count, 32))
    return np.concatenate([scores, bins], axis=1).astype(np.float32)


def distance(logits: list[float]) -> float:
    shares = [math.exp(value) for value in logits]
    return sum(place * share for place, share in enumerate(shares)) / sum(shares)


def expected(rows: NDArray[Any], strides: tuple[int, ...], bar: float, alone: Alone) -> list[Any]:
    finds = []
    for row, (x, y, stride) in zip(rows.tolist(), points(strides), strict=True):
        scores, bins = row[:2], row[2:]
        left, top, right, bottom = (
            distance(bins[8 * side : 8 * side + 8]) * stride for side in range(4)
        )
        best = scores.index(max(scores))
        if scores[best] >= bar:
            finds.append(((x - left, y - top, x + right, y + bottom), scores[best], best))
    found = []
    for box, sure, number in alone(finds, 0.6):
        x1, y1, x2, y2 = (
            min(max(2 * v, 0), limit) for v, limit in zip(box, (192, 128) * 2, strict=True)
        )
        if x2 > x1 and y2 > y1:
            found.append(((x1, y1, x2, y2), sure, number))
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strides", [PLUS, FIRST])
def test_tables_are_as_decoded_slowly(seed: int, strides: tuple[int, ...], alone: Alone) -> None:
    rows = table(seed, strides)
    found = decode({"output": rows[None]}, PLACE, LABELS, 0.7)
    wanted = expected(rows, strides, 0.7, alone)
    assert len(wanted) > 5
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in wanted], rtol=1e-6)
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], rtol=1e-4, atol=1e-2)
    assert found.label.tolist() == [LABELS[number] for _, _, number in wanted]


def test_sides_are_counted_from_a_point_in_strides() -> None:
    rows = np.zeros((1, len(points(PLUS)), 34), np.float32)
    # Row 1, column 2 of the grid of 16 pixels, after 12 x 8 cells: 1, 0, 2 and 1 strides away.
    one = rows[0, 96 + 6 + 2]
    one[1] = 0.9
    for side, strides in enumerate((1, 0, 2, 1)):
        one[2 + 8 * side + strides] = 80.0
    (row,) = decode({"output": rows}, PLACE, LABELS, 0.5).as_rows()
    assert row == {"label": "dog", "confidence": 0.9, "box": [32.0, 32.0, 128.0, 64.0]}


def test_what_is_no_number_is_left_out() -> None:
    rows = np.full((1, len(points(PLUS)), 34), np.nan, np.float32)
    assert len(decode({"output": rows}, PLACE, LABELS, 0.5)) == 0
    rows[..., :2] = 0.9
    rows[0, 0, 2:] = np.inf
    assert len(decode({"output": rows}, PLACE, LABELS, 0.5)) == 0


def test_a_table_of_another_input_is_refused() -> None:
    with pytest.raises(ValueError, match="where an input of 96 x 64 has"):
        decode({"output": np.zeros((1, 99, 34), np.float32)}, PLACE, LABELS, 0.5)


def test_an_image_is_taken_blue_first_by_the_mean_of_each_colour() -> None:
    grey = Image.from_bgr(np.full((8, 8, 3), 128, np.uint8))
    tensor, _ = fit(grey, form((8, 8)))
    wanted = [(128 - 103.53) / 57.375, (128 - 116.28) / 57.12, (128 - 123.675) / 58.395]
    np.testing.assert_allclose(tensor[0, :, 0, 0], wanted, rtol=1e-4)


def test_shapes_that_are_none_are_told() -> None:
    assert mismatch({"output": (1, 3598, 112)}, 80) == ""
    assert mismatch({"output": (1, "n", "c")}, 80) == ""
    assert mismatch({"output": (1, 3598, 112)}, None) == ""
    assert "80 labels of a nanodet make 112" in mismatch({"output": (1, 3598, 85)}, 80)
    assert "where a nanodet has scores and 32 more" in mismatch({"output": (1, 3598, 32)}, None)
    assert "where a nanodet has scores and 32 more" in mismatch({"output": (1, 84, 8400)}, None)
    assert "one output (1, candidates" in mismatch({"output": (1, 3598, 80, 1)}, 80)
    assert "2 images at once" in mismatch({"output": (2, 3598, 112)}, 80)
