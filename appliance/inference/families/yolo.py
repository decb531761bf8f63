"""YOLO detectors: v5 to v12 as they are exported, with the suppression outside or inside.

Outputs, told by their names and shapes and the number of labels C:
one (1, 4 + C, N) or (1, N, 4 + C): centre x, centre y, width, height, scores (v8, v9, v11, v12);
one (1, N, 5 + C): the same with an objectness before the scores (v5, v6, v7);
one (1, K, 6): x1, y1, x2, y2, score, class (v10, and exports with the suppression inside);
`num_dets` (1, 1), `det_boxes` (1, K, 4), `det_scores` (1, K), `det_classes` (1, K): the outputs of
TensorRT's EfficientNMS plugin, under the names that exporters give them; of YOLO-NAS they are
`num_predictions`, `pred_boxes`, `pred_scores`, `pred_classes`;
one (K, 7): number of the image, x1, y1, x2, y2, class, score (v7 with the suppression inside), or,
if it is called `flat_predictions`, score, class (YOLO-NAS);
boxes (1, N, 4) as x1, y1, x2, y2 and scores (1, N, C) apart (YOLO-NAS without suppression).
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

_FINISHED = (
    ("num_dets", "det_boxes", "det_scores", "det_classes"),
    ("num_predictions", "pred_boxes", "pred_scores", "pred_classes"),
)
_FLAT, _FLAT_COLUMNS = "flat_predictions", 7


def mismatch(shapes: Mapping[str, tuple[int | str, ...]], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    if four := _four(shapes):
        return _no_boxes(four[1], shapes[four[1]])
    flat = _flat(shapes)
    # A row of 7 numbers for one image is that of a classifier.
    if flat and (shapes[flat][0] != 1 or _FLAT in flat):
        return ""
    try:
        if two := _two(shapes):
            columns = shapes[two[1]][2]
            many = isinstance(columns, int) and labels not in (None, columns)
            few = f"it gives {columns} columns of scores, where there are {labels} labels"
            return few if many else _no_boxes(two[0], shapes[two[0]])
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
    shapes = {name: value.shape for name, value in outputs.items()}
    if four := _four(shapes):
        found = _separate([outputs[name] for name in four], confidence, place.size)
    elif flat := _flat(shapes):
        rows = outputs[flat]
        columns = [1, 2, 3, 4, 5, 6] if _FLAT in flat else [1, 2, 3, 4, 6, 5]
        found = _finished(rows[rows[:, 0] == 0][:, columns], confidence, place.size)
    elif two := _two(shapes):
        found = _apart(outputs[two[0]][0], outputs[two[1]][0], confidence).suppressed(overlap)
    else:
        output = outputs[table_name(shapes)]
        if not output.size:
            return Detections.empty()
        layout = head(output.shape, len(labels) or None, size=place.size)
        found = candidates(output, layout, confidence, place.size).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    return seen.detections(xyxy, labels)


def _four(shapes: Mapping[str, Sequence[int | str]]) -> tuple[str, ...]:
    """The outputs that are a number, boxes, scores and classes; empty if there are none."""
    return next((names for names in _FINISHED if set(names) <= set(shapes)), ())


def _flat(shapes: Mapping[str, Sequence[int | str]]) -> str:
    """The one output that is a row of 7 for each find; empty if there is none."""
    if len(shapes) != 1:
        return ""
    ((name, shape),) = shapes.items()
    return name if len(shape) == 2 and shape[1] == _FLAT_COLUMNS else ""


def _two(shapes: Mapping[str, Sequence[int | str]]) -> tuple[str, ...]:
    """The outputs that are boxes and scores of as many candidates; empty if there are none."""
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes.values()):
        return ()
    boxes = [name for name, shape in shapes.items() if shape[2] == 4]
    counts = {shape[1] for shape in shapes.values()}
    if len(boxes) != 1 or len(counts) != 1:
        return ()
    return boxes[0], next(name for name in shapes if name != boxes[0])


def _no_boxes(name: str, shape: Sequence[int | str]) -> str:
    if len(shape) != 3 or (isinstance(shape[2], int) and shape[2] != 4):
        return f"{name} are {tuple(shape)}, where (1, K, 4) is wanted"
    if isinstance(shape[0], int) and shape[0] != 1:
        return f"it takes {shape[0]} images at once, where one is given"
    return ""


def _separate(
    outputs: Sequence[NDArray[Any]], confidence: float, size: tuple[int, int]
) -> Candidates:
    """Of the four outputs, as the one table (1, 6, K) that they are the columns of."""
    number, boxes, scores, classes = outputs
    said = int(np.nan_to_num(number.reshape(-1)[0])) if number.size else 0
    count = min(max(said, 0), boxes.shape[1])
    columns = (scores[0, :count], classes[0, :count])
    rows = surest(np.asarray(columns[0], np.float32), confidence)
    corners = np.asarray(boxes[0, :count], np.float32)[rows]
    table = np.column_stack([corners, *(np.asarray(c, np.float32)[rows] for c in columns)])
    return _finished(table, confidence, size)


def _finished(table: NDArray[Any], confidence: float, size: tuple[int, int]) -> Candidates:
    """Of rows (K, 6): x1, y1, x2, y2, score, class."""
    layout = Head(False, False, finished=True, classes=0, further=0, count=len(table))
    return candidates(table[None], layout, confidence, size)


def _apart(boxes: NDArray[Any], scores: NDArray[Any], confidence: float) -> Candidates:
    """Of boxes (N, 4) and scores (N, C)."""
    best = np.asarray(scores.max(axis=1), np.float32)
    rows = surest(best, confidence)
    classes = np.asarray(scores[rows].argmax(axis=1), np.intp)
    return Candidates.of_corners(np.asarray(boxes, np.float32)[rows], best[rows], classes)
