"""DETR with scores of each class by itself: RT-DETR, D-FINE, DEIM and, as `rf_detr`, RF-DETR.

Outputs: boxes (1, Q, 4), centre x, centre y, width, height in 0..1 of the input, and logits
(1, Q, C), one row for each of Q queries. A score is the logistic of a logit, and the best of all
Q x C are the finds, without suppression (Zhu et al., Deformable DETR, 2021; Zhao et al., RT-DETR,
2024; Peng et al., D-FINE, 2025; Robinson et al., RF-DETR, 2025). Boxes are told by their name, or
by their 4 columns.

RF-DETR has one column more, the last, which stands for nothing; but the one trained on COCO numbers
its classes as COCO does: 91 columns for 80 names, with gaps.

Two more exports are of the family `detr`. The authors' own of RT-DETR, D-FINE and DEIM have the
last step inside, and take `orig_target_sizes` (width, height), which is told as the size of the
input: `labels` (1, Q), counted from 0, `boxes` (1, Q, 4) as x1, y1, x2, y2 in its pixels, and
`scores` (1, Q). Ultralytics' of RT-DETR is one table (1, Q, 4 + C): boxes as above, then scores.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import finished
from appliance.inference.families.classification import logistic
from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.suppression import MOST_BOXES
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

# Each query answers for one object, so that nothing is said twice.
OVERLAP = 1.0
_BOXES = ("pred_boxes", "dets", "boxes", "bboxes")
# Numbers that COCO gives to none of its 80 classes, and how many columns that makes.
_COCO_GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_COCO = 91
_ENDED = ("labels", "boxes", "scores")
# What a DETR asks of an image at most; other tables of boxes and scores have more rows.
MOST_QUERIES = 1000
# No box that is to be seen is as small in pixels: these are in parts of the input.
_PARTS = 1.5


def form(size: tuple[int, int]) -> Form:
    """As RT-DETR, D-FINE and DEIM take an image: stretched, rgb in 0..1."""
    return Form(size)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    try:
        if is_ended(shapes):
            _of_one_image(shapes["boxes"])
            return ""
        table = _table(shapes)
        columns = table - 4 if table else shapes[_names(shapes)[1]][2]
    except ValueError as error:
        return str(error)
    if labels is not None and isinstance(columns, int) and columns != labels:
        return f"it gives {columns} columns of scores, where there are {labels} labels"
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
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := mismatch(shapes, len(labels) or None):
        raise ValueError(why)
    if is_ended(shapes):
        return _ended(outputs, place, labels, confidence, overlap)
    if _table(shapes):
        (table,) = (np.asarray(values[0], np.float32) for values in outputs.values())
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.clip(table[:, 4:], 0.0, 1.0)
            logits = np.log(scores) - np.log1p(-scores)
        return found_in(table[:, :4], logits, place, labels, confidence, overlap)
    boxes, logits = (np.asarray(outputs[name][0], np.float32) for name in _names(shapes))
    return found_in(boxes, logits, place, labels, confidence, overlap)


def found_in(
    boxes: Values,
    logits: Values,
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float,
) -> Detections:
    """What boxes (Q, 4) and logits (Q, C) say; labels are those of the columns."""
    seen, xyxy = seen_in(boxes, logits, place, confidence, overlap)
    return seen.detections(xyxy, labels)


def seen_in(
    boxes: Values, logits: Values, place: Fitted, confidence: float, overlap: float
) -> tuple[Candidates, Values]:
    """The same, and their corners in the frame; the one further number is that of the query."""
    rows, classes = np.divmod(np.flatnonzero(logits >= _logit(confidence)), logits.shape[1])
    sure = logistic(logits[rows, classes])
    order = np.argsort(-sure, kind="stable")[:MOST_BOXES]
    rows, classes, sure = rows[order], classes[order], sure[order]
    # What is out of all bounds is left out next.
    with np.errstate(over="ignore", invalid="ignore"):
        box = boxes[rows] * np.array([*place.size] * 2, np.float32)
    queries = rows[:, None].astype(np.float32)
    found = Candidates(box, sure, classes, queries, finished=overlap >= 1.0).sound()
    return found.suppressed(overlap).in_frame(place)


def is_ended(shapes: Mapping[str, Shape]) -> bool:
    """Whether outputs of these shapes are labels, boxes and scores, and not logits."""
    if not set(_ENDED) <= set(shapes):
        return False
    return [len(shapes[name]) for name in _ENDED] == [2, 3, 2]


def _ended(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float,
) -> Detections:
    classes, xyxy, scores = (outputs[name][0] for name in _ENDED)
    box = np.asarray(xyxy, np.float32)
    if box.size and not (box > _PARTS).any():
        box = box * np.array([*place.size] * 2, np.float32)
    numbers = finished.numbers(classes)
    found = finished.Finished(box, scores, numbers)
    return finished.detections(found, place, labels, confidence, overlap)


def _table(shapes: Mapping[str, Shape]) -> int:
    """The columns of the one table that is boxes and scores; 0 if there is none."""
    if len(shapes) != 1:
        return 0
    (shape,) = shapes.values()
    if len(shape) != 3 or not isinstance(shape[2], int) or shape[2] <= 4:
        return 0
    if isinstance(shape[1], int) and shape[1] > MOST_QUERIES:
        return 0
    _of_one_image(shape)
    return shape[2]


def _of_one_image(shape: Shape) -> None:
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ValueError(f"it takes {shape[0]} images at once, where one is given")


def _logit(confidence: float) -> float:
    """The logit of that confidence, for a table much larger than what is found in it."""
    if confidence <= 0.0:
        return -np.inf
    return float(np.log(confidence / (1.0 - confidence))) if confidence < 1.0 else np.inf


def rf_form(size: tuple[int, int]) -> Form:
    """As RF-DETR takes an image: stretched, rgb, by the mean and deviation of ImageNet."""
    return Form(size, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def rf_mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """As `mismatch`, for RF-DETR."""
    try:
        columns = shapes[_names(shapes)[1]][2]
    except ValueError as error:
        return str(error)
    if labels is None or not isinstance(columns, int) or columns in (labels, labels + 1):
        return ""
    if (columns, labels) == (_COCO, _COCO - len(_COCO_GAPS)):
        return ""
    return (
        f"it gives {columns} columns of scores, where {labels} labels and one for nothing make "
        f"{labels + 1}"
    )


def rf_decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """As `decode`, for RF-DETR: `class_id` is the number of the label.

    Raises:
        ValueError: the outputs are none of this family with these labels; a sentence.
    """
    boxes, logits = rf_queries(outputs, labels)
    return found_in(boxes, logits, place, labels, confidence, overlap)


def rf_queries(outputs: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> tuple[Values, Values]:
    """Boxes (Q, 4) and logits (Q, labels) of an RF-DETR. Raises as `rf_decode` does."""
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := rf_mismatch(shapes, len(labels) or None):
        raise ValueError(why)
    boxes, logits = (np.asarray(outputs[name][0], np.float32) for name in _names(shapes))
    if logits.shape[1] == len(labels) + 1:
        logits = logits[:, :-1]
    elif logits.shape[1] == _COCO and len(labels) == _COCO - len(_COCO_GAPS):
        logits = np.delete(logits, _COCO_GAPS, axis=1)
    return boxes, logits


def _names(shapes: Mapping[str, Shape]) -> tuple[str, str]:
    """The outputs that are boxes and logits.

    Raises:
        ValueError: there are none; a sentence.
    """
    found = [name for name, shape in shapes.items() if len(shape) == 3]
    named = [name for name in found if name in _BOXES] or [
        name for name in found if shapes[name][2] == 4
    ]
    if len(found) == 2 and len(named) == 1 and shapes[named[0]][2] in (4, *_words(shapes)):
        (boxes,) = named
        (logits,) = (name for name in found if name != boxes)
        queries, rows = shapes[boxes][1], shapes[logits][1]
        _of_one_image(shapes[boxes])
        if isinstance(queries, str) or isinstance(rows, str) or queries == rows:
            return boxes, logits
    raise ValueError(
        "a detr has the outputs boxes (1, queries, 4) and logits (1, queries, labels), this model "
        f"has {described(shapes)}"
    )


def _words(shapes: Mapping[str, Shape]) -> list[int | str]:
    return [axis for shape in shapes.values() for axis in shape if isinstance(axis, str)]
