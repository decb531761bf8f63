"""YOLO with masks: the table of a detector with coefficients, and prototypes that they weigh.

Outputs: (1, 4 + C + P, N), or one of the other layouts of `yolo` with P more columns, and the
prototypes (1, P, h, w) over the whole input; P is 32 mostly. A mask is where the sum of the
prototypes, each times its coefficient, is above 0 (the logistic function above 0.5), cut to the
box. Source: Bolya et al., YOLACT: Real-time Instance Segmentation, ICCV 2019.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Values
from appliance.inference.families.yolo_heads import (
    OVERLAP,
    candidates,
    form,
    head,
    open_axes,
    table_name,
)
from blocks.data import Detections

__all__ = ["decode", "form", "mismatch"]

# A mask takes a byte for each pixel of the frame. What the surest need is bounded by this: 129 of
# them at 1920 x 1080, 32 at 3840 x 2160; the less sure are left out. What lies outside of the boxes
# is never written to, so that the system has to give little of it.
MOST_BYTES = 256 * 1024 * 1024


def mismatch(shapes: Mapping[str, tuple[int | str, ...]], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    try:
        table, prototypes = shapes[table_name(shapes)], shapes[_prototypes(shapes)]
        number = prototypes[1]
        if not open_axes(table) and isinstance(number, int):
            head(table, labels, further=number)
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
    """The boxes at least this sure, the surest first, with masks of the size of the frame.

    There are so many that their masks take `MOST_BYTES`.

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    shapes = {name: value.shape for name, value in outputs.items()}
    table, prototypes = outputs[table_name(shapes)], outputs[_prototypes(shapes)]
    if not table.size:
        return Detections.empty()
    layout = head(table.shape, len(labels) or None, further=prototypes.shape[1], size=place.size)
    found = candidates(table, layout, confidence, place.size).suppressed(overlap)
    seen, xyxy = found.in_frame(place)
    width, height = place.image.frame_size
    most = max(1, MOST_BYTES // (width * height))
    seen, xyxy = seen.rows(np.arange(len(xyxy))[:most]), xyxy[:most]
    mask = np.zeros((len(xyxy), height, width), np.bool_)
    for one, box, weights in zip(mask, xyxy, seen.further, strict=True):
        draw(one, box, weights, np.asarray(prototypes[0], np.float32), place)
    return replace(seen.detections(xyxy, labels), mask=mask)


def _prototypes(shapes: Mapping[str, Sequence[int | str]]) -> str:
    found = [name for name, shape in shapes.items() if len(shape) == 4]
    if len(found) != 1:
        raise ValueError(
            "a yolo with masks has one output of four axes, the prototypes of the masks; "
            f"this one has {dict(shapes)}"
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a box lies along one axis: pixels of the frame, and the prototypes' under them.

    Pixel `start + i` of the frame is at `i * step + shift` in those from `first` to `last`.
    """

    start: int
    stop: int
    first: int
    last: int
    step: float
    shift: float

    @classmethod
    def of(cls, edges: Values, pixels: int, cells: int, place: Fitted, axis: int) -> "_Span":
        """Of the two edges of a box, along an axis (0: x) of so many pixels and cells."""
        start, stop = (min(max(math.ceil(edge - 0.5), 0), pixels) for edge in edges.tolist())
        ratio = cells / place.size[axis]
        step = place.factor[axis] / place.image.scale[axis] * ratio
        # The middle of a pixel is half a pixel from its edge, here and there.
        middle = start + 0.5 - place.image.offset[axis]
        at = middle * step + place.shift[axis] * ratio - 0.5
        first = min(max(math.floor(at), 0), cells - 1)
        last = math.floor(at + (stop - start) * step) + 2
        return cls(start, stop, first, min(max(last, first + 1), cells), step, at - first)


def draw(
    mask: NDArray[np.bool_], box: Values, weights: Values, prototypes: Values, place: Fitted
) -> None:
    """Set the pixels of a mask (height, width) whose middles are in the box and in the find."""
    spans = [
        _Span.of(box[axis::2], mask.shape[1 - axis], prototypes.shape[2 - axis], place, axis)
        for axis in (0, 1)
    ]
    across, down = spans
    if across.start >= across.stop or down.start >= down.stop:
        return
    # Only what lies under the box is computed.
    part = prototypes[:, down.first : down.last, across.first : across.last]
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.tensordot(weights, part, 1)
    back = np.array([[across.step, 0, across.shift], [0, down.step, down.shift]])
    size = (across.stop - across.start, down.stop - down.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(sums, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    np.greater(large, 0, out=mask[down.start : down.stop, across.start : across.stop])
