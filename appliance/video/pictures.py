"""Decodes one picture file.

By OpenCV, not libav: it turns a picture as its EXIF orientation says, and it refuses one that is
cut short, where libav fills the rest with grey.
"""

from pathlib import Path

import cv2
import numpy as np

from blocks.data import Image

_KINDS = "jpg jpeg jpe jfif png bmp dib webp tif tiff ppm pgm pbm pnm jp2 gif avif"
SUFFIXES = frozenset(_KINDS.split())
"""Of the names of pictures, without the dot, in small letters.

Of a file with several pages the first is taken."""

LARGEST_BYTES = 256 << 20

# What it logs of a broken picture, many lines, is said by our one sentence.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class PictureError(Exception):
    """A file that gives no picture, and why."""


def is_picture(name: str) -> bool:
    """Whether the name is that of a picture, and neither hidden nor of a file being written."""
    stem, _, suffix = name.rpartition(".")
    return stem != "" and not name.startswith(".") and suffix.lower() in SUFFIXES


def read_picture(path: Path) -> Image:
    """The picture, upright, of 8 bits in three colours.

    Raises:
        FileNotFoundError: it is not there, or no more.
        PictureError: it cannot be read or decoded.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise PictureError(f"{path}: it is larger than {LARGEST_BYTES >> 20} MiB")
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PictureError(f"{path}: it cannot be read: {error.strerror}") from None
    if not content:
        raise PictureError(f"{path}: the file is empty (0 bytes)")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        raise PictureError(f"{path}: it has more pixels than can be decoded") from None
    # The annotations of cv2 do not tell that it is None.
    if pixels is None:
        raise PictureError(f"{path}: this is no picture, or one cut short or damaged")
    return Image.from_bgr(np.asarray(pixels, np.uint8))
