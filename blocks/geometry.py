"""Points, lines and zones: the shapes that blocks test boxes against.

Shapes in a workflow file are 0..1 of the frame, or pixels; the functions here take frame pixels.
"""

import re
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

_TWO_NUMBERS = re.compile(r"\s*-?[\d.]+\s+-?[\d.]+\s*")


def _pair(value: Any) -> tuple[Any, ...]:
    """What is written for a point, if it has the shape of one."""
    parts = tuple(value) if isinstance(value, list | tuple) else None
    if parts is None:
        raise ValueError("a point is [x, y]")
    if len(parts) == 2:
        return parts
    if len(parts) == 1 and isinstance(parts[0], str) and _TWO_NUMBERS.fullmatch(parts[0]):
        raise ValueError(f"a point is [x, y]: a comma is missing in [{parts[0]}]")
    counts = "number" if all(isinstance(part, int | float) for part in parts) else "part"
    raise ValueError(f"a point is [x, y]; this has {len(parts)} {counts}{'s'[len(parts) == 1 :]}")


Point = Annotated[tuple[FiniteFloat, FiniteFloat], BeforeValidator(_pair)]
Points = NDArray[np.float64]


class Units(StrEnum):
    """What the numbers of a shape count."""

    RELATIVE = "relative"
    PIXELS = "pixels"


class Anchor(StrEnum):
    """The point of a box that stands for it."""

    CENTER = "center"
    TOP_CENTER = "top_center"
    BOTTOM_CENTER = "bottom_center"
    LEFT_CENTER = "left_center"
    RIGHT_CENTER = "right_center"

    def of(self, xyxy: NDArray[np.float32]) -> Points:
        """The anchors (N, 2) of boxes (N, 4)."""
        along, down = _ANCHORS[self]
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        x = boxes[:, 0] + along * (boxes[:, 2] - boxes[:, 0])
        y = boxes[:, 1] + down * (boxes[:, 3] - boxes[:, 1])
        return np.stack([x, y], axis=1)


_ANCHORS: dict[Anchor, tuple[float, float]] = {
    Anchor.CENTER: (0.5, 0.5),
    Anchor.TOP_CENTER: (0.5, 0.0),
    Anchor.BOTTOM_CENTER: (0.5, 1.0),
    Anchor.LEFT_CENTER: (0.0, 0.5),
    Anchor.RIGHT_CENTER: (1.0, 0.5),
}


def _corners(value: Any) -> tuple[Any, ...]:
    if not _is_list_of_lists(value):
        raise ValueError("corners are [x, y] pairs, such as [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]")
    # What is wrong with a point, the point says; here all are pairs, and too few.
    if len(value) < 3 and all(isinstance(p, list | tuple) and len(p) == 2 for p in value):
        raise ValueError(f"a zone takes at least three corners [x, y]; this has {len(value)}")
    return tuple(value)


def _ends(value: Any) -> tuple[Any, ...]:
    if not _is_list_of_lists(value) or len(value) != 2:
        counted = f"; this has {len(value)}" if _is_list_of_lists(value) else ""
        raise ValueError(f"a line is its two ends: [[x, y], [x, y]]{counted}")
    return tuple(value)


def _is_list_of_lists(value: Any) -> bool:
    """Whether at least one point seems to be meant; what is wrong with the others, they say."""
    if not isinstance(value, list | tuple):
        return False
    return not value or any(isinstance(part, list | tuple) for part in value)


def _without_repeats(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    # Drawing tools close a ring by its first corner, and a double click gives a corner twice.
    before = (corners[-1], *corners[:-1])
    kept = tuple(corner for corner, last in zip(corners, before, strict=True) if corner != last)
    if len(kept) < 3:
        raise ValueError("the zone has no area: it takes three different corners")
    # Of a closed ring the first corner fell away as a repeat of the last; it begins again with it.
    return kept if corners[0] != corners[-1] else (kept[-1], *kept[:-1])


def _not_crossing_itself(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    starts = np.array(corners, np.float64)
    ends = np.roll(starts, -1, axis=0)
    count = len(starts)
    # Of each edge, those that come later but for its neighbours, which it meets in a corner.
    for i in range(count - 2):
        later = np.arange(i + 2, count - (i == 0))
        met = segments_cross(np.stack([starts[i], ends[i]]), starts[later], ends[later])
        if met.any():
            raise ValueError(
                f"the zone crosses itself: the edge from corner {i + 1} meets the edge from "
                f"corner {later[met][0] + 1}; give the corners in the order in which you walk "
                "round it"
            )
    # Compared with its extent: rounding leaves even corners on one line some area.
    if _area(starts) <= 1e-9 * float(np.prod(np.ptp(starts, axis=0))):
        raise ValueError("the zone has no area: its corners lie on one line")
    return corners


def _two_ends(ends: tuple[Point, Point]) -> tuple[Point, Point]:
    if ends[0] == ends[1]:
        raise ValueError("the two ends of the line are the same point")
    return ends


Polygon = Annotated[
    tuple[Point, ...],
    Field(min_length=3, max_length=1000),
    BeforeValidator(_corners),
    AfterValidator(_without_repeats),
    AfterValidator(_not_crossing_itself),
]
"""Corners of an area, in walking order; closed by itself."""

Line = Annotated[tuple[Point, Point], BeforeValidator(_ends), AfterValidator(_two_ends)]
"""Two ends. Seen along it, from the first to the second, `in` is toward the right hand."""


def in_pixels(points: tuple[Point, ...], units: Units, frame_size: tuple[int, int]) -> Points:
    """The points (N, 2) in pixels of a frame of (width, height)."""
    array = np.array(points, np.float64)
    return array if units is Units.PIXELS else array * np.array(frame_size, np.float64)


def inside(polygon: Points, points: Points) -> NDArray[np.bool_]:
    """Which of the points (N, 2) lie inside the polygon (M, 2), by the even-odd rule.

    Source: the crossing-number test of M. Shimrat, "Algorithm 112", CACM 5 (1962).
    """
    x, y = points[:, 0:1], points[:, 1:2]
    x1, y1 = polygon[:, 0], polygon[:, 1]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    spans = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing_x = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    return np.asarray((spans & (x < crossing_x)).sum(axis=1) % 2 == 1)


def side_of(line: Points, points: Points) -> Points:
    """Signed distances (N,) of points (N, 2) from the endless line through (2, 2), in pixels.

    Positive on the right hand of one who looks from the first end to the second.
    """
    start, along = line[0], line[1] - line[0]
    offset = points - start
    cross = along[0] * offset[:, 1] - along[1] * offset[:, 0]
    return np.asarray(cross / np.hypot(*along), np.float64)


def segments_cross(line: Points, start: Points, end: Points) -> NDArray[np.bool_]:
    """Which of the paths from start (N, 2) to end (N, 2) cross the line (2, 2) between its ends."""
    first, along = line[0], line[1] - line[0]
    path = end - start
    denominator = along[0] * path[:, 1] - along[1] * path[:, 0]
    offset = start - first
    with np.errstate(divide="ignore", invalid="ignore"):
        on_line = (offset[:, 0] * path[:, 1] - offset[:, 1] * path[:, 0]) / denominator
        on_path = (offset[:, 0] * along[1] - offset[:, 1] * along[0]) / denominator
    met = (on_line >= 0) & (on_line <= 1) & (on_path >= 0) & (on_path <= 1)
    return np.asarray(met & (denominator != 0))


def crossings(line: Points, start: Points, end: Points) -> NDArray[np.int64]:
    """Which paths from start (N, 2) to end (N, 2) cross the line (2, 2) between its ends.

    1 where a path goes `in`, to the right hand; -1 where it goes `out`; 0 where it does not cross.
    The line itself counts to the right hand, so that two paths that meet on it cross it once.
    """
    before, after = side_of(line, start), side_of(line, end)
    turn = (after >= 0).astype(np.int64) - (before >= 0).astype(np.int64)
    share = before / np.where(turn == 0, 1.0, before - after)
    along = line[1] - line[0]
    place = (start + share[:, None] * (end - start) - line[0]) @ along / (along @ along)
    return np.where((place >= 0) & (place <= 1), turn, 0)


def _area(points: Points) -> float:
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
