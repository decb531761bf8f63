"""SSD detectors with boxes already decoded in the graph.

Outputs: `boxes` (1, N, 4) as x1, y1, x2, y2 in 0..1 of the image, and `scores` (1, N, 1 + labels)
in 0..1, column 0 being the background (Liu et al., SSD: Single Shot MultiBox Detector, 2016).

Or with the suppression inside, as `ssd-12` of the ONNX model zoo: `bboxes` (1, N, 4), the same
corners, `labels` (1, N), counted from 1 without gaps, and `scores` (1, N). That one wants the mean
and deviation of ImageNet, which its card must say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import finished
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.suppression import MOST_BOXES, kept
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import names
from blocks.data import Detections

# Of two boxes of one class that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.45
_FINISHED = ("bboxes", "labels", "scores")


def form(size: tuple[int, int]) -> Form:
    """As TensorFlow's SSD detectors take an image: stretched, rgb in -1..1."""
    return Form(size, mean=(127.5,) * 3, std=(127.5,) * 3)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    if _is_finished(shapes):
        images = shapes["bboxes"][0]
        many = isinstance(images, int) and images != 1
        return f"it takes {images} images at once, where one is given" if many else ""
    boxes, scores = shapes.get("boxes"), shapes.get("scores")
    if boxes is None or scores is None or len(boxes) != 3 or len(scores) != 3:
        return (
            "an ssd has the outputs boxes and scores of three axes, this one has "
            f"{described(shapes)}"
        )
    if isinstance(boxes[2], int) and boxes[2] != 4:
        return f"it gives boxes of {boxes[2]} numbers, where an ssd has 4"
    if labels is not None and isinstance(scores[2], int) and scores[2] != labels + 1:
        return (
            f"it gives {scores[2]} columns of scores, where {labels} labels and the background "
            f"make {labels + 1}"
        )
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The boxes at least this sure, the surest first, without near duplicates of one class."""
    if _is_finished({name: values.shape for name, values in outputs.items()}):
        xyxy, classes, scores = (outputs[name][0] for name in _FINISHED)
        with np.errstate(over="ignore", invalid="ignore"):
            xyxy = np.asarray(xyxy, np.float32) * np.array([*place.size] * 2, np.float32)
        numbers = finished.numbers(classes) - 1
        found = finished.Finished(xyxy, scores, numbers)
        return finished.detections(found, place, labels, confidence, overlap)
    boxes, scores = outputs["boxes"][0], outputs["scores"][0][:, 1:]
    # Five times as fast as the nonzero of two axes.
    rows, classes = np.divmod(np.flatnonzero(scores >= confidence), scores.shape[1])
    if not len(rows):
        return Detections.empty()
    sure = scores[rows, classes]
    surest = np.argsort(-sure, kind="stable")[:MOST_BOXES]
    rows, classes, sure = rows[surest], classes[surest], sure[surest]
    size = np.array([*place.size] * 2, np.float32)
    xyxy = place.boxes(np.clip(boxes[rows], 0.0, 1.0) * size)
    # What holds NaN, or is no box, is left out.
    sound = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1) & np.isfinite(sure)
    xyxy, sure, classes = xyxy[sound], sure[sound], classes[sound]
    chosen = kept(xyxy, sure, classes, overlap)
    return Detections.of(
        xyxy[chosen], sure[chosen], classes[chosen], label=names(labels, classes[chosen])
    )


def _is_finished(shapes: Mapping[str, Shape]) -> bool:
    if not set(_FINISHED) <= set(shapes):
        return False
    return [len(shapes[name]) for name in _FINISHED] == [3, 2, 2]
