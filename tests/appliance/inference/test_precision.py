"""How far outputs are from others."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.precision import difference, has_bf16, processor_flags

VALUES = np.array([[0.0, 2.0, 4.0, 6.0]])  # spread: the square root of 5


def off(found: NDArray[np.generic], expected: NDArray[np.generic]) -> float:
    return difference({"x": found}, {"x": expected})[0]


def test_the_same_is_no_difference() -> None:
    assert difference({"x": VALUES}, {"x": VALUES.copy()}) == (0.0, "x")


def test_it_is_the_error_in_parts_of_the_spread() -> None:
    assert off(VALUES + 0.1, VALUES) == pytest.approx(0.1 / 5**0.5)


def test_the_farthest_output_counts_and_is_named() -> None:
    found = {"near": VALUES + 0.1, "far": VALUES + 1}
    assert difference(found, {"near": VALUES, "far": VALUES})[1] == "far"


def test_an_output_that_hardly_moves_has_little_to_differ_from() -> None:
    assert off(np.full((1, 4), 1e-9), np.zeros((1, 4))) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    "found", [np.zeros((1, 3)), np.full((1, 4), np.nan), np.full((1, 4), np.inf)]
)
def test_another_shape_or_no_number_is_infinitely_far(found: NDArray[np.float64]) -> None:
    assert off(found, VALUES) == np.inf


def test_what_is_no_number_in_both_is_the_same() -> None:
    values = np.array([np.nan, np.inf, 1.0, 2.0])
    assert off(values, values.copy()) == 0.0
    assert off(np.array([np.nan, np.inf, 1.0, 2.1]), values) == pytest.approx(0.05 / 0.5)


def test_numbers_that_cannot_be_less_than_nothing_are_subtracted_all_the_same() -> None:
    assert off(np.array([[1, 3]], np.uint8), np.array([[3, 1]], np.uint8)) == 2.0


def test_rows_of_finished_detections_may_change_places() -> None:
    rows = np.random.default_rng(0).random((1, 5, 6))
    assert off(rows[:, ::-1], rows) == 0.0
    assert off(rows[:, ::-1, :4], rows[..., :4]) > 0.5


CPUINFO = (
    "processor : 0\nmodel name : X\nflags\t\t: fpu avx512_bf16 aes\n\nprocessor : 1\nflags : y"
)


def test_what_a_processor_can_do_stands_in_cpuinfo(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    assert processor_flags(path) == ["aes", "avx512_bf16", "fpu"]
    assert has_bf16(path)


@pytest.mark.parametrize("flags", ["avx512f avx512_vnni", "amx_int8 amx_tile"])
def test_a_processor_without_bf16_has_none(tmp_path: Path, flags: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    assert not has_bf16(tmp_path / "cpuinfo")


def test_amx_computes_in_bf16_too(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags : amx_bf16 amx_tile\n")
    assert has_bf16(tmp_path / "cpuinfo")


def test_without_cpuinfo_nothing_is_known(tmp_path: Path) -> None:
    assert processor_flags(tmp_path / "cpuinfo") == []
