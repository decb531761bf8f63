"""Boxes that a graph gives finished: corners, a score and the number of a class for each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted
from appliance.inference.families.suppression import surest
from appliance.inference.families.yolo_heads import Candidates
from blocks.data import Detections

# The graph left out near duplicates, or there are none: more is only left out where that is asked.
OVERLAP = 1.0
# What lists of labels call the class 0 of models that count from 1.
BACKGROUNDS = ("???", "background", "__background__", "_background_", "n/a", "none")
# No number of a class is as large; more would not fit the arithmetic.
_TOO_LARGE = 1e9
_COCO_NAMES = 80
# Numbers that COCO gives to none of its 80 classes, and the last that it gives.
_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_COCO_LAST = 90


@dataclass(frozen=True, slots=True)
class Finished:
    """Boxes (N, 4) as x1, y1, x2, y2 in pixels of the input, scores (N,), and classes (N,).

    A class is the place of its label; one below 0 is none.
    """

    xyxy: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[np.intp]


def detections(
    found: Finished,
    place: Fitted,
    labels: Sequence[str],
    confidence: float,
    overlap: float = OVERLAP,
) -> Detections:
    """Those at least this sure, the surest first; what is no box is left out."""
    sure = np.asarray(found.scores, np.float32)
    rows = surest(sure, confidence)
    corners = np.asarray(found.xyxy, np.float32)[rows]
    sound = Candidates.of_corners(corners, sure[rows], found.classes[rows])
    kept = replace(sound, finished=overlap >= 1.0).suppressed(overlap)
    seen, in_frame = kept.in_frame(place)
    return seen.detections(in_frame, labels)


def numbers(classes: NDArray[Any]) -> NDArray[np.intp]:
    """Numbers of classes, which may be written as floats; what is none becomes -1."""
    said = np.asarray(classes, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(said) < _TOO_LARGE, np.rint(said), -1).astype(np.intp)


def from_one(classes: NDArray[np.intp], labels: Sequence[str]) -> NDArray[np.intp]:
    """The place among the labels of classes that are counted from 1; -1 if there is none.

    Labels that begin with the background are counted from 0. The 80 names of COCO stand for the
    numbers that COCO gives them, 1 to 90 with gaps.
    """
    if labels and labels[0].lower() in BACKGROUNDS:
        return np.where(classes > 0, classes, -1)
    if not _of_coco(labels):
        return classes - 1
    places = np.full(_COCO_LAST + 1, -1, np.intp)
    given = [number for number in range(1, _COCO_LAST + 1) if number not in _COCO_GAPS]
    places[given] = np.arange(_COCO_NAMES)
    inside = (classes > 0) & (classes <= _COCO_LAST)
    return np.where(inside, places[np.where(inside, classes, 0)], -1)


def _of_coco(labels: Sequence[str]) -> bool:
    return len(labels) == _COCO_NAMES and (labels[0], labels[-1]) == ("person", "toothbrush")
