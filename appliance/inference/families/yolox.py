"""YOLOX: one candidate for each cell of the grids, with an objectness.

Output: (1, N, 5 + C): centre x, centre y, width, height, objectness, scores. The centre is counted
in strides from its cell's corner, width and height are the logarithms of strides (Ge et al., YOLOX,
2021; and the public exports); or all four are in
pixels of the input, if the graph does that, which is told by their values. Strides are 8, 16, 32,
of the larger ones 64, too. Objectness and scores are in 0..1. Suppression: greedy, per class.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.grids import cells, strides_of
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import OVERLAP, Head, candidates
from blocks.data import Detections

STRIDES = ((8, 16, 32), (8, 16, 32, 64))
# What those grids have in all is a multiple of these.
_UNITS = (21, 85)
# Half of all centres are farther to the right and below than this, if they are in pixels; none is
# farther from its cell than a few strides.
_PIXELS = 4.0


def form(size: tuple[int, int]) -> Form:
    """As the exports take an image: in the top left corner, grey beside it, bgr, 0..255."""
    return Form(size, fit="corner", colours="bgr", std=(1.0, 1.0, 1.0))


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    found = [shape for shape in shapes.values() if len(shape) == 3]
    if len(shapes) != 1 or not found:
        return (
            "a yolox has one output (1, candidates, 5 + labels), this model has "
            f"{described(shapes)}"
        )
    images, count, columns = found[0]
    if isinstance(images, int) and images != 1:
        return f"it takes {images} images at once, where one is given"
    if isinstance(columns, int) and columns < 6:
        return f"it gives {columns} columns, where a yolox has a box, an objectness and scores"
    if labels is not None and isinstance(columns, int) and columns != 5 + labels:
        return f"it gives {columns} columns, where {labels} labels of a yolox make {5 + labels}"
    if isinstance(count, int) and all(count % unit for unit in _UNITS):
        return f"it gives {count} candidates, which are not all the cells of grids"
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
    rows = np.flatnonzero(table[:, 4] >= confidence)
    some = table[rows]
    if len(table) and not _decoded(table):
        strides = strides_of(len(table), place.size, STRIDES)
        some = _in_pixels(some, cells(place.size, strides)[rows])
    layout = Head(
        columns_first=False,
        objectness=True,
        finished=False,
        classes=table.shape[1] - 5,
        further=0,
        count=len(rows),
    )
    found = candidates(some[None], layout, confidence).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    return seen.detections(xyxy, labels)


def _decoded(table: Values) -> bool:
    """Whether centres are in pixels: some of them, evenly over the grids, say it as well as all."""
    some = table[:: max(1, len(table) // 256), :2]
    return bool(2 * np.count_nonzero(np.abs(some) > _PIXELS) > some.size)


def _in_pixels(table: Values, grid: Values) -> Values:
    stride = grid[:, 2:]
    # What is out of all bounds is left out later.
    with np.errstate(over="ignore", invalid="ignore"):
        middle = (table[:, :2] + grid[:, :2]) * stride
        size = np.exp(table[:, 2:4]) * stride
    return np.concatenate([middle, size, table[:, 4:]], axis=1)
