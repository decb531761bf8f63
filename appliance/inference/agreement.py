"""How far two models of one family find the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import fit
from appliance.inference.families.registry import Task
from appliance.inference.resolution import Resolved
from blocks.data import Detections, Image

# Boxes that overlap so far (intersection over union) are of one thing: the measure of PASCAL VOC.
OVERLAP = 0.5
_BOXES: tuple[Task, ...] = ("boxes", "masks", "keypoints")

Outputs = Mapping[str, NDArray[Any]]


class Runs(Protocol):
    """What a model is here."""

    def run(self, tensor: NDArray[Any]) -> Outputs:
        """The outputs of one input, by name."""
        ...


@dataclass(frozen=True, slots=True)
class Agreement:
    """1 where both find the same. `measure` says of what, in words; `samples` is how many."""

    value: float
    measure: str
    samples: int


def agreement(resolved: Resolved, ours: Runs, theirs: Runs, images: Iterable[Image]) -> Agreement:
    """How far `ours` finds in these images what `theirs` finds.

    Of detectors it is F1 of their boxes, of classifiers the share of images with the same first
    label, of all others the cosine of their outputs, in the mean.
    """
    task = resolved.family.task
    pairs = [_pair(resolved, ours, theirs, image) for image in images]
    if task in _BOXES:
        return Agreement(_f1(pairs), f"F1 of boxes at IoU {OVERLAP}", len(pairs))
    if task == "classes":
        same = [int(np.argmax(a.scores)) == int(np.argmax(b.scores)) for a, b in pairs]
        return Agreement(_mean(same), "same first label", len(pairs))
    return Agreement(_mean([_cosine(a, b) for a, b in pairs]), "cosine of outputs", len(pairs))


def _pair(resolved: Resolved, ours: Runs, theirs: Runs, image: Image) -> tuple[Any, Any]:
    """What both find, read as far as it is compared."""
    tensor, place = fit(image, resolved.form)
    both = ours.run(tensor), theirs.run(tensor)
    if resolved.family.task not in (*_BOXES, "classes"):
        return both
    decode, labels, bar = resolved.family.decode, resolved.labels, resolved.card.confidence
    found = [decode(outputs, place, labels, bar) for outputs in both]
    return found[0], found[1]


def _f1(pairs: Sequence[tuple[Detections, Detections]]) -> float:
    """Twice the boxes found by both, by all boxes; 1 where there are none."""
    matched = sum(_matched(ours, theirs) for ours, theirs in pairs)
    boxes = sum(len(ours) + len(theirs) for ours, theirs in pairs)
    return 2 * matched / boxes if boxes else 1.0


def _matched(ours: Detections, theirs: Detections) -> int:
    """How many of ours, the surest first, have one of theirs of the same class for themselves."""
    if not len(ours) or not len(theirs):
        return 0
    overlaps = np.where(
        ours.class_id[:, None] == theirs.class_id[None, :], _iou(ours.xyxy, theirs.xyxy), 0.0
    )
    count = 0
    for row in np.argsort(-ours.confidence, kind="stable"):
        best = int(np.argmax(overlaps[row]))
        if overlaps[row, best] >= OVERLAP:
            overlaps[:, best] = 0.0
            count += 1
    return count


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of boxes (N, 4) with others (M, 4): (N, M)."""
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(right_bottom - left_top, 0, None), axis=2, dtype=np.float64)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-12))


def _cosine(ours: Outputs, theirs: Outputs) -> float:
    a, b = (
        np.concatenate([np.ravel(outputs[name]).astype(np.float64) for name in theirs])
        for outputs in (ours, theirs)
    )
    if a.shape != b.shape:
        return 0.0
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else float(np.array_equal(a, b))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 1.0
