"""YOLO with keypoints: the table of a detector with x, y, confidence for each keypoint.

Output: (1, 4 + C + 3 K, N), or one of the other layouts of `yolo` with 3 K more columns; C is 1
mostly, a person of 17 keypoints. Points are in pixels of the input, or as the boxes in 0..1 of it,
confidences in 0..1. Source: Maji et al., YOLO-Pose, 2022, and the exports of v7 to v12.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted
from appliance.inference.families.yolo_heads import (
    OVERLAP,
    candidates,
    form,
    head,
    open_axes,
    table_name,
)
from blocks.data import Detections

__all__ = ["decode", "form", "mismatch"]


def mismatch(shapes: Mapping[str, tuple[int | str, ...]], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing.

    Where the number is not known, there is one label.
    """
    try:
        shape = shapes[table_name(shapes)]
        if not open_axes(shape):
            head(shape, labels or 1, further=None)
    except ValueError as error:
        return str(error)
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The boxes at least this sure, the surest first, with their keypoints (N, K, 3).

    A keypoint may lie outside of the frame; its confidence is the model's own.

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    output = outputs[table_name({name: value.shape for name, value in outputs.items()})]
    if not output.size:
        return Detections.empty()
    layout = head(output.shape, len(labels) or 1, further=None, size=place.size)
    found = candidates(output, layout, confidence, place.size).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    keypoints = seen.further.reshape(len(xyxy), layout.further // 3, 3).copy()
    keypoints[..., :2] = place.points(keypoints[..., :2] * np.array(seen.factor, np.float32))
    return replace(seen.detections(xyxy, labels), keypoints=keypoints)
