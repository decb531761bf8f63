"""YOLO with turned boxes: the table of a detector with an angle at the end.

Output: (1, 4 + C + 1, N), or the same with N first: centre x, centre y, width, height in pixels of
the input, C scores in 0..1, and the angle in radians, clockwise as seen. Source: the exports of v8,
v11 and v12; the suppression goes by `rotated`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import rotated
from appliance.inference.families.fitting import Fitted, Values
from appliance.inference.families.yolo_heads import (
    OVERLAP,
    Head,
    Shape,
    candidates,
    form,
    head,
    open_axes,
    table_name,
)
from blocks.data import Detections

__all__ = ["decode", "form", "mismatch"]


def mismatch(shapes: Mapping[str, tuple[int | str, ...]], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    try:
        shape = shapes[table_name(shapes)]
        if not open_axes(shape):
            _head(shape, labels, None)
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
    """The boxes at least this sure, the surest first, without near duplicates of one class.

    `xyxy` is what surrounds a turned box, cut at the image's edges. Columns of `data`: `angle`,
    (N,) float32, degrees in 0..180 that the side called width is turned clockwise in the frame;
    `corners`, (N, 8) float32, x and y of the four corners in the frame, not cut: clockwise, from
    where the top left goes to.

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    output = outputs[table_name({name: value.shape for name, value in outputs.items()})]
    if not output.size:
        return Detections.empty()
    layout = _head(output.shape, len(labels) or None, place.size)
    found = candidates(output, layout, confidence, place.size)
    if found.factor[0] != found.factor[1]:
        raise ValueError(
            "it gives turned boxes in 0..1 of an input that is not square, whose sides cannot be "
            "told; export it with boxes in pixels, or with a square input"
        )
    found = found.rows(rotated.kept(found.box, found.further[:, 0], found.class_id, overlap))
    corners = rotated.corners(found.box, found.further[:, 0])
    xyxy = place.boxes(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1))
    seen = np.flatnonzero(np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1))
    corners = place.points(corners[seen])
    made = found.rows(seen).detections(xyxy[seen], labels)
    columns = {"angle": _degrees(corners), "corners": corners.reshape(-1, 8)}
    return replace(made, data={**made.data, **columns})


def _head(shape: Shape, labels: int | None, size: tuple[int, int] | None) -> Head:
    found = head(shape, labels, further=1, size=size)
    if found.finished:
        raise ValueError(
            f"its output {tuple(shape)} looks like turned boxes with the suppression done, which "
            "exports write in different ways; export it without (nms=False)"
        )
    return found


def _degrees(corners: Values) -> Values:
    """Which way the first side points, in 0..180; a turn by half a circle is none."""
    side = corners[:, 1] - corners[:, 0]
    degrees = np.asarray(np.degrees(np.arctan2(side[:, 1], side[:, 0])) % 180, np.float32)
    return np.where(degrees >= 180, np.float32(0), degrees)
