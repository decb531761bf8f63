"""What PaddleDetection exports: PP-YOLOE, PicoDet, RT-DETR and others, with the suppression inside.

Outputs: one table (N, 6) of class, score, x1, y1, x2, y2, and one number, how many rows there are;
a class of -1 is none. Boxes are in pixels of the image before it was resized by `scale_factor`,
which is told as 1, so that they are in pixels of the input. Source: `bbox_pred` and `bbox_num` of
PaddleDetection's `ppdet/modeling/post_process.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.finished import OVERLAP, Finished, detections, numbers
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described
from blocks.data import Detections

_COLUMNS = 6


def form(size: tuple[int, int]) -> Form:
    """As RT-DETR and PP-YOLOE+ take an image: stretched, rgb in 0..1."""
    return Form(size)


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes are none of this family, or nothing; any labels may fit."""
    rows = [shape for shape in shapes.values() if len(shape) == 1]
    tables = [shape for shape in shapes.values() if len(shape) == 2]
    fits = len(tables) == 1 and (tables[0][1] == _COLUMNS or isinstance(tables[0][1], str))
    if fits and len(rows) == len(shapes) - 1 < 2:
        return ""
    return (
        "PaddleDetection's models have the outputs boxes (N, 6) and their number (1), this model "
        f"has {described(shapes)}"
    )


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The boxes at least this sure, the surest first.

    Raises:
        ValueError: the outputs are none of this family; a sentence.
    """
    if why := mismatch({name: values.shape for name, values in outputs.items()}, None):
        raise ValueError(why)
    (table,) = (values for values in outputs.values() if values.ndim == 2)
    if not table.size:
        return Detections.empty()
    count = len(table)
    for said in (values for values in outputs.values() if values.ndim == 1 and values.size):
        count = int(np.clip(numbers(said[:1])[0], 0, count))
    rows = np.asarray(table[:count], np.float32)
    found = numbers(rows[:, 0])
    return detections(Finished(rows[:, 2:], rows[:, 1], found), place, labels, confidence, overlap)
