"""NanoDet: how far each side of a box is from a point of the grids, as a distribution.

Output: (1, N, C + 4 (R + 1)), R being 7: scores in 0..1, then for left, top, right and bottom the
logits of 0 to R strides, whose mean by their softmax is the distance (Li et al., Generalized Focal
Loss, 2020). With strides 8, 16, 32, 64 (NanoDet-Plus) a cell's point is its top left corner, with
8, 16, 32 (the first NanoDet) its middle. Suppression: greedy, per class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.grids import cells, strides_of
from appliance.inference.families.suppression import surest
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

STRIDES = ((8, 16, 32, 64), (8, 16, 32))
BINS = 8
# Of two boxes of one class that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.6


def form(size: tuple[int, int]) -> Form:
    """As NanoDet-Plus takes an image: stretched, bgr, by the mean and deviation of ImageNet."""
    mean, std = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
    return Form(size, colours="bgr", mean=mean, std=std)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    found = [shape for shape in shapes.values() if len(shape) == 3]
    if len(shapes) != 1 or not found:
        return (
            f"a nanodet has one output (1, candidates, labels + {4 * BINS}), this model has "
            f"{described(shapes)}"
        )
    images, count, columns = found[0]
    if isinstance(images, int) and images != 1:
        return f"it takes {images} images at once, where one is given"
    if not isinstance(columns, int):
        return ""
    if labels is not None and columns != labels + 4 * BINS:
        return (
            f"it gives {columns} columns, where {labels} labels of a nanodet make "
            f"{labels + 4 * BINS}"
        )
    if columns <= 4 * BINS or (labels is None and isinstance(count, int) and columns >= count):
        return f"it gives {columns} columns, where a nanodet has scores and {4 * BINS} more"
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
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := mismatch(shapes, len(labels) or None):
        raise ValueError(why)
    (output,) = outputs.values()
    table = np.asarray(output[0], np.float32)
    if not len(table):
        return Detections.empty()
    strides = strides_of(len(table), place.size, STRIDES)
    scores = table[:, : -4 * BINS]
    # Of a table this large, the highest of each row takes longer than all the rest.
    likely = np.unique(np.flatnonzero(scores >= confidence) // scores.shape[1])
    best = scores[likely].max(axis=1)
    order = surest(best, confidence)
    rows, best = likely[order], best[order]
    grid = cells(place.size, strides)[rows]
    middle = 0.5 if len(strides) == 3 else 0.0
    points = (grid[:, :2] + np.float32(middle)) * grid[:, 2:]
    sides = _distances(table[rows, -4 * BINS :]) * grid[:, 2:]
    corners = np.concatenate([points - sides[:, :2], points + sides[:, 2:]], axis=1)
    classes = np.asarray(scores[rows].argmax(axis=1), np.intp)
    found = Candidates.of_corners(corners, best, classes).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    return seen.detections(xyxy, labels)


def _distances(logits: Values) -> Values:
    """(N, 4) in strides: left, top, right, bottom. What holds no number gives none."""
    shares = logits.reshape(-1, 4, BINS)
    with np.errstate(invalid="ignore", over="ignore"):
        shares = np.exp(shares - shares.max(axis=2, keepdims=True))
        means = shares @ np.arange(BINS, dtype=np.float32) / shares.sum(axis=2)
    return np.asarray(means, np.float32)
