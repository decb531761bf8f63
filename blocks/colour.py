"""From brightness and colour differences, as decoders give them, to red, green and blue."""

from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Matrix = Literal["bt601", "bt709"]

# Luma weights of red and blue, of ITU-R BT.601 and BT.709.
_WEIGHTS: dict[Matrix, tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def as_bgr(planes: tuple[Pixels, ...], matrix: Matrix, *, full_range: bool) -> Pixels:
    """(height, width, 3), blue first, of the planes of a `yuv420p` image.

    A pixel is the same in an image and in any part of it.
    """
    y, u, v = planes
    height, width = y.shape
    if height % 2 or width % 2:
        # OpenCV's conversion takes even sizes only, and differs from the formula below black.
        edge = cv2.copyMakeBorder(y, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        y = np.asarray(edge, np.uint8)
    return _converted((y, u, v), "bgr", matrix, full_range=full_range)[:height, :width]


def as_rgb(planes: tuple[Pixels, ...], matrix: Matrix, *, full_range: bool) -> Pixels:
    """(height, width, 3), red first, of the planes of a `yuv420p` image."""
    return _converted(planes, "rgb", matrix, full_range=full_range)


def _converted(
    planes: tuple[Pixels, ...], order: Literal["bgr", "rgb"], matrix: Matrix, *, full_range: bool
) -> Pixels:
    y, u, v = planes
    height, width = y.shape
    if matrix == "bt601" and not full_range and width % 2 == 0 and height % 2 == 0:
        # OpenCV's own conversion is of this one kind, and several times as fast.
        i420 = np.concatenate([y.reshape(-1), u.reshape(-1), v.reshape(-1)])
        code = cv2.COLOR_YUV2BGR_I420 if order == "bgr" else cv2.COLOR_YUV2RGB_I420
        return np.asarray(cv2.cvtColor(i420.reshape(height * 3 // 2, width), code), np.uint8)
    big_u = cv2.resize(u, (width, height), interpolation=cv2.INTER_NEAREST)
    big_v = cv2.resize(v, (width, height), interpolation=cv2.INTER_NEAREST)
    merged = cv2.merge([y, big_u, big_v])
    transform = yuv_to_rgb(matrix, full_range=full_range)
    if order == "bgr":
        transform = transform[::-1].copy()
    return np.asarray(cv2.transform(merged, transform), np.uint8)


@cache
def yuv_to_rgb(matrix: Matrix, *, full_range: bool) -> NDArray[np.float32]:
    """The (3, 4) affine map from 8-bit YUV to RGB of ITU-R BT.601 or BT.709, read-only."""
    red, blue = _WEIGHTS[matrix]
    green = 1.0 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    to_red, to_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    rows = np.array(
        [
            [luma, 0.0, to_red],
            [luma, -to_blue * blue / green, -to_red * red / green],
            [luma, to_blue, 0.0],
        ]
    )
    shift = -rows @ np.array([black, 128.0, 128.0])
    affine: NDArray[np.float32] = np.concatenate([rows, shift[:, None]], axis=1).astype(np.float32)
    affine.flags.writeable = False
    return affine
