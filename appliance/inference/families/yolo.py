"""YOLO detectors: v5 to v12 as they are exported, with the suppression outside or inside.

Outputs, told by their names and shapes and the number of labels C:
one (1, 4 + C, N) or (1, N, 4 + C): centre x, centre y, width, height, scores (v8, v9, v11, v12);
one (1, N, 5 + C): the same with an objectness before the scores (v5, v6, v7);
one (1, K, 6): x1, y1, x2, y2, score, class (v10, and exports with the suppression inside);
`num_dets` (1, 1), `det_boxes` (1, K, 4), `det_scores` (1, K), `det_classes` (1, K): the outputs of
TensorRT's EfficientNMS plugin, under the names that exporters give them.
Boxes are in pixels of the input, or all in 0..1 of it, which is told by their values; scores are in
0..1. Suppression: greedy, per class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted
from appliance.inference.families.suppression import surest
from appliance.inference.families.yolo_heads import (
    OVERLAP,
    Candidates,
    Head,
    candidates,
    form,
    head,
    open_axes,
    table_name,
)
from blocks.data import Detections

__all__ = ["decode", "form", "mismatch"]

_FINISHED = ("num_dets", "det_boxes", "det_scores", "det_classes")


def mismatch(shapes: Mapping[str, tuple[int | str, ...]], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    if all(name in shapes for name in _FINISHED):
        return _no_boxes(shapes["det_boxes"])
    try:
        shape = shapes[table_name(shapes)]
        if masks := [name for name, other in shapes.items() if len(other) == 4]:
            return f"its output {masks[0]} of four axes is for masks, which a detector has not"
        if not open_axes(shape):
            head(shape, labels)
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

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    if all(name in outputs for name in _FINISHED):
        found = _separate(outputs, confidence, place.size)
    else:
        output = outputs[table_name({name: value.shape for name, value in outputs.items()})]
        if not output.size:
            return Detections.empty()
        layout = head(output.shape, len(labels) or None, size=place.size)
        found = candidates(output, layout, confidence, place.size).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    return seen.detections(xyxy, labels)


def _no_boxes(shape: Sequence[int | str]) -> str:
    if len(shape) != 3 or (isinstance(shape[2], int) and shape[2] != 4):
        return f"det_boxes are {tuple(shape)}, where (1, K, 4) is wanted"
    if isinstance(shape[0], int) and shape[0] != 1:
        return f"it takes {shape[0]} images at once, where one is given"
    return ""


def _separate(
    outputs: Mapping[str, NDArray[Any]], confidence: float, size: tuple[int, int]
) -> Candidates:
    """Of the four outputs, as the one table (1, 6, K) that they are the columns of."""
    number, boxes, scores, classes = (outputs[name] for name in _FINISHED)
    said = int(np.nan_to_num(number.reshape(-1)[0])) if number.size else 0
    count = min(max(said, 0), boxes.shape[1])
    columns = (scores[0, :count], classes[0, :count])
    rows = surest(np.asarray(columns[0], np.float32), confidence)
    corners = np.asarray(boxes[0, :count], np.float32)[rows]
    table = np.column_stack([corners, *(np.asarray(c, np.float32)[rows] for c in columns)])
    layout = Head(False, False, finished=True, classes=0, further=0, count=len(table))
    return candidates(table[None], layout, confidence, size)
