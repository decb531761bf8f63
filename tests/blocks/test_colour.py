"""Colours of the planes that decoders give."""

import itertools

import numpy as np
import pytest

from blocks.colour import Matrix, Pixels, as_bgr, as_rgb, yuv_to_rgb

# What the ITU recommendations give for pure blue: BT.601-7 table 3 and BT.709-6 item 3.
BLUES: list[tuple[Matrix, bool, tuple[int, int, int]]] = [
    ("bt601", False, (41, 240, 110)),
    ("bt601", True, (29, 255, 107)),
    ("bt709", False, (32, 240, 118)),
    ("bt709", True, (18, 255, 116)),
]


def planes_of(yuv: tuple[int, int, int], height: int, width: int) -> tuple[Pixels, ...]:
    half = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), half, half)
    return tuple(np.full(size, value, np.uint8) for size, value in zip(sizes, yuv, strict=True))


@pytest.mark.parametrize(("matrix", "full_range", "yuv"), BLUES)
def test_blue_comes_first_or_last(
    matrix: Matrix, full_range: bool, yuv: tuple[int, int, int]
) -> None:
    for height, width in itertools.product((4, 5), (6, 7)):
        planes = planes_of(yuv, height, width)
        bgr = as_bgr(planes, matrix, full_range=full_range)
        rgb = as_rgb(planes, matrix, full_range=full_range)
        assert bgr.shape == rgb.shape == (height, width, 3)
        np.testing.assert_allclose(bgr.reshape(-1, 3), [(255, 0, 0)] * height * width, atol=3)
        np.testing.assert_allclose(rgb.reshape(-1, 3), [(0, 0, 255)] * height * width, atol=3)


@pytest.mark.parametrize(("matrix", "full_range"), [(m, full) for m, full, _ in BLUES])
def test_an_odd_edge_changes_no_other_pixel(matrix: Matrix, full_range: bool) -> None:
    noise = np.random.default_rng(3)
    y = noise.integers(0, 256, (6, 8), dtype=np.uint8)
    u, v = noise.integers(0, 256, (2, 3, 4), dtype=np.uint8)
    whole = as_bgr((y, u, v), matrix, full_range=full_range)
    part = as_bgr((y[:5, :7], u, v), matrix, full_range=full_range)
    np.testing.assert_array_equal(part, whole[:5, :7])


def test_the_map_of_a_matrix_is_made_once_and_cannot_be_written() -> None:
    affine = yuv_to_rgb("bt709", full_range=True)
    assert affine is yuv_to_rgb("bt709", full_range=True)
    np.testing.assert_allclose(affine[:, 0], 1)
    np.testing.assert_allclose(affine[0, 2], 1.5748, rtol=1e-4)
    with pytest.raises(ValueError, match="read-only"):
        affine[0, 0] = 2
