"""BlazeFace: near faces, from 896 anchors, with six landmarks each.

Outputs: `regressors` (1, 896, 16), in pixels of the input: centre x and y counted from the anchor,
width, height, and x and y from the anchor of the right eye, left eye, nose, mouth, right ear and
left ear; and the logits (1, 896, 1). The anchors are the middles of 16 x 16 cells, two in each, and
then of 8 x 8, six in each (Bazarevsky et al., BlazeFace, 2019, and MediaPipe's short range model).
Suppression is greedy, where MediaPipe takes weighted means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.classification import logistic
from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.suppression import surest
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

LABELS = ("face",)
ANCHORS = 896
# Cells along each side, and anchors in each cell.
_GRIDS = ((16, 2), (8, 6))
_POINTS = 6
# Of two boxes that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.3


def form(size: tuple[int, int]) -> Form:
    """The whole image with black round it, rgb in -1..1."""
    return Form(size, fit="letterbox", mean=(127.5,) * 3, std=(127.5,) * 3, padding=0)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    wide = sorted(str(shape[2]) for shape in shapes.values() if len(shape) == 3)
    if len(shapes) != 2 or wide != ["1", "16"]:
        return (
            f"a blazeface has the outputs (1, {ANCHORS}, 16) and (1, {ANCHORS}, 1), this model has "
            f"{described(shapes)}"
        )
    count = next(iter(shapes.values()))[1]
    if isinstance(count, int) and count != ANCHORS:
        return f"it has {count} anchors, where the blazeface that is known here has {ANCHORS}"
    if labels not in (None, 1):
        return f"a blazeface knows faces alone, where there are {labels} labels"
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The faces at least this sure, the surest first, with their keypoints (N, 6, 3).

    A keypoint may lie outside of the frame; it is as sure as its face.

    Raises:
        ValueError: the outputs are none of this family; a sentence.
    """
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := mismatch(shapes, None):
        raise ValueError(why)
    tables = (np.asarray(values[0], np.float32) for values in outputs.values())
    logits, table = sorted(tables, key=lambda values: values.shape[1])
    scores = logistic(logits[:, 0])
    rows = surest(scores, confidence)
    middle = anchors()[rows] * np.array(place.size, np.float32)
    numbers = table[rows]
    box = np.concatenate([numbers[:, :2] + middle, numbers[:, 2:4]], axis=1)
    points = numbers[:, 4:].reshape(-1, _POINTS, 2) + middle[:, None]
    classes = np.zeros(len(rows), np.intp)
    more = points.reshape(-1, 2 * _POINTS)
    found = Candidates(box, scores[rows], classes, more, finished=False).sound()
    seen, xyxy = found.suppressed(overlap).in_frame(place)
    placed = place.points(seen.further.reshape(-1, _POINTS, 2))
    sure = np.broadcast_to(seen.confidence[:, None, None], (len(xyxy), _POINTS, 1))
    keypoints = np.concatenate([placed, sure], axis=2)
    return replace(seen.detections(xyxy, labels or LABELS), keypoints=keypoints)


@cache
def anchors() -> Values:
    """The middles, (896, 2), x and y in 0..1 of the input. Read-only."""
    grids = []
    for side, each in _GRIDS:
        row, column = np.divmod(np.arange(side * side), side)
        middles = (np.stack([column, row], axis=1) + 0.5) / side
        grids.append(np.repeat(middles, each, axis=0))
    table = np.concatenate(grids).astype(np.float32)
    table.flags.writeable = False
    return table
