"""From a decoded picture to an `Image`: plain arrays, so that nothing of av leaves this package."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from blocks.data import Image, Matrix

# Codes of ITU-T H.273, table 4. BT.2020 has nearly the weights of BT.709.
_MATRICES: dict[int, Matrix] = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",
    9: "bt709",
    10: "bt709",
}
_HD_CODECS = ("h264", "hevc")
_HD_LINES = 720


def image_of(picture: av.VideoFrame, codec: str) -> Image:
    """The picture's pixels; they stay in the decoder's buffers, which are theirs while they live.

    4:2:0 of 8 bits is taken as it is, RGB becomes `bgr24`, and all else 4:2:0 of the same range.

    Raises:
        ValueError, av.FFmpegError: the pixel format cannot be converted.
    """
    pixel_format = picture.format
    name = pixel_format.name
    if pixel_format.is_rgb or pixel_format.has_palette or pixel_format.is_bayer:
        return Image((np.array(picture.to_ndarray(format="bgr24"), np.uint8),))
    full_range = _full_range(picture, codec)
    matrix = _matrix(picture, codec)
    if name not in ("yuv420p", "yuvj420p"):
        # One range on both sides keeps the numbers; swscale holds every grey to be of full range.
        keep = ColorRange.JPEG if full_range or name.startswith("gray") else ColorRange.MPEG
        picture = picture.reformat(format="yuv420p", src_color_range=keep, dst_color_range=keep)
    planes = tuple(_rows(plane) for plane in picture.planes)
    return Image(planes, "yuv420p", matrix=matrix, full_range=full_range)


def _rows(plane: Any) -> NDArray[np.uint8]:
    # The rows in the decoder's buffer are padded to line_size. The array holds the plane, the plane
    # its picture, and the picture the buffer: the decoder takes another one for the next.
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _matrix(picture: av.VideoFrame, codec: str) -> Matrix:
    guess: Matrix = "bt709" if codec in _HD_CODECS and picture.height >= _HD_LINES else "bt601"
    return _MATRICES.get(picture.colorspace, guess)


def _full_range(picture: av.VideoFrame, codec: str) -> bool:
    if picture.color_range != ColorRange.UNSPECIFIED:
        return picture.color_range == ColorRange.JPEG
    name = picture.format.name
    return name.startswith("yuvj") or (name.startswith("gray") and codec not in _HD_CODECS)
