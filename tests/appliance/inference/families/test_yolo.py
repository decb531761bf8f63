"""Tables of candidates of every layout, against a decode written in plain loops."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.yolo import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog", "car")
# 200 x 100 pixels in an input of 64 x 64 become 64 x 32, with 16 of padding above.
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE = fit(WHOLE, form((64, 64)))[1]
CELLS = 84
Row = tuple[tuple[float, ...], float, int]


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def in_frame(box: tuple[float, ...], place: Fitted) -> tuple[float, ...]:
    limits = (place.image.width, place.image.height) * 2
    return tuple(
        min(max((v - place.shift[i % 2]) / place.factor[i % 2], 0), limits[i])
        for i, v in enumerate(box)
    )


def slow(rows: NDArray[Any], objectness: bool, bar: float, overlap: float = 0.45) -> list[Row]:
    """Of one table of (N, 4 or 5 + C): boxes in the frame, the surest first."""
    found: list[Row] = []
    for row in rows.tolist():
        x, y, w, h = row[:4]
        scores = row[5:] if objectness else row[4:]
        if objectness:
            scores = [float(np.float32(s) * np.float32(row[4])) for s in scores]
        best = max(range(len(scores)), key=lambda i: scores[i])
        if scores[best] >= bar:
            found.append(((x - w / 2, y - h / 2, x + w / 2, y + h / 2), scores[best], best))
    found.sort(key=lambda one: -one[1])
    alone: list[Row] = []
    for one in found:
        if all(one[2] != other[2] or iou(one[0], other[0]) <= overlap for other in alone):
            alone.append(one)
    placed = [(in_frame(box, PLACE), sure, number) for box, sure, number in alone]
    return [one for one in placed if one[0][2] > one[0][0] and one[0][3] > one[0][1]]


def table(seed: int, columns: int, count: int = CELLS) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    boxes = np.concatenate(
        [random.uniform(0, 64, (count, 2)), random.uniform(1, 40, (count, 2))], axis=1
    )
    scores = random.uniform(0, 1, (count, columns - 4))
    return np.concatenate([boxes, scores], axis=1).astype(np.float32)


def same(found: Any, expected: list[Row], labels: tuple[str, ...] = LABELS) -> None:
    assert len(expected) > 1
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in expected], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in expected], rtol=1e-6)
    assert found.label.tolist() == [labels[number] for _, _, number in expected]
    assert found.class_id.tolist() == [number for _, _, number in expected]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("transposed", [False, True])
def test_tables_without_objectness_are_as_decoded_slowly(seed: int, transposed: bool) -> None:
    rows = table(seed, 7)
    output = rows[None] if transposed else rows.T[None]
    same(decode({"output0": output}, PLACE, LABELS, 0.6), slow(rows, False, 0.6))


@pytest.mark.parametrize("seed", range(8))
def test_tables_with_objectness_are_as_decoded_slowly(seed: int) -> None:
    rows = table(seed, 8, 3 * CELLS)
    same(decode({"output": rows[None]}, PLACE, LABELS, 0.4), slow(rows, True, 0.4))


@pytest.mark.parametrize(("columns", "labels"), [(6, ("a",)), (6, ("a", "b")), (5, ("a",))])
def test_few_classes_are_told_from_finished_boxes_by_the_grids(
    columns: int, labels: tuple[str, ...]
) -> None:
    objectness = columns == 5 + len(labels)
    rows = table(1, columns, 3 * CELLS if objectness else CELLS)
    same(decode({"o": rows[None]}, PLACE, labels, 0.5), slow(rows, objectness, 0.5), labels)


@pytest.mark.parametrize("objectness", [False, True])
@pytest.mark.parametrize("wide", [64, 128])
def test_boxes_in_parts_of_the_input_are_the_same_as_in_pixels(objectness: bool, wide: int) -> None:
    place = fit(WHOLE, form((wide, 64)))[1]
    cells = CELLS * wide // 64
    rows = table(3, 7 + objectness, 3 * cells if objectness else cells)
    parts = rows.copy()
    parts[:, :4] /= (wide, 64, wide, 64)
    found, same_found = (
        decode({"output0": given[None]}, place, LABELS, 0.5) for given in (rows, parts)
    )
    assert len(found) > 5
    np.testing.assert_allclose(same_found.xyxy, found.xyxy, rtol=1e-4, atol=1e-2)
    assert same_found.label.tolist() == found.label.tolist()


def test_finished_boxes_in_parts_of_the_input_are_the_same_as_in_pixels() -> None:
    given = finished((10, 20, 20, 30, 0.9, 2), (32, 16, 66, 48, 0.8, 1), (0, 0, 0, 0, 0, 0))
    parts = given / np.array([64, 64, 64, 64, 1, 1], np.float32)
    found = decode({"output0": parts}, PLACE, LABELS, 0.5)
    assert found.xyxy.tolist() == [[31.25, 12.5, 62.5, 43.75], [100, 0, 200, 100]]
    four = separate(1)
    four["det_boxes"] = four["det_boxes"] / np.float32(64)
    np.testing.assert_allclose(decode(four, PLACE, LABELS, 0.5).xyxy, [[31.25, 12.5, 62.5, 43.75]])


def test_a_tiny_box_among_others_in_pixels_stays_tiny() -> None:
    rows = table(1, 7)
    rows[:, 4:] = 0.0
    rows[5] = (1.2, 1.4, 1.0, 1.0, 0.9, 0.0, 0.0)
    square = Image.from_bgr(np.zeros((64, 64, 3), np.uint8))
    place = fit(square, form((64, 64)))[1]
    found = decode({"output0": rows[None]}, place, LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[0.7, 0.9, 1.7, 1.9]], rtol=1e-5)


def test_a_box_is_where_it_was_before_the_letterbox() -> None:
    assert (PLACE.factor, PLACE.shift) == ((0.32, 0.32), (0.0, 16.0))
    output = np.array([[32.0], [32.0], [16.0], [8.0], [0.1], [0.8], [0.3]], np.float32)[None]
    found = decode({"output0": output}, PLACE, LABELS, 0.5)
    assert found.as_rows() == [{"label": "dog", "confidence": 0.8, "box": [75, 37.5, 125, 62.5]}]


def finished(*rows: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(1, -1, 6)


def test_finished_boxes_are_sorted_and_not_suppressed_again() -> None:
    given = finished((10, 20, 20, 30, 0.6, 2), (10, 20, 20, 30, 0.9, 2), (0, 0, 0, 0, 0, 0))
    found = decode({"output0": given}, PLACE, LABELS, 0.5)
    np.testing.assert_allclose(found.confidence, [0.9, 0.6])
    np.testing.assert_allclose(found.xyxy, [[31.25, 12.5, 62.5, 43.75]] * 2)
    assert found.label.tolist() == ["car", "car"]


@pytest.mark.parametrize("count", [1, 4, 5, 6, 7, 300])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_finished_boxes_are_known_whatever_their_number(count: int, number: int) -> None:
    given = finished(*[(10, 20, 20, 30, 0.6, 0)] * count)
    found = decode({"output0": given}, PLACE, LABELS[:number], 0.5)
    np.testing.assert_allclose(found.xyxy, [[31.25, 12.5, 62.5, 43.75]] * count)


def test_a_class_without_a_label_is_named_by_its_number_and_padding_is_left_out() -> None:
    given = finished((10, 20, 20, 30, 0.9, 7), (10, 20, 20, 30, 0.8, -1))
    assert decode({"output0": given}, PLACE, LABELS, 0.5).label.tolist() == ["7"]


def separate(number: int, classes: Any = (2, 0, 1)) -> dict[str, NDArray[Any]]:
    box = (10, 20, 20, 30)
    return {
        "num_dets": np.array([[number]], np.int32),
        "det_boxes": np.array([[box, box, box]], np.float32),
        "det_scores": np.array([[0.9, 0.4, 0.8]], np.float32),
        "det_classes": np.array([classes], np.int32),
    }


def test_of_four_outputs_as_many_rows_count_as_they_say() -> None:
    assert decode(separate(3), PLACE, LABELS, 0.5).label.tolist() == ["car", "dog"]
    assert decode(separate(2), PLACE, LABELS, 0.5).label.tolist() == ["car"]
    assert len(decode(separate(0), PLACE, LABELS, 0.5)) == 0
    assert len(decode(separate(99), PLACE, LABELS, 0.1)) == 3
    assert len(decode(separate(-1), PLACE, LABELS, 0.1)) == 0


def test_candidates_that_are_no_numbers_are_left_out() -> None:
    rows = np.tile(np.array([32, 32, 16, 8, 0.1, 0.8, 0.3], np.float32), (CELLS, 1))
    rows[:, 0] += np.arange(CELLS) * 100
    for i, value in enumerate((math.nan, math.inf, -math.inf)):
        rows[i, 1] = value
    rows[3, 4] = math.nan
    rows[4, 2] = -5
    rows[5:, 5] = 0.1
    rows[5, 5] = 0.9
    rows[5, 0] = 32
    found = decode({"output0": rows.T[None]}, PLACE, LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[75, 37.5, 125, 62.5]])
    with_objectness = np.full((1, 3 * CELLS, 8), math.nan, np.float32)
    assert len(decode({"output": with_objectness}, PLACE, LABELS, 0.0)) == 0
    assert len(decode({"o": finished((1, 2, 3, 4, 0.9, math.nan))}, PLACE, LABELS, 0.5)) == 0


def test_a_box_that_lies_in_the_padding_only_is_left_out() -> None:
    output = np.array([[32.0], [5.0], [16.0], [8.0], [0.9], [0.1], [0.1]], np.float32)[None]
    assert len(decode({"output0": output}, PLACE, LABELS, 0.5)) == 0


@pytest.mark.parametrize("shape", [(1, 7, 0), (1, 0, 8), (1, 0, 6)])
def test_nothing_is_found_in_nothing(shape: tuple[int, ...]) -> None:
    found = decode({"output0": np.zeros(shape, np.float32)}, PLACE, LABELS, 0.5)
    assert found.xyxy.shape == (0, 4)


def test_nothing_is_found_where_nothing_is_sure() -> None:
    assert len(decode({"output0": table(1, 7).T[None]}, PLACE, LABELS, 1.1)) == 0


def test_half_floats_do() -> None:
    rows = table(3, 7)
    half = rows.astype(np.float16)
    given = decode({"o": half.T[None]}, PLACE, LABELS, 0.6)
    same(given, slow(half.astype(np.float32), False, 0.6))


def test_a_table_of_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="3 labels make 7 columns"):
        decode({"output0": np.zeros((1, 84, 8400), np.float32)}, PLACE, LABELS, 0.5)


def test_boxes_found_in_a_crop_are_placed_in_the_frame() -> None:
    place = fit(WHOLE.crop((100, 0, 200, 50)), form((64, 64)))[1]
    output = np.array([[32.0], [32.0], [16.0], [8.0], [0.1], [0.8], [0.3]], np.float32)[None]
    found = decode({"output0": output}, place, LABELS, 0.5)
    np.testing.assert_allclose(found.xyxy, [[137.5, 18.75, 162.5, 31.25]])


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((1, 84, 8400), 80),
        ((1, 8400, 84), 80),
        ((1, 25200, 85), 80),
        ((1, 84, "anchors"), 80),
        (("batch", "n", "c"), 80),
        ((1, 84, 8400), None),
        ((1, 300, 6), 80),
        ((1, 300, 6), 2),
        ((1, 300, 6), 296),
        ((1, 300, 6), None),
        (("batch", "n", 6), 1),
        ((1, 8400, 6), 2),
        ((1, 5, 8400), 1),
        ((1, 6, 8400), 2),
    ],
)
def test_the_layouts_of_the_exports_are_no_mismatch(
    shape: tuple[int | str, ...], labels: int | None
) -> None:
    assert mismatch({"output0": shape}, labels) == ""


def test_raw_grids_beside_the_table_are_no_mismatch() -> None:
    shapes = {"output": (1, 25200, 85), "345": (1, 3, 80, 80, 85)}
    assert mismatch(shapes, 80) == ""


@pytest.mark.parametrize(
    ("shape", "labels", "sentence"),
    [
        ((1, 84, 8400), 3, "its output is (1, 84, 8400), where 3 labels make 7 columns "),
        ((1, 84, 8400), 79, "its output is (1, 84, 8400), where 79 labels make 83 columns "),
        ((1, 84, 8400), 81, "its output is (1, 84, 8400), where 81 labels make 85 columns "),
        ((4, 84, 8400), 80, "it takes 4 images at once, where one is given"),
        ((1, 1000), 1000, "a yolo has one output of three axes"),
        ((1, 25200, 85), None, "81 classes without objectness or 80 classes with objectness; name"),
        ((1, 84, 84), 80, "can be read in more than one way"),
        ((1, 4, 8400), None, "is no table of boxes and scores"),
    ],
)
def test_other_outputs_are_named_in_a_sentence(
    shape: tuple[int | str, ...], labels: int | None, sentence: str
) -> None:
    assert sentence in mismatch({"output0": shape}, labels)


def test_outputs_of_another_family_are_named() -> None:
    assert "is for masks" in mismatch({"a": (1, 116, 8400), "b": (1, 32, 160, 160)}, 80)
    assert "one output of three axes" in mismatch({"a": (1, 9, 4), "b": (1, 8, 3)}, 2)
    assert "no outputs" in mismatch({}, 2)


def test_the_four_outputs_are_known_by_their_names() -> None:
    shapes: dict[str, tuple[int | str, ...]] = {
        "num_dets": (1, 1),
        "det_boxes": (1, 100, 4),
        "det_scores": (1, 100),
        "det_classes": (1, 100),
    }
    assert mismatch(shapes, 80) == ""
    assert "(1, K, 4) is wanted" in mismatch(shapes | {"det_boxes": (1, 400)}, 80)
    assert "8 images at once" in mismatch(shapes | {"det_boxes": (8, 100, 4)}, 80)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("columns", [6, 7, 8])
def test_numbers_out_of_all_bounds_give_sound_boxes_or_none(seed: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    wild = np.array([math.nan, math.inf, -math.inf, 0, -1, 1e-40, 1e38, -3e38], np.float32)
    rows = table(seed, columns, 3 * CELLS if columns == 8 else CELLS)
    hit = random.random(rows.shape) < 0.1
    rows[hit] = random.choice(wild, int(hit.sum()))
    found = decode({"output0": rows[None]}, PLACE, LABELS, 0.01)
    assert len(found) > 0
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [200, 100, 200, 100]).all()
    assert (np.diff(found.confidence) <= 0).all()
