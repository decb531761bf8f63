"""Leaving out boxes that say the same thing twice."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Only so many of the surest candidates are compared: the work grows as the square of them.
MOST_BOXES = 300


def surest(confidence: NDArray[np.float32], bar: float, most: int = MOST_BOXES) -> NDArray[np.intp]:
    """The rows that are at least this sure, the surest first, `most` of them."""
    rows = np.flatnonzero(confidence >= bar)
    if len(rows) > 4 * most:
        rows = rows[np.argpartition(-confidence[rows], most)[:most]]
    return np.asarray(rows[np.argsort(-confidence[rows], kind="stable")][:most], np.intp)


def kept(
    xyxy: NDArray[np.float32],
    confidence: NDArray[np.float32],
    group: NDArray[np.integer[Any]],
    overlap: float,
) -> NDArray[np.intp]:
    """The rows of boxes (N, 4) that stay, the surest first.

    Of two of one group (its class, mostly) that overlap more than `overlap` (intersection over
    union), the less sure goes: greedy, as in OpenCV's NMSBoxesBatched.
    """
    if not len(xyxy):
        return np.zeros(0, np.intp)
    # OpenCV takes arrays here; its stubs speak of lists.
    xywh: Any = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    groups: Any = group.astype(np.int32)
    sure: Any = confidence.astype(np.float32)
    return np.asarray(cv2.dnn.NMSBoxesBatched(xywh, sure, groups, 0.0, overlap), np.intp).reshape(
        -1
    )
