"""CenterFace: faces as the peaks of a map, with five landmarks each.

Four outputs at stride 4, in this order: how sure a face's middle is there (1, 1, h, w); the
logarithms of its height and width in strides (1, 2, h, w); how far the middle is from the cell's, y
and x (1, 2, h, w); both eyes, the nose and both corners of the mouth, y and x in parts of the box
(1, 10, h, w). Source: Xu et al., CenterFace, 2019. Suppression: greedy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.suppression import surest
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

LABELS = ("face",)
STRIDE = 4
CHANNELS = (1, 2, 2, 10)
# Of two boxes that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.3


def form(size: tuple[int, int]) -> Form:
    """The whole image, with black round it, rgb in 0..255; sides are multiples of 32."""
    return Form(size, fit="letterbox", std=(1.0, 1.0, 1.0), padding=0)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    maps = list(shapes.values())
    if len(maps) != 4 or any(len(shape) != 4 for shape in maps):
        return f"a centerface has four maps as outputs, this model has {described(shapes)}"
    if any(s[1] not in (n, *_words(s)) for s, n in zip(maps, CHANNELS, strict=True)):
        return (
            "a centerface gives maps of 1, 2, 2 and 10 numbers, in this order; this model has "
            f"{described(shapes)}"
        )
    if labels not in (None, 1):
        return f"a centerface knows faces alone, where there are {labels} labels"
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The faces at least this sure, the surest first, with their keypoints (N, 5, 3).

    A keypoint may lie outside of the frame; it is as sure as its face.

    Raises:
        ValueError: the outputs are none of this family; a sentence.
    """
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := mismatch(shapes, None):
        raise ValueError(why)
    heat, scale, offset, landmarks = (
        np.asarray(values[0], np.float32).reshape(values.shape[1], -1)
        for values in outputs.values()
    )
    wide = next(iter(outputs.values())).shape[3]
    cells = surest(heat[0], confidence)
    at = np.stack(np.divmod(cells, wide), axis=1).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.exp(scale[:, cells].T) * STRIDE
        middle = (at + offset[:, cells].T + np.float32(0.5)) * STRIDE
    box = np.concatenate([middle[:, ::-1], size[:, ::-1]], axis=1)
    more = landmarks[:, cells].T
    classes = np.zeros(len(cells), np.intp)
    found = Candidates(box, heat[0, cells], classes, more, finished=False).sound()
    seen, xyxy = found.suppressed(overlap).in_frame(place)
    first = np.maximum(seen.xyxy[:, :2], 0)
    points = first[:, None] + seen.further.reshape(-1, 5, 2)[..., ::-1] * seen.box[:, None, 2:]
    sure = np.broadcast_to(seen.confidence[:, None, None], (len(xyxy), 5, 1))
    keypoints = np.concatenate([place.points(points), sure], axis=2)
    return replace(seen.detections(xyxy, labels or LABELS), keypoints=keypoints)


def _words(shape: Shape) -> list[int | str]:
    return [axis for axis in shape if isinstance(axis, str)]
