"""RF-DETR-Seg: the logits and boxes of queries, with a mask for each.

Outputs: `dets` (1, Q, 4) and `labels` (1, Q, C) as those of `rf_detr`, and `masks` (1, Q, h, w),
logits over the whole input. A mask is where its logit, between four of them on a straight line
(bilinear), is above 0, cut to the box. Source: `PostProcess` of RF-DETR's `rfdetr/models`
(Robinson et al., RF-DETR, 2025).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import detr
from appliance.inference.families.fitting import Fitted
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_masks import MOST_BYTES, draw
from blocks.data import Detections

__all__ = ["decode", "form", "mismatch"]

form = detr.rf_form
_ONE = np.ones(1, np.float32)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    masks = [shape for shape in shapes.values() if len(shape) == 4]
    if len(masks) != 1 or len(shapes) != 3:
        return (
            "an rf_detr with masks has the outputs dets, labels and masks of four axes, this model "
            f"has {described(shapes)}"
        )
    return detr.rf_mismatch(shapes, labels)


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = detr.OVERLAP,
) -> Detections:
    """The boxes at least this sure, the surest first, with masks of the size of the frame.

    There are so many that their masks take `MOST_BYTES`.

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    if why := mismatch(
        {name: values.shape for name, values in outputs.items()}, len(labels) or None
    ):
        raise ValueError(why)
    seen, xyxy = detr.seen_in(*detr.rf_queries(outputs, labels), place, confidence, overlap)
    (planes,) = (values[0] for values in outputs.values() if values.ndim == 4)
    width, height = place.image.frame_size
    most = max(1, MOST_BYTES // (width * height))
    seen, xyxy = seen.rows(np.arange(len(xyxy))[:most]), xyxy[:most]
    mask = np.zeros((len(xyxy), height, width), np.bool_)
    for one, box, query in zip(mask, xyxy, seen.further[:, 0].astype(np.intp), strict=True):
        draw(one, box, _ONE, np.asarray(planes[query : query + 1], np.float32), place)
    return replace(seen.detections(xyxy, labels), mask=mask)
