"""What torchvision's detectors export: Faster R-CNN, RetinaNet, FCOS, SSD, Mask R-CNN.

Outputs: boxes (N, 4) as x1, y1, x2, y2 in pixels of the input, scores (N) and labels (N), whole
numbers counted from 1, where 0 is the background; N differs from image to image. They are told by
their names, or by shapes and types: exporters may number them. Masks beside them are not read.
Source: `torchvision.models.detection` (its `GeneralizedRCNN`, `RetinaNet`, `FCOS` and `SSD`), which
scale the image themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.finished import OVERLAP, Finished, detections, from_one, numbers
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described
from blocks.data import Detections


def form(size: tuple[int, int]) -> Form:
    """As torchvision's detectors take an image: rgb in 0..1, here of one size."""
    return Form(size)


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes are none of this family, or nothing; any labels may fit."""
    boxes = [shape for shape in shapes.values() if len(shape) == 2 and shape[1] == 4]
    rows = [shape for shape in shapes.values() if len(shape) == 1]
    if len(boxes) == 1 and len(rows) == 2:
        return ""
    return (
        "torchvision's detectors have the outputs boxes (N, 4), labels (N) and scores (N), this "
        f"model has {described(shapes)}"
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
    (boxes,) = (values for values in outputs.values() if values.ndim == 2 and values.shape[1] == 4)
    rows = {name: values for name, values in outputs.items() if values.ndim == 1}
    whole = [name for name, values in rows.items() if np.issubdtype(values.dtype, np.integer)]
    named = [name for name in rows if "label" in name.lower() or "class" in name.lower()]
    # Of two rows of floats without telling names, the order of Faster R-CNN: labels, scores.
    number = (whole or named or list(rows))[0]
    (scores,) = (values for name, values in rows.items() if name != number)
    found = from_one(numbers(rows[number]), labels)
    return detections(Finished(boxes, scores, found), place, labels, confidence, overlap)
