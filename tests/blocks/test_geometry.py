import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from blocks.geometry import (
    Anchor,
    Line,
    Point,
    Points,
    Polygon,
    Units,
    crossings,
    in_pixels,
    inside,
    segments_cross,
    side_of,
)

POLYGON: TypeAdapter[tuple[Point, ...]] = TypeAdapter(Polygon)
LINE: TypeAdapter[tuple[Point, Point]] = TypeAdapter(Line)

# Between the pixels, where no corner lies.
OFF_GRID = np.array([0.37, 0.41])

places = st.tuples(st.integers(-200, 200), st.integers(-200, 200))


@st.composite
def stars(draw: st.DrawFn) -> Points:
    """Polygons round a middle point: of any shape, never crossing themselves."""
    count = draw(st.integers(3, 9))
    reaches = draw(st.lists(st.integers(20, 200), min_size=count, max_size=count))
    angles = np.arange(count) * 2 * np.pi / count
    return np.round(np.stack([reaches * np.cos(angles), reaches * np.sin(angles)], axis=1))


def array(*points: tuple[float, float]) -> Points:
    return np.array(points, np.float64)


@given(stars(), st.lists(places, min_size=1, max_size=30))
def test_inside_agrees_with_opencv_but_on_the_edge(
    polygon: Points, points: list[tuple[int, int]]
) -> None:
    contour = polygon.astype(np.float32)[:, None]
    probes = array(*points) + OFF_GRID
    distance = np.array([cv2.pointPolygonTest(contour, (x, y), True) for x, y in probes.tolist()])
    clear = np.abs(distance) > 1e-3
    np.testing.assert_array_equal(inside(polygon, probes)[clear], distance[clear] > 0)


@given(stars(), st.lists(places, min_size=1, max_size=10), st.integers(0, 8))
def test_inside_asks_neither_for_the_first_corner_nor_for_the_sense(
    polygon: Points, points: list[tuple[int, int]], turn: int
) -> None:
    probes = array(*points) + OFF_GRID
    answer = inside(polygon, probes)
    np.testing.assert_array_equal(inside(np.roll(polygon, turn, axis=0), probes), answer)
    np.testing.assert_array_equal(inside(polygon[::-1], probes), answer)


def test_neighbouring_zones_share_no_point() -> None:
    left, right = (
        array((0, 0), (10, 0), (10, 10), (0, 10)),
        array((10, 0), (20, 0), (20, 10), (10, 10)),
    )
    on_the_border = array((10, 0), (10, 5), (10, 9))
    both = inside(left, on_the_border).astype(int) + inside(right, on_the_border)
    assert both.tolist() == [1, 1, 1]


@given(places, places, places, places)
def test_crossing_is_symmetric(a: Any, b: Any, c: Any, d: Any) -> None:
    assume(a != b and c != d)
    there = segments_cross(array(a, b), array(c), array(d))
    assert there == segments_cross(array(a, b), array(d), array(c))
    assert there == segments_cross(array(b, a), array(c), array(d))
    assert there == segments_cross(array(c, d), array(a), array(b))


@given(places, places, places, places)
def test_going_back_crosses_the_other_way(a: Any, b: Any, c: Any, d: Any) -> None:
    assume(a != b and c != d)
    # Through the very end of a line, rounding decides.
    assume(np.abs(side_of(array(c, d), array(a, b))).min() > 1e-6)
    there = crossings(array(a, b), array(c), array(d))
    assert crossings(array(a, b), array(d), array(c)) == -there
    assert abs(int(there[0])) <= int(segments_cross(array(a, b), array(c), array(d))[0])


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=30))
def test_along_a_walk_crossings_add_up_to_the_change_of_side(walk: list[tuple[int, int]]) -> None:
    endless = array((-1e4, 0), (1e4, 0))
    steps = array(*walk)
    total = int(crossings(endless, steps[:-1], steps[1:]).sum())
    assert total == int(steps[-1, 1] >= 0) - int(steps[0, 1] >= 0)


def test_in_is_toward_the_right_hand_from_the_first_end_to_the_second() -> None:
    # From left to right in the picture, the right hand is below: y grows downward.
    line = array((0, 50), (100, 50))
    assert side_of(line, array((30, 60), (30, 40), (30, 50))).tolist() == [10, -10, 0]
    assert crossings(line, array((30, 40)), array((30, 60))).tolist() == [1]
    assert crossings(line[::-1], array((30, 40)), array((30, 60))).tolist() == [-1]


def test_a_path_past_the_end_of_a_line_does_not_cross_it() -> None:
    line = array((0, 50), (100, 50))
    assert crossings(line, array((110, 40)), array((110, 60))).tolist() == [0]
    assert not segments_cross(line, array((110, 40)), array((110, 60))).any()


def test_a_path_along_the_line_does_not_cross_it() -> None:
    line = array((0, 50), (100, 50))
    assert not segments_cross(line, array((10, 50)), array((60, 50))).any()
    assert crossings(line, array((10, 50)), array((60, 50))).tolist() == [0]


def test_anchors_are_points_of_the_box() -> None:
    box = np.array([[10, 20, 30, 60]], np.float32)
    assert {a.value: tuple(a.of(box)[0].tolist()) for a in Anchor} == {
        "center": (20, 40),
        "top_center": (20, 20),
        "bottom_center": (20, 60),
        "left_center": (10, 40),
        "right_center": (30, 40),
    }
    assert Anchor.CENTER.of(np.zeros((0, 4), np.float32)).shape == (0, 2)


def test_relative_points_are_parts_of_the_frame_and_pixels_are_pixels() -> None:
    points = ((0.5, 0.25), (1.0, 1.0))
    assert in_pixels(points, Units.RELATIVE, (640, 480)).tolist() == [[320, 120], [640, 480]]
    assert in_pixels(points, Units.PIXELS, (640, 480)).tolist() == [[0.5, 0.25], [1, 1]]


@pytest.mark.parametrize(
    ("corners", "what"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "edge from corner 1 meets the edge from corner 3"),
        ([(0, 0), (4, 0), (4, 4), (2, 0)], "edge from corner 1 meets the edge from corner 3"),
        ([(0, 0), (0.1, 0.1), (0.2, 0.2), (0.3, 0.3)], "no area|crosses itself"),
        ([(0.1, 0.1), (0.2, 0.2), (0.3, 0.3)], "no area: its corners lie on one line"),
        ([(0, 0), (1, 1), (0, 0)], "no area: it takes three different corners"),
        ([(0, 0), (1, 1)], r"a zone takes at least three corners \[x, y\]; this has 2"),
        ([], r"a zone takes at least three corners \[x, y\]; this has 0"),
        ([(0, 0), (1, 1), (float("nan"), 0)], "finite number"),
        ([(0, 0), (1, 1), (0, 1, 2)], r"a point is \[x, y\]; this has 3 numbers"),
    ],
)
def test_a_zone_that_is_none_is_refused(corners: list[Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        POLYGON.validate_python(corners)


CORNERS = "corners are [x, y] pairs, such as [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]"
ENDS = "a line is its two ends: [[x, y], [x, y]]"


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        (0.5, [CORNERS]),
        ({"x": 1}, [CORNERS]),
        ([0.1, 0.1, 0.5, 0.1, 0.5, 0.9], [CORNERS]),
        (["0.1 0.1", "0.5 0.1", "0.5 0.9"], [CORNERS]),
        ([[0.1, 0.1], [0.5], [0.9, 0.9]], ["a point is [x, y]; this has 1 number"]),
        ([[0.1, 0.1], [], [0.9, 0.9]], ["a point is [x, y]; this has 0 numbers"]),
        ([[0.1, 0.1], 0.5, [0.9, 0.9]], ["a point is [x, y]"]),
        ([[[0, 0], [1, 0], [1, 1]]], ["a point is [x, y]; this has 3 parts"]),
        (
            [["0.1 0.1"], ["-5 x"], ["0.5   .9"]],
            [
                "a point is [x, y]: a comma is missing in [0.1 0.1]",
                "a point is [x, y]; this has 1 part",
                "a point is [x, y]: a comma is missing in [0.5   .9]",
            ],
        ),
    ],
)
def test_what_has_not_the_shape_of_a_zone_is_told_it(written: Any, sentences: list[str]) -> None:
    assert said_of(POLYGON, written) == sentences


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (0.5, ENDS),
        ([0.1, 0.5, 0.9, 0.5], ENDS),
        ([[0.3, 0.8]], f"{ENDS}; this has 1"),
        ([[0, 0], [1, 1], [2, 2]], f"{ENDS}; this has 3"),
        ([], f"{ENDS}; this has 0"),
        ([[0.3, 0.8], [0.5]], "a point is [x, y]; this has 1 number"),
    ],
)
def test_what_has_not_the_shape_of_a_line_is_told_it(written: Any, sentence: str) -> None:
    assert said_of(LINE, written) == [sentence]


def said_of(shape: TypeAdapter[Any], written: Any) -> list[str]:
    """What our own validators say of a shape as a file has it."""
    with pytest.raises(ValidationError) as caught:
        shape.validate_json(json.dumps(written), strict=True)
    return [str(e["ctx"]["error"]) for e in caught.value.errors() if e["type"] == "value_error"]


@given(stars())
def test_a_zone_in_walking_order_is_taken_as_it_is(polygon: Points) -> None:
    corners = tuple((float(x), float(y)) for x, y in polygon)
    assert POLYGON.validate_python(corners) == corners


def test_a_closed_ring_and_a_corner_given_twice_are_the_same_zone() -> None:
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert POLYGON.validate_python([*square, square[0]]) == square
    assert POLYGON.validate_python([square[0], *square]) == square
    assert POLYGON.validate_python([*square[:2], *square[1:]]) == square


def test_a_zone_of_a_thousand_corners_is_checked() -> None:
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    corners = [(float(np.cos(a)), float(np.sin(a))) for a in angles]
    assert len(POLYGON.validate_python(corners)) == 1000
    corners[500], corners[700] = corners[700], corners[500]
    with pytest.raises(ValidationError, match="crosses itself"):
        POLYGON.validate_python(corners)


def test_a_line_between_a_point_and_itself_is_refused() -> None:
    assert LINE.validate_python([[0, 0], [1, 0]]) == ((0, 0), (1, 0))
    with pytest.raises(ValidationError, match="two ends of the line are the same point"):
        LINE.validate_python([[0.5, 0.5], [0.5, 0.5]])
