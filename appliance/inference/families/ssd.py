"""SSD detectors with boxes already decoded in the graph.

Outputs: `boxes` (1, N, 4) as x1, y1, x2, y2 in 0..1 of the image, and `scores` (1, N, 1 + labels)
in 0..1, column 0 being the background.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.catalog import Input, ModelCard
from blocks.data import Detections, Image

# Of two boxes of one class that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.45
# Only so many of the surest candidates are compared: the work grows as the square of them.
MOST_BOXES = 300
# What brightness 0..255 is multiplied by, and then shifted by.
_SCALES = {"-1..1": (1 / 127.5, -1.0), "0..1": (1 / 255, 0.0), "0..255": (1.0, 0.0)}


def mismatch(card: ModelCard, shapes: Mapping[str, tuple[int | str, ...]]) -> str:
    """Why outputs of these shapes are none of this family with the card's labels, or nothing."""
    boxes, scores = shapes.get("boxes"), shapes.get("scores")
    if boxes is None or scores is None or len(boxes) != 3 or len(scores) != 3:
        return f"an ssd has the outputs boxes and scores of three axes, this one has {dict(shapes)}"
    if isinstance(boxes[2], int) and boxes[2] != 4:
        return f"it gives boxes of {boxes[2]} numbers, where an ssd has 4"
    if isinstance(scores[2], int) and scores[2] != len(card.labels) + 1:
        return (
            f"it gives {scores[2]} columns of scores, where the card's {len(card.labels)} labels "
            f"and the background make {len(card.labels) + 1}"
        )
    return ""


def prepare(image: Image, wanted: Input) -> NDArray[np.float32]:
    """The image, stretched, as the tensor the model takes."""
    pixels = image.rgb(*wanted.size)
    if wanted.layout == "nchw":
        pixels = pixels.transpose(2, 0, 1)
    factor, shift = _SCALES[wanted.scale]
    tensor = np.empty(wanted.shape, np.float32)
    np.multiply(pixels, np.float32(factor), out=tensor[0])
    if shift:
        tensor += np.float32(shift)
    return tensor


def decode(
    outputs: Mapping[str, NDArray[Any]], card: ModelCard, image: Image, confidence: float
) -> Detections:
    """The boxes at least this sure, the surest first, without near duplicates of one class.

    Source of the suppression: greedy, per class, as in OpenCV's NMSBoxesBatched.
    """
    boxes, scores = outputs["boxes"][0], outputs["scores"][0][:, 1:]
    rows, classes = np.nonzero(scores >= confidence)
    if not len(rows):
        return Detections.empty()
    sure = scores[rows, classes]
    surest = np.argsort(-sure, kind="stable")[:MOST_BOXES]
    rows, classes, sure = rows[surest], classes[surest], sure[surest]
    size = np.array([image.width, image.height] * 2, np.float32)
    xyxy = np.clip(boxes[rows], 0.0, 1.0) * size
    # OpenCV takes arrays here; its stubs speak of lists.
    xywh: Any = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    groups: Any = classes.astype(np.int32)
    kept = np.asarray(cv2.dnn.NMSBoxesBatched(xywh, sure, groups, 0.0, OVERLAP), np.int64)
    return Detections.of(
        image.to_frame(xyxy[kept]),
        sure[kept],
        classes[kept],
        label=np.array(card.labels)[classes[kept]],
    )
