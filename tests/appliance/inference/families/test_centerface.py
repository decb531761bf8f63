"""Faces as peaks of a map, against a decode written in plain loops."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.centerface import decode, form, mismatch
from appliance.inference.families.fitting import fit
from blocks.data import Image

# 200 x 100 pixels become 64 x 32 in an input of 64 x 64, with 16 of padding above.
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]
Alone = Callable[[list[Any], float], list[Any]]
Outputs = dict[str, NDArray[Any]]


def outputs(seed: int) -> Outputs:
    random = np.random.default_rng(seed)
    maps = (
        random.uniform(0, 1, (1, 1, 16, 16)),
        random.normal(1, 0.5, (1, 2, 16, 16)),
        random.normal(0, 0.5, (1, 2, 16, 16)),
        random.uniform(0, 1, (1, 10, 16, 16)),
    )
    return {name: m.astype(np.float32) for name, m in zip("abcd", maps, strict=True)}


def expected(given: Outputs, bar: float, alone: Alone) -> list[Any]:
    heat, scale, offset, landmarks = (values[0].tolist() for values in given.values())
    finds, points = [], {}
    for row in range(16):
        for column in range(16):
            sure = heat[0][row][column]
            if sure < bar:
                continue
            high, wide = (math.exp(scale[i][row][column]) * 4 for i in (0, 1))
            y = (row + offset[0][row][column] + 0.5) * 4
            x = (column + offset[1][row][column] + 0.5) * 4
            box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            finds.append((box, sure, 0))
            left, top = max(box[0], 0), max(box[1], 0)
            points[box] = [
                (
                    left + landmarks[2 * i + 1][row][column] * wide,
                    top + landmarks[2 * i][row][column] * high,
                )
                for i in range(5)
            ]
    found = []
    for box, sure, _ in alone(finds, 0.3):
        x1, x2 = (min(max(x / 0.32, 0), 200) for x in box[::2])
        y1, y2 = (min(max((y - 16) / 0.32, 0), 100) for y in box[1::2])
        if x2 > x1 and y2 > y1:
            seen = [(x / 0.32, (y - 16) / 0.32, sure) for x, y in points[box]]
            found.append(((x1, y1, x2, y2), sure, seen))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_maps_are_as_decoded_slowly(seed: int, alone: Alone) -> None:
    given = outputs(seed)
    found = decode(given, PLACE, (), 0.6)
    wanted = expected(given, 0.6, alone)
    assert len(wanted) > 5
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in wanted], rtol=1e-6)
    assert found.keypoints is not None
    np.testing.assert_allclose(
        found.keypoints, [seen for _, _, seen in wanted], rtol=1e-4, atol=1e-2
    )
    assert set(found.label.tolist()) == {"face"}


def test_a_label_that_is_said_is_taken() -> None:
    assert set(decode(outputs(1), PLACE, ("visitor",), 0.5).label.tolist()) == {"visitor"}


def test_no_face_has_keypoints_all_the_same() -> None:
    found = decode(outputs(1), PLACE, (), 1.1)
    assert found.keypoints is not None
    assert found.keypoints.shape == (0, 5, 3)


def test_what_is_no_number_is_left_out() -> None:
    given = outputs(1)
    given["b"][:] = 1e9
    assert len(decode(given, PLACE, (), 0.5)) == 0
    given["a"][:] = np.nan
    assert len(decode(given, PLACE, (), 0.0)) == 0


def test_shapes_that_are_none_are_told() -> None:
    right: Any = {name: values.shape for name, values in outputs(0).items()}
    assert mismatch(right, None) == ""
    assert mismatch(right, 1) == ""
    assert mismatch({"a": (1, 1, "h", "w"), **{k: right[k] for k in "bcd"}}, 1) == ""
    assert "knows faces alone" in mismatch(right, 2)
    assert "has four maps" in mismatch({"a": right["a"]}, 1)
    assert "1, 2, 2 and 10" in mismatch({k: right[k] for k in "dcba"}, 1)
    with pytest.raises(ValueError, match="has four maps"):
        decode({"a": outputs(0)["a"]}, PLACE, (), 0.5)
