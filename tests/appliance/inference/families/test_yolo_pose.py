"""Tables with keypoints, against a decode written in plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import fit
from appliance.inference.families.yolo_pose import decode, form, mismatch
from blocks.data import Image

WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]
CELLS = 84


def table(seed: int, keypoints: int, count: int, before: int) -> NDArray[np.float32]:
    """Boxes that hardly overlap, `before` scores, and keypoints."""
    random = np.random.default_rng(seed)
    boxes = [random.uniform(8, 56, (count, 2)), random.uniform(1, 3, (count, 2))]
    scores = random.uniform(0, 1, (count, before))
    points = random.uniform(-5, 70, (count, keypoints, 3))
    points[..., 2] = random.uniform(0, 1, (count, keypoints))
    return np.concatenate([*boxes, scores, points.reshape(count, -1)], axis=1).astype(np.float32)


def slow(row: list[float], first: int) -> list[list[float]]:
    """The keypoints of a row, in the frame: 0.32 of it, 16 from the top."""
    points = []
    for i in range(first, len(row), 3):
        points.append([row[i] / 0.32, (row[i + 1] - 16) / 0.32, row[i + 2]])
    return points


@pytest.mark.parametrize("layout", ["columns first", "rows", "objectness"])
@pytest.mark.parametrize("keypoints", [1, 5, 17])
@pytest.mark.parametrize("labels", [("person",), ("person", "dog")])
def test_keypoints_are_as_decoded_slowly(
    layout: str, keypoints: int, labels: tuple[str, ...]
) -> None:
    objectness = layout == "objectness"
    first = 4 + objectness + len(labels)
    rows = table(4, keypoints, 3 * CELLS if objectness else CELLS, first - 4)
    output = rows.T[None] if layout == "columns first" else rows[None]
    found = decode({"output0": output}, PLACE, labels, 0.8, overlap=1.0)
    expected = []
    for row in rows:
        scores = [s * row[4] for s in row[5:first]] if objectness else row[4:first].tolist()
        high = row[1] - row[3] / 2 < 48 and row[1] + row[3] / 2 > 16
        if max(scores) >= 0.8 and high:
            expected.append((max(scores), int(np.argmax(scores)), slow(row.tolist(), first)))
    expected.sort(key=lambda one: -one[0])
    assert len(expected) > 2
    assert found.keypoints is not None
    assert found.keypoints.shape == (len(expected), keypoints, 3)
    np.testing.assert_allclose(found.keypoints, [one[2] for one in expected], rtol=1e-4, atol=1e-3)
    assert found.class_id.tolist() == [one[1] for one in expected]


def row(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)[None, :, None]


def test_a_keypoint_is_where_it_was_before_the_letterbox() -> None:
    output = row(32, 32, 16, 8, 0.75, 32, 32, 0.5, 0, 16, 0.25)
    found = decode({"output0": output}, PLACE, ("person",), 0.5)
    np.testing.assert_allclose(found.xyxy, [[75, 37.5, 125, 62.5]])
    assert found.label.tolist() == ["person"]
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [[[100, 50, 0.5], [0, 0, 0.25]]], atol=1e-5)


def test_finished_tables_have_their_keypoints_at_the_end() -> None:
    output = np.zeros((1, 9, 12), np.float32)
    output[0, 4] = [24, 28, 40, 36, 0.75, 0, 32, 32, 0.5, 0, 16, 0.25]
    found = decode({"output0": output}, PLACE, ("person",), 0.5)
    np.testing.assert_allclose(found.xyxy, [[75, 37.5, 125, 62.5]])
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [[[100, 50, 0.5], [0, 0, 0.25]]], atol=1e-5)


def test_of_near_duplicates_the_surest_is_kept_with_its_keypoints() -> None:
    one = [32, 32, 16, 8, 0.75, 32, 32, 0.5]
    rows: Any = np.array([one, [33, 32, 16, 8, 0.9, 16, 16, 1.0]], np.float32)
    found = decode({"output0": rows.T[None]}, PLACE, (), 0.5)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [[[50, 0, 1]]], atol=1e-5)
    assert found.label.tolist() == ["0"]


def test_a_find_with_a_keypoint_that_is_no_number_is_left_out() -> None:
    output = row(32, 32, 16, 8, 0.75, 32, math.nan, 0.5)
    assert len(decode({"output0": output}, PLACE, ("person",), 0.5)) == 0


def test_nothing_is_found_in_nothing() -> None:
    output = row(32, 32, 16, 8, 0.4, 32, 32, 0.5)
    assert len(decode({"output0": output}, PLACE, ("person",), 0.5)) == 0
    assert len(decode({"output0": output[..., :0]}, PLACE, ("person",), 0.5)) == 0


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((1, 56, 8400), 1),
        ((1, 56, 8400), None),
        ((1, 8400, 56), 1),
        ((1, 25200, 57), 1),
        ((1, 300, 57), 1),
        ((1, 21, 8400), 2),
        (("b", 56, "n"), 1),
        (("b", "c", "n"), 1),
    ],
)
def test_the_layouts_of_the_exports_are_no_mismatch(
    shape: tuple[int | str, ...], labels: int | None
) -> None:
    assert mismatch({"output0": shape}, labels) == ""


def test_other_outputs_are_named_in_a_sentence() -> None:
    wrong = mismatch({"output0": (1, 56, 8400)}, 2)
    assert "where 2 labels make 6 columns and three for each keypoint" in wrong
    assert "where 1 labels make 5 columns" in mismatch({"output0": (1, 84, 8400)}, 1)
    assert "one output of three axes" in mismatch({"output0": (1, 1, 17, 3)}, 1)
    with pytest.raises(ValueError, match="2 labels make 6 columns"):
        decode({"output0": np.zeros((1, 56, 8400), np.float32)}, PLACE, ("a", "b"), 0.5)


def test_points_in_parts_of_the_input_are_the_same_as_in_pixels() -> None:
    rows = table(2, 5, CELLS, 1)
    parts = rows.copy()
    parts[:, :4] /= 64
    for column in range(5, 20, 3):
        parts[:, column : column + 2] /= 64
    found, same_found = (
        decode({"o": given.T[None]}, PLACE, ("person",), 0.7) for given in (rows, parts)
    )
    assert found.keypoints is not None
    assert same_found.keypoints is not None
    assert len(found) > 5
    np.testing.assert_allclose(same_found.keypoints, found.keypoints, rtol=1e-4, atol=1e-2)
