"""Cells of grids, and which grids there are."""

import pytest

from appliance.inference.families.grids import cells, number, strides_of

KNOWN = ((8, 16, 32), (8, 16, 32, 64))


def test_cells_come_grid_by_grid_and_row_by_row() -> None:
    assert cells((32, 16), (8, 16)).tolist() == [
        *([column, row, 8.0] for row in (0.0, 1.0) for column in (0.0, 1.0, 2.0, 3.0)),
        [0.0, 0.0, 16.0],
        [1.0, 0.0, 16.0],
    ]


def test_a_cell_may_reach_out_of_the_input() -> None:
    assert number((20, 9), (8,)) == 3 * 2
    assert len(cells((20, 9), (8,))) == 6


@pytest.mark.parametrize(
    ("count", "size", "strides"),
    [(8400, (640, 640), KNOWN[0]), (2100, (320, 320), KNOWN[0]), (2125, (320, 320), KNOWN[1])],
)
def test_the_strides_are_told_from_the_number_of_cells(
    count: int, size: tuple[int, int], strides: tuple[int, ...]
) -> None:
    assert strides_of(count, size, KNOWN) == strides


def test_a_number_that_no_strides_make_is_told() -> None:
    with pytest.raises(ValueError, match=r"gives 99 candidates, .* 64 x 32 has 42 or 43 cells"):
        strides_of(99, (64, 32), KNOWN)
