"""MoveNet: the 17 keypoints of one person, or of up to six.

Output (1, 1, 17, 3): y and x in 0..1 of the input, and how sure each point is; in COCO's order,
from the nose to the ankles. The person is as sure as the mean of the points that are likely, as in
TensorFlow's example of pose estimation, and its box surrounds them. Likely is what reaches 0.2, the
bar of the model's own tracking. Of several people (1, 6, 56): the same 51 numbers of each, then the
box y1, x1, y2, x2 and how sure it is. Source: MoveNet (Votel and Li, 2021) and its model cards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.suppression import surest
from appliance.inference.families.vectors import Shape, described
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

LABELS = ("person",)
KEYPOINTS = 17
PEOPLE = 6
LIKELY = 0.2
# Fewer likely points are no person: such are found in pictures without any.
FEWEST = 4
# Of two boxes that overlap more (intersection over union), the less sure is left out: none.
OVERLAP = 1.0


def form(size: tuple[int, int]) -> Form:
    """The whole image with black round it, rgb in 0..255."""
    return Form(size, fit="letterbox", std=(1.0, 1.0, 1.0), padding=0)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of this family with so many labels, or nothing."""
    found = list(shapes.values())
    one = len(found) == 1 and len(found[0]) == 4 and found[0][1:] == (1, KEYPOINTS, 3)
    several = len(found) == 1 and found[0][1:] == (PEOPLE, 3 * KEYPOINTS + 5)
    if not one and not several:
        return (
            "a movenet has one output, (1, 1, 17, 3) or (1, 6, 56), this model has "
            f"{described(shapes)}"
        )
    if labels not in (None, 1):
        return f"a movenet knows people alone, where there are {labels} labels"
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """The people at least this sure, the surest first, with all keypoints (N, 17, 3) of each.

    A keypoint may lie outside of the frame; its confidence is the model's own.

    Raises:
        ValueError: the outputs are none of this family; a sentence.
    """
    shapes: Mapping[str, Shape] = {name: values.shape for name, values in outputs.items()}
    if why := mismatch(shapes, None):
        raise ValueError(why)
    (output,) = outputs.values()
    people = np.asarray(output[0], np.float32)
    # What is out of all bounds is left out in the end.
    with np.errstate(over="ignore", invalid="ignore"):
        points, yxyx, sure = _one(people[0]) if output.ndim == 4 else _several(people)
        rows = surest(sure, confidence)
        both = np.array(place.size, np.float32)
        points, corners = points[rows], yxyx[rows][:, [1, 0, 3, 2]] * np.tile(both, 2)
        inside = np.concatenate([points[..., 1::-1] * both, points[..., 2:]], axis=2)
        middle, size = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    box, classes = np.concatenate([middle, size], axis=1), np.zeros(len(rows), np.intp)
    more = inside.reshape(len(rows), 3 * KEYPOINTS)
    found = Candidates(box, sure[rows], classes, more, finished=overlap >= 1.0).sound()
    seen, xyxy = found.suppressed(overlap).in_frame(place)
    keypoints = seen.further.reshape(-1, KEYPOINTS, 3).copy()
    keypoints[..., :2] = place.points(keypoints[..., :2])
    return replace(seen.detections(xyxy, labels or LABELS), keypoints=keypoints)


def _one(points: Values) -> tuple[Values, Values, Values]:
    """The person of (17, 3), if there is one: points (N, 17, 3), boxes (N, 4) and confidences."""
    likely = points[points[:, 2] >= LIKELY]
    if len(likely) < FEWEST:
        nobody = np.zeros((0, KEYPOINTS, 3), np.float32)
        return nobody, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    box = np.concatenate([likely[:, :2].min(axis=0), likely[:, :2].max(axis=0)])
    return points[None], box[None], likely[:, 2].mean(keepdims=True)


def _several(people: Values) -> tuple[Values, Values, Values]:
    points = people[:, : 3 * KEYPOINTS].reshape(-1, KEYPOINTS, 3)
    return points, people[:, -5:-1], people[:, -1]
