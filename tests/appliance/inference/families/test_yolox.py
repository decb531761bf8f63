"""YOLOX tables, decoded in the graph or not, against a decode written in plain loops."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import fit
from appliance.inference.families.yolox import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog", "car")
# 200 x 100 pixels become 128 x 64, at the top of an input of 128 x 128.
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((128, 128)))[1]
Alone = Callable[[list[Any], float], list[Any]]


def raw(seed: int, strides: tuple[int, ...]) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    count = sum((128 // stride) ** 2 for stride in strides)
    offsets, sizes = random.normal(0.5, 0.5, (count, 2)), random.normal(0.5, 0.7, (count, 2))
    scores = random.uniform(0, 1, (count, 4))
    return np.concatenate([offsets, sizes, scores], axis=1).astype(np.float32)


def in_pixels(table: NDArray[Any], strides: tuple[int, ...]) -> list[list[float]]:
    rows = iter(table.tolist())
    found = []
    for stride in strides:
        for row in range(128 // stride):
            for column in range(128 // stride):
                x, y, w, h, *rest = next(rows)
                sizes = [math.exp(w) * stride, math.exp(h) * stride]
                found.append([(column + x) * stride, (row + y) * stride, *sizes, *rest])
    return found


def expected(rows: list[list[float]], bar: float, alone: Alone) -> list[Any]:
    finds = []
    for x, y, w, h, there, *scores in rows:
        sure = [float(np.float32(there) * np.float32(score)) for score in scores]
        best = sure.index(max(sure))
        if sure[best] >= bar:
            finds.append(((x - w / 2, y - h / 2, x + w / 2, y + h / 2), sure[best], best))
    factor = 0.64
    found = []
    for box, sure, number in alone(finds, 0.45):
        x1, y1, x2, y2 = (
            min(max(value / factor, 0), limit)
            for value, limit in zip(box, (200, 100) * 2, strict=True)
        )
        if x2 > x1 and y2 > y1:
            found.append(((x1, y1, x2, y2), sure, number))
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strides", [(8, 16, 32), (8, 16, 32, 64)])
@pytest.mark.parametrize("in_graph", [False, True])
def test_tables_are_as_decoded_slowly(
    seed: int, strides: tuple[int, ...], in_graph: bool, alone: Alone
) -> None:
    table = raw(seed, strides)
    rows = in_pixels(table, strides)
    given = np.array(rows, np.float32) if in_graph else table
    found = decode({"output": given[None]}, PLACE, LABELS, 0.6)
    wanted = expected(rows, 0.6, alone)
    assert len(wanted) > 5
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in wanted], rtol=1e-6)
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], rtol=1e-4, atol=1e-2)
    assert found.class_id.tolist() == [number for _, _, number in wanted]
    assert found.label.tolist() == [LABELS[number] for _, _, number in wanted]


def test_a_box_is_counted_from_its_cell_in_strides() -> None:
    table = np.zeros((1, 336, 8), np.float32)
    # Row 1, column 2 of the grid of 32 pixels, which comes last.
    table[0, 256 + 64 + 4 + 2] = (0.5, 0.5, 0, math.log(0.5), 1, 0, 0.9, 0)
    (row,) = decode({"output": table}, PLACE, LABELS, 0.5).as_rows()
    assert row == {"label": "dog", "confidence": 0.9, "box": [100.0, 62.5, 150.0, 87.5]}


def test_an_image_lies_in_the_corner_as_it_is_blue_first() -> None:
    blue = np.zeros((10, 20, 3), np.uint8)
    blue[..., 0] = 200
    tensor, _ = fit(Image.from_bgr(blue), form((32, 32)))
    assert tensor[0, :, 0, 0].tolist() == [200, 0, 0]
    assert tensor[0, :, 31, 31].tolist() == [114, 114, 114]


def test_what_is_out_of_all_bounds_is_left_out() -> None:
    table = np.zeros((1, 336, 8), np.float32)
    table[0, :, 4:] = 1.0
    table[0, :, 2] = 500.0
    table[0, 0, :4] = np.nan
    assert len(decode({"output": table}, PLACE, LABELS, 0.5)) == 0


def test_a_table_of_another_input_is_refused() -> None:
    with pytest.raises(ValueError, match="gives 420 candidates, where an input of 128 x 128"):
        decode({"output": np.zeros((1, 420, 8), np.float32)}, PLACE, LABELS, 0.5)


def test_shapes_that_are_none_are_told() -> None:
    assert mismatch({"output": (1, 8400, 85)}, 80) == ""
    assert mismatch({"output": (1, 8400, 85)}, None) == ""
    assert mismatch({"output": ("n", "k", 85)}, 80) == ""
    assert "80 labels of a yolox make 85" in mismatch({"output": (1, 8400, 84)}, 80)
    assert "not all the cells of grids" in mismatch({"output": (1, 8399, 85)}, 80)
    assert "one output (1, candidates" in mismatch({"a": (1, 21, 8), "b": (1, 21, 8)}, 3)
    assert "4 images at once" in mismatch({"output": (4, 8400, 85)}, 80)
    assert "gives 5 columns" in mismatch({"output": (1, 8400, 5)}, None)
