"""What TensorFlow's Object Detection API exports: SSD, EfficientDet, CenterNet, Faster R-CNN.

Outputs: `detection_boxes` (1, N, 4) as y1, x1, y2, x2 in 0..1 of the image, `detection_scores`
(1, N), `detection_classes` (1, N), counted from 1 and written as floats, and `num_detections` (1),
how many of them count; others beside these are not read, and a name may end in `:0`. Source:
`exporter.py` and `exporter_lib_v2.py` of the API (Huang et al., Speed/accuracy trade-offs for
modern convolutional object detectors, 2017). Of TensorFlow Lite's operator, the outputs are
`TFLite_Detection_PostProcess` with nothing, `:1`, `:2` and `:3` behind it: the same, but classes
are counted from 0. The graph resizes and scales the image itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.finished import OVERLAP, Finished, detections, from_one, numbers
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described
from blocks.data import Detections

_LITE = "TFLite_Detection_PostProcess"
_NAMES = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
_LITE_NAMES = (_LITE, f"{_LITE}:2", f"{_LITE}:1", f"{_LITE}:3")


def form(size: tuple[int, int]) -> Form:
    """As the exports take an image: stretched, rgb, brightness as it is."""
    return Form(size, layout="nhwc", std=(1.0, 1.0, 1.0))


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes are none of this family, or nothing; any labels may fit."""
    names = _names(shapes)
    if names is None:
        return (
            "TensorFlow's detectors have the outputs detection_boxes, detection_classes and "
            f"detection_scores, this model has {described(shapes)}"
        )
    boxes = shapes[names[0]]
    if len(boxes) != 3 or (isinstance(boxes[2], int) and boxes[2] != 4):
        return f"its output {names[0]} is {tuple(boxes)}, where (1, N, 4) is wanted"
    if isinstance(boxes[0], int) and boxes[0] != 1:
        return f"it takes {boxes[0]} images at once, where one is given"
    return ""


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
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    names = _names(shapes)
    if names is None or mismatch(shapes, None):
        raise ValueError(mismatch(shapes, None))
    boxes, scores, classes = (outputs[name][0] for name in names[:3])
    count = len(boxes)
    if names[3] in outputs and outputs[names[3]].size:
        count = int(np.clip(numbers(outputs[names[3]].reshape(-1)[:1])[0], 0, count))
    width, height = place.size
    # Times the size, what is out of all bounds would be more so; it is left out next.
    with np.errstate(over="ignore", invalid="ignore"):
        xyxy = np.asarray(boxes[:count], np.float32)[:, [1, 0, 3, 2]] * np.array(
            [width, height, width, height], np.float32
        )
    said = numbers(classes[:count])
    found = said if names[0].startswith(_LITE) else from_one(said, labels)
    return detections(Finished(xyxy, scores[:count], found), place, labels, confidence, overlap)


def _names(shapes: Mapping[str, Shape]) -> list[str] | None:
    """Boxes, scores, classes, and how many there are, as they are called here."""
    for wanted in (_NAMES, _LITE_NAMES):
        # As TensorFlow calls the first output of an operator.
        names = [f"{name}:0" if f"{name}:0" in shapes else name for name in wanted]
        if all(name in shapes for name in names[:3]):
            return names
    return None
