"""Faces from anchors, against a decode written in plain loops."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.blazeface import anchors, decode, form, mismatch
from appliance.inference.families.fitting import fit
from blocks.data import Image

# 256 x 128 pixels become 128 x 64, with 32 of padding above.
WHOLE = Image.from_bgr(np.zeros((128, 256, 3), np.uint8))
PLACE = fit(WHOLE, form((128, 128)))[1]
Alone = Callable[[list[Any], float], list[Any]]


def middles() -> list[tuple[float, float]]:
    return [
        ((column + 0.5) * 128 / side, (row + 0.5) * 128 / side)
        for side, each in ((16, 2), (8, 6))
        for row in range(side)
        for column in range(side)
        for _ in range(each)
    ]


def outputs(seed: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    places = random.normal(0, 5, (1, 896, 16))
    places[..., 2:4] = random.uniform(4, 50, (1, 896, 2))
    logits = random.normal(-4, 3, (1, 896, 1))
    return {
        "regressors": places.astype(np.float32),
        "classificators": logits.astype(np.float32),
    }


def expected(given: dict[str, NDArray[Any]], bar: float, alone: Alone) -> list[Any]:
    finds, points = [], {}
    rows = zip(
        given["regressors"][0].tolist(),
        given["classificators"][0, :, 0].tolist(),
        middles(),
        strict=True,
    )
    for numbers, logit, (x, y) in rows:
        sure = 1 / (1 + math.exp(-logit))
        if sure >= bar:
            cx, cy, w, h = numbers[0] + x, numbers[1] + y, numbers[2], numbers[3]
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
            finds.append((box, sure, 0))
            points[box] = [
                (2 * (numbers[4 + 2 * i] + x), 2 * (numbers[5 + 2 * i] + y - 32), sure)
                for i in range(6)
            ]
    found = []
    for box, sure, _ in alone(finds, 0.3):
        x1, x2 = (min(max(2 * x, 0), 256) for x in box[::2])
        y1, y2 = (min(max(2 * (y - 32), 0), 128) for y in box[1::2])
        if x2 > x1 and y2 > y1:
            found.append(((x1, y1, x2, y2), sure, points[box]))
    return found


@pytest.mark.parametrize("seed", range(8))
def test_anchors_are_as_decoded_slowly(seed: int, alone: Alone) -> None:
    given = outputs(seed)
    found = decode(given, PLACE, (), 0.5)
    wanted = expected(given, 0.5, alone)
    assert len(wanted) > 5
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in wanted], rtol=1e-5)
    assert found.keypoints is not None
    np.testing.assert_allclose(
        found.keypoints, [seen for _, _, seen in wanted], rtol=1e-4, atol=1e-2
    )
    assert set(found.label.tolist()) == {"face"}


def test_the_order_of_the_outputs_and_their_names_mean_nothing() -> None:
    given = outputs(2)
    turned = {"x": given["classificators"], "y": given["regressors"]}
    np.testing.assert_array_equal(
        decode(turned, PLACE, (), 0.5).xyxy, decode(given, PLACE, (), 0.5).xyxy
    )


def test_anchors_are_the_middles_of_two_grids() -> None:
    np.testing.assert_allclose(anchors() * 128, middles(), rtol=1e-6)


def test_what_is_no_number_is_left_out() -> None:
    given = outputs(1)
    given["regressors"][:] = np.nan
    assert len(decode(given, PLACE, (), 0.1)) == 0
    given["classificators"][:] = np.nan
    assert len(decode(given, PLACE, (), 0.0)) == 0


def test_shapes_that_are_none_are_told() -> None:
    assert mismatch({"r": (1, 896, 16), "c": (1, 896, 1)}, None) == ""
    assert mismatch({"c": (1, "n", 1), "r": (1, "n", 16)}, 1) == ""
    assert "it has 2304 anchors" in mismatch({"r": (1, 2304, 16), "c": (1, 2304, 1)}, 1)
    assert "knows faces alone" in mismatch({"r": (1, 896, 16), "c": (1, 896, 1)}, 3)
    assert "a blazeface has the outputs" in mismatch({"r": (1, 896, 16)}, 1)
    with pytest.raises(ValueError, match="it has 4 anchors"):
        decode({"r": np.zeros((1, 4, 16)), "c": np.zeros((1, 4, 1))}, PLACE, (), 0.5)
