"""Tables of turned boxes, against a decode written in plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.rotated import overlaps
from appliance.inference.families.yolo_oriented import decode, form, mismatch
from blocks.data import Image

LABELS = ("ship", "plane")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]


def table(seed: int, count: int = 84) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    boxes = [random.uniform(0, 64, (count, 2)), random.uniform(2, 40, (count, 2))]
    scores = random.uniform(0, 1, (count, 2))
    angles = random.uniform(-math.pi / 4, 3 * math.pi / 4, (count, 1))
    return np.concatenate([*boxes, scores, angles], axis=1).astype(np.float32)


def slow(rows: NDArray[Any], bar: float, overlap: float) -> list[tuple[list[float], float, int]]:
    """The corners in the frame, the confidence and the class, the surest first."""
    order = sorted(range(len(rows)), key=lambda i: -max(rows[i, 4:6]))
    alone: list[int] = []
    for i in order:
        if max(rows[i, 4:6]) < bar:
            continue
        for j in alone:
            both = rows[[i, j]]
            repeated = overlaps(both[:, :4], both[:, 6])[0, 1] > overlap
            if repeated and np.argmax(both[0, 4:6]) == np.argmax(both[1, 4:6]):
                break
        else:
            alone.append(i)
    found = []
    for i in alone:
        x, y, w, h, *scores, angle = rows[i].tolist()
        corners: list[float] = []
        for a, b in ((-w, -h), (w, -h), (w, h), (-w, h)):
            px = x + (a * math.cos(angle) - b * math.sin(angle)) / 2
            py = y + (a * math.sin(angle) + b * math.cos(angle)) / 2
            corners += [px / 0.32, (py - 16) / 0.32]
        if max(corners[1::2]) > 0 and min(corners[1::2]) < 100:
            found.append((corners, max(scores), scores.index(max(scores))))
    return found


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_turned_boxes_are_as_decoded_slowly(seed: int, transposed: bool) -> None:
    rows = table(seed)
    output = rows[None] if transposed else rows.T[None]
    found = decode({"output0": output}, PLACE, LABELS, 0.5)
    expected = slow(rows, 0.5, 0.45)
    assert 10 < len(expected) < (rows[:, 4:6].max(axis=1) >= 0.5).sum()
    corners = np.array([one[0] for one in expected])
    np.testing.assert_allclose(found.data["corners"], corners, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.confidence, [one[1] for one in expected])
    assert found.class_id.tolist() == [one[2] for one in expected]
    x, y = corners[:, 0::2].clip(0, 200), corners[:, 1::2].clip(0, 100)
    around = np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)
    np.testing.assert_allclose(found.xyxy, around, rtol=1e-4, atol=1e-3)


def one(angle: float, score: float = 0.8) -> dict[str, NDArray[Any]]:
    return {"output0": np.array([32, 32, 16, 8, 0.1, score, angle], np.float32)[None, :, None]}


@pytest.mark.parametrize(
    ("radians", "degrees"),
    [(0.0, 0), (math.pi / 2, 90), (math.pi / 6, 30), (-math.pi / 6, 150), (-1e-9, 0), (math.pi, 0)],
)
def test_the_angle_is_in_degrees_clockwise(radians: float, degrees: float) -> None:
    found = decode(one(radians), PLACE, LABELS, 0.5)
    turn = (float(found.data["angle"][0]) - degrees + 90) % 180 - 90
    assert turn == pytest.approx(0, abs=1e-3)
    assert 0 <= found.data["angle"][0] < 180


def test_a_box_turned_by_a_quarter_is_surrounded_upright() -> None:
    found = decode(one(math.pi / 2), PLACE, LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[87.5, 25, 112.5, 75]], rtol=1e-5)
    assert found.label.tolist() == ["plane"]
    expected = [[112.5, 25, 112.5, 75, 87.5, 75, 87.5, 25]]
    np.testing.assert_allclose(found.data["corners"], expected, rtol=1e-5)
    assert found.as_rows()[0]["angle"] == pytest.approx(90, abs=1e-3)


def test_the_angle_is_that_in_the_frame_also_where_the_image_was_stretched() -> None:
    stretched = Fitted(WHOLE, (0.32, 0.64), (0.0, 0.0), (64, 64))
    found = decode(one(math.pi / 4), stretched, LABELS, 0.5)
    assert found.data["angle"][0] == pytest.approx(math.degrees(math.atan2(1, 2)), rel=1e-4)


def test_finds_with_an_angle_that_is_no_number_are_left_out() -> None:
    assert len(decode(one(math.nan), PLACE, LABELS, 0.5)) == 0


def test_nothing_is_found_in_nothing() -> None:
    assert len(decode(one(0, score=0.4), PLACE, LABELS, 0.5)) == 0
    assert len(decode({"output0": np.zeros((1, 7, 0), np.float32)}, PLACE, LABELS, 0.5)) == 0


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((1, 20, 21504), 15),
        ((1, 20, 21504), None),
        ((1, 21504, 20), 15),
        ((1, 20, "n"), 15),
        (("b", "c", "n"), 15),
    ],
)
def test_the_layouts_of_the_exports_are_no_mismatch(
    shape: tuple[int | str, ...], labels: int | None
) -> None:
    assert mismatch({"output0": shape}, labels) == ""


def test_other_outputs_are_named_in_a_sentence() -> None:
    wrong = mismatch({"output0": (1, 20, 21504)}, 16)
    assert "where 16 labels make 21 columns" in wrong
    assert "with the suppression done" in mismatch({"output0": (1, 300, 7)}, 15)
    assert "one output of three axes" in mismatch({"output0": (1, 15)}, 15)
    with pytest.raises(ValueError, match="2 labels make 7 columns"):
        decode({"output0": np.zeros((1, 8, 84), np.float32)}, PLACE, LABELS, 0.5)


def test_boxes_in_parts_of_a_square_input_are_the_same_as_in_pixels() -> None:
    rows = table(1)
    parts = rows.copy()
    parts[:, :4] /= 64
    found, same_found = (
        decode({"o": given.T[None]}, PLACE, LABELS, 0.5) for given in (rows, parts)
    )
    assert len(found) > 10
    corners = (same_found.data["corners"], found.data["corners"])
    np.testing.assert_allclose(*corners, rtol=1e-4, atol=1e-2)


def test_boxes_in_parts_of_an_input_that_is_not_square_are_refused() -> None:
    parts = table(1, 168)
    parts[:, :4] /= 64
    place = fit(WHOLE, form((128, 64)))[1]
    with pytest.raises(ValueError, match=r"turned boxes in 0\.\.1 of an input that is not square"):
        decode({"o": parts.T[None]}, place, LABELS, 0.5)
