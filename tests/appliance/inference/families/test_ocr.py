"""Where lines of text are."""

import math

import cv2
import numpy as np
import pytest

from appliance.inference.families.fitting import Fitted, Form, fit
from appliance.inference.families.ocr import TextLines, decode, form, mismatch, size_for
from blocks.data import Image


def placed(width: int, height: int, wanted: Form) -> Fitted:
    return fit(Image.from_bgr(np.zeros((height, width, 3), np.uint8)), wanted)[1]


PLACE = placed(200, 100, Form((200, 100)))


def found_in(sure: np.ndarray, place: Fitted = PLACE, **bars: float) -> TextLines:
    return decode({"map": sure[None, None].astype(np.float32)}, place, (), **bars)


def blank() -> np.ndarray:
    return np.zeros((100, 200), np.float32)


def test_a_line_is_grown_by_its_area_over_its_perimeter() -> None:
    sure = blank()
    sure[40:49, 50:89] = 0.9
    found = found_in(sure)
    # Strokes are widened by a pixel to the right and below: 40 x 10, so 1.6 * 400 / 100 all round.
    assert found.corners.tolist() == [
        [
            pytest.approx([50 - 6.4, 40 - 6.4], abs=1e-3),
            pytest.approx([90 + 6.4, 40 - 6.4], abs=1e-3),
            pytest.approx([90 + 6.4, 50 + 6.4], abs=1e-3),
            pytest.approx([50 - 6.4, 50 + 6.4], abs=1e-3),
        ]
    ]
    assert found.xyxy.tolist() == [pytest.approx([43.6, 33.6, 96.4, 56.4], abs=1e-3)]
    # The widened pixels count as they are, unsure.
    assert found.confidence.tolist() == pytest.approx([0.9 * 39 * 9 / 400], abs=1e-4)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 15, 40])
def test_a_slanted_line_keeps_its_slant_and_its_order_of_corners(degrees: int) -> None:
    shape = ((100.0, 50.0), (80.0, 12.0), float(degrees))
    sure = blank()
    cv2.fillPoly(sure, [np.round(cv2.boxPoints(shape)).astype(np.int32)], 1.0)
    (corners,) = found_in(sure, growth=0.0).corners
    along = corners[1] - corners[0]
    assert math.degrees(math.atan2(along[1], along[0])) == pytest.approx(degrees, abs=2)
    assert np.linalg.norm(along) == pytest.approx(82, abs=3)
    assert np.linalg.norm(corners[3] - corners[0]) == pytest.approx(13, abs=3)
    # Clockwise as seen: the second edge is the first, turned to the right.
    down = corners[3] - corners[0]
    assert along[0] * down[1] - along[1] * down[0] > 0


def test_two_strokes_with_a_pixel_between_are_one_line() -> None:
    sure = blank()
    sure[40:50, 50:70] = sure[40:50, 71:90] = 0.95
    assert len(found_in(sure)) == 1
    sure[:, 71:74] = 0
    assert len(found_in(sure)) == 2


def test_what_is_unsure_or_small_is_left_out() -> None:
    sure = blank()
    sure[10:20, 10:60] = 0.4
    assert len(found_in(sure)) == 0
    assert len(found_in(sure, confidence=0.3)) == 1
    sure[10:20, 10:60] = 0.2
    assert len(found_in(sure, confidence=0.1)) == 0
    assert len(found_in(sure, confidence=0.1, text=0.15)) == 1
    sure = blank()
    sure[50, 50:90] = 1.0
    assert len(found_in(sure, confidence=0.1)) == 0


def test_lines_come_in_reading_order() -> None:
    sure = blank()
    for left, top in ((120, 12), (10, 10), (10, 40), (120, 38), (10, 70)):
        sure[top : top + 10, left : left + 50] = 0.9
    middles = found_in(sure).corners.mean(axis=1)
    expected = [[35, 15], [145, 17], [35, 45], [145, 43], [35, 75]]
    assert np.abs(middles - expected).max() <= 0.6


def test_places_are_those_of_the_frame() -> None:
    frame = Image.from_bgr(np.zeros((300, 500, 3), np.uint8))
    place = fit(frame.crop((100, 50, 300, 150)), Form((400, 200)))[1]
    sure = blank()
    sure[40:49, 50:89] = 0.9
    found = found_in(sure, place)
    assert found.xyxy.tolist() == [pytest.approx([143.6, 83.6, 196.4, 106.4], abs=1e-3)]


def test_lines_at_the_edge_stay_in_the_image() -> None:
    sure = blank()
    sure[0:9, 0:39] = 0.9
    assert found_in(sure).xyxy.tolist() == [pytest.approx([0, 0, 46.4, 16.4], abs=1e-3)]


@pytest.mark.parametrize("value", [0.0, math.nan, -math.inf])
def test_nothing_found_is_empty(value: float) -> None:
    found = found_in(np.full((100, 200), value))
    assert (found.corners.shape, found.confidence.shape, found.xyxy.shape) == (
        (0, 4, 2),
        (0,),
        (0, 4),
    )


def plain(sure: np.ndarray) -> list[tuple[list[float], float]]:
    """Upright lines by loops: regions by flooding, grown, and how sure they are."""
    height, width = sure.shape
    text = {
        (x + dx, y + dy)
        for y in range(height)
        for x in range(width)
        if sure[y, x] >= 0.3
        for dx in (0, 1)
        for dy in (0, 1)
        if x + dx < width and y + dy < height
    }
    result = []
    while text:
        region, edge = set(), [text.pop()]
        while edge:
            x, y = edge.pop()
            region.add((x, y))
            near = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & text
            text -= near
            edge += near
        xs, ys = [x for x, _ in region], [y for _, y in region]
        wide, high = max(xs) - min(xs) + 1, max(ys) - min(ys) + 1
        mean = sum(float(sure[y, x]) for x, y in region) / len(region)
        if min(wide, high) < 3 or mean < 0.5:
            continue
        out = 1.6 * wide * high / (2 * wide + 2 * high)
        box = [min(xs) - out, min(ys) - out, max(xs) + 1 + out, max(ys) + 1 + out]
        limits = (0, 0, width, height)
        edges = [max(box[0], 0), max(box[1], 0), min(box[2], limits[2]), min(box[3], limits[3])]
        result.append((edges, mean))
    return result


@pytest.mark.parametrize("seed", range(6))
def test_upright_lines_agree_with_plain_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure = blank()
    for row in range(4):
        for column in range(3):
            wide, high = int(rng.integers(2, 50)), int(rng.integers(1, 16))
            left, top = 5 + column * 65, 3 + row * 24
            sure[top : top + high, left : left + wide] = rng.uniform(0.2, 1.0)
    found = found_in(sure)
    ours = sorted(zip(found.xyxy.tolist(), found.confidence.tolist(), strict=True))
    expected = sorted(plain(sure))
    assert len(ours) == len(expected) > 0
    for (box, confidence), (known, mean) in zip(ours, expected, strict=True):
        assert box == pytest.approx(known, abs=1e-3)
        assert confidence == pytest.approx(mean, abs=1e-4)


def test_the_input_is_large_enough_to_read_and_a_multiple_of_32() -> None:
    assert size_for(640, 480) == (992, 736)
    assert size_for(1920, 1080) == (1920, 1088)
    assert size_for(4000, 1000) == (1984, 512)
    assert size_for(8000, 10) == (1984, 32)


def test_the_form_is_blue_first_in_minus_1_to_1() -> None:
    blue = np.zeros((32, 32, 3), np.uint8)
    blue[..., 0] = 255
    tensor, _ = fit(Image.from_bgr(blue), form((32, 32)))
    assert tensor[0, :, 0, 0].tolist() == [1.0, -1.0, -1.0]


def test_shapes_that_are_no_map_of_text_are_told() -> None:
    assert mismatch({"map": ("n", 1, "h", "w")}) == ""
    assert "this model has x (1 x 40 x 6625)" in mismatch({"x": (1, 40, 6625)})
    with pytest.raises(ValueError, match=r"gave no map of text, but x \(1 x 2\)"):
        decode({"x": np.zeros((1, 2))}, PLACE)
