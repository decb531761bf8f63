"""Pieces of things on both sides of a seam."""

from typing import Any

import numpy as np
import pytest

from blocks.models.seams import Pieces, joined

Box = tuple[float, float, float, float]
# Squares of 200 that share 40 pixels with their neighbours.
LEFT, RIGHT, FARTHER = (0, 0, 200, 200), (160, 0, 360, 200), (320, 0, 520, 200)
BELOW, BELOW_RIGHT = (0, 160, 200, 360), (160, 160, 360, 360)


def together(*found: tuple[Box, Box], class_id: Any = None, look: Any = None) -> list[list[int]]:
    """Which of the boxes, each given with its slice, are of one thing; the image is endless."""
    boxes, slices = (np.array(column, np.float64) for column in zip(*found, strict=True))
    cut = (boxes - slices) * (1, 1, -1, -1) <= 4
    places = [box[1] for box in found]
    looks = [places.index(place) for place in places] if look is None else look
    classes = [0] * len(found) if class_id is None else class_id
    pieces = Pieces(boxes, slices, cut, np.array(looks), np.array(classes))
    return sorted(rows.tolist() for rows in joined(pieces))


def test_a_thing_across_a_seam_is_one() -> None:
    assert together(((50, 50, 200, 90), LEFT), ((160, 52, 300, 92), RIGHT)) == [[0, 1]]


def test_a_thing_across_a_seam_below_is_one() -> None:
    assert together(((50, 50, 90, 198), LEFT), ((52, 161, 92, 300), BELOW)) == [[0, 1]]


def test_slices_that_share_nothing_have_pieces_of_one_thing_where_they_meet() -> None:
    left, right = (0, 0, 200, 200), (200, 0, 400, 200)
    assert together(((50, 50, 200, 90), left), ((200, 50, 260, 90), right)) == [[0, 1]]


def test_a_long_thing_is_one_over_three_slices() -> None:
    found = (((50, 50, 200, 90), LEFT), ((160, 50, 360, 90), RIGHT), ((320, 50, 400, 90), FARTHER))
    assert together(*found) == [[0, 1, 2]]


def test_a_thing_in_the_middle_of_four_slices_is_one() -> None:
    found = (
        ((90, 80, 200, 200), LEFT),
        ((160, 80, 270, 200), RIGHT),
        ((90, 160, 200, 250), BELOW),
        ((160, 160, 270, 250), BELOW_RIGHT),
    )
    assert together(*found) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # One ends before the seam, one begins behind it: two cars, bumper to bumper.
        (((185, 50, 200, 90), LEFT), ((160, 50, 180, 90), RIGHT)),
        # Far apart along the seam.
        (((50, 50, 200, 90), LEFT), ((160, 120, 300, 160), RIGHT)),
        # A person before a bus of one class: the pieces are not alike along the seam.
        (((50, 100, 200, 120), LEFT), ((160, 20, 300, 190), RIGHT)),
        # Not cut off at the side of the other.
        (((50, 50, 195, 90), LEFT), ((170, 50, 300, 90), RIGHT)),
        # Slices that do not meet.
        (((50, 50, 200, 90), LEFT), ((320, 50, 400, 90), FARTHER)),
        # Only a corner is shared.
        (((150, 150, 200, 200), LEFT), ((160, 160, 210, 210), BELOW_RIGHT)),
    ],
)
def test_what_is_not_one_thing_stays_two(one: tuple[Box, Box], other: tuple[Box, Box]) -> None:
    assert together(one, other) == []


def test_pieces_of_two_classes_stay_two() -> None:
    found = (((50, 50, 200, 90), LEFT), ((160, 52, 300, 92), RIGHT))
    assert together(*found, class_id=[0, 1]) == []


def test_of_several_pieces_the_most_alike_go_together() -> None:
    found = (
        ((50, 50, 200, 90), LEFT),
        ((60, 60, 200, 100), LEFT),
        ((160, 61, 300, 101), RIGHT),
        ((160, 49, 290, 89), RIGHT),
    )
    assert together(*found) == [[0, 3], [1, 2]]


def test_what_one_look_tells_apart_is_never_one() -> None:
    found = (
        ((50, 50, 200, 90), LEFT),
        ((60, 52, 200, 92), LEFT),
        ((160, 50, 300, 90), RIGHT),
    )
    assert together(*found) == [[0, 2]]


def test_of_nothing_nothing_is_joined() -> None:
    none = np.zeros((0, 4))
    no = np.zeros(0, np.int64)
    assert joined(Pieces(none, none, none.astype(np.bool_), no, no)) == []
