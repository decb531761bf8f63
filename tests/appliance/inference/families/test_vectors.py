"""Outputs that are one row of numbers."""

import numpy as np
import pytest

from appliance.inference.families.vectors import described, length, rows


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 1000), 1000),
        ((1, 1280, 1, 1), 1280),
        ((1, 1, 5), 5),
        (("n", 5), 5),
        ((1, "classes"), 0),
        ((1, 1), 1),
        ((1, 7, 7), None),
        ((4, 5), None),
        ((5,), None),
    ],
)
def test_how_many_numbers_an_output_has_for_one_image(
    shape: tuple[int | str, ...], count: int | None
) -> None:
    assert length(shape) == count


def test_only_outputs_of_one_row_are_rows() -> None:
    found = rows({"a": np.ones((1, 3, 1, 1)), "map": np.ones((1, 3, 4, 4))})
    assert {name: values.tolist() for name, values in found.items()} == {"a": [1.0, 1.0, 1.0]}
    assert found["a"].dtype == np.float32


def test_outputs_are_described_in_words() -> None:
    assert described({"a": (1, "n", 3), "b": (1, 2)}) == "a (1 x n x 3), b (1 x 2)"
    assert described({}) == "no outputs"
