"""What MMDeploy exports of MMDetection's models, with the suppression inside.

Outputs: `dets` (1, N, 5) as x1, y1, x2, y2 in pixels of the input and a score, and `labels` (1, N),
whole numbers counted from 0, -1 where there is nothing; masks beside them are not read. Source:
"How to support new models" and `multiclass_nms` of MMDeploy (OpenMMLab).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from appliance.inference.families.finished import OVERLAP, Finished, detections, numbers
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described
from blocks.data import Detections

_COLUMNS = 5


def form(size: tuple[int, int]) -> Form:
    """As most of MMDetection's models take an image: in the corner, by ImageNet's mean, rgb."""
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    return Form(size, fit="corner", mean=mean, std=std)


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes are none of this family, or nothing; any labels may fit."""
    dets, classes = shapes.get("dets", ()), shapes.get("labels", ())
    five = len(dets) == 3 and (dets[2] == _COLUMNS or isinstance(dets[2], str))
    if not five or len(classes) != 2:
        return (
            "MMDetection's models have the outputs dets (1, N, 5) and labels (1, N), this model "
            f"has {described(shapes)}"
        )
    if isinstance(dets[0], int) and dets[0] != 1:
        return f"it takes {dets[0]} images at once, where one is given"
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
    if why := mismatch({name: values.shape for name, values in outputs.items()}, None):
        raise ValueError(why)
    rows, classes = outputs["dets"][0], numbers(outputs["labels"][0])
    return detections(
        Finished(rows[:, :4], rows[:, 4], classes), place, labels, confidence, overlap
    )
