"""Many detections in one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blocks.block import Manifest, block
from blocks.data import Detections


class MergeManifest(Manifest):
    """Which boxes are taken for the same thing, if any."""

    iou: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Of boxes with one label that overlap by more than this (intersection over "
        "union, 0..1) keep only the surest; all are kept if not given.",
    )


class Merged(NamedTuple):
    """The boxes of all, in their order, with the columns that all of them have."""

    detections: Detections


@block("merge@1", MergeManifest)
class Merge:
    """Gathers what was found in many places, such as crops, into one."""

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: crops
          type: crop@1
          image: $inputs.image
          detections: $steps.people.detections
        - name: helmets
          type: object_detection@1
          image: $steps.crops.images
          model: helmets
        - name: all_helmets
          type: merge@1
          detections: $steps.helmets.detections
          iou: 0.6
    """

    def __init__(self, manifest: MergeManifest) -> None:
        self._manifest = manifest

    def run(self, detections: tuple[Detections, ...]) -> Merged:
        """Take what a step that runs once for each has found in all its runs, or a list of several.

        Such a list is `[$steps.one.detections, $steps.other.detections]`.
        """
        # Where nothing was found, no column is missed.
        found = [part for part in detections if len(part)] or [*detections[:1], Detections.empty()]
        merged = _joined(found) if len(found) > 1 else found[0]
        iou = self._manifest.iou
        if iou is None:
            return Merged(merged)
        # What has no place overlaps nothing, and would take the places of all others with it.
        merged = merged[np.flatnonzero(np.isfinite(merged.xyxy).all(axis=1))]
        return Merged(merged[_surest(merged, iou)])


def _joined(parts: Sequence[Detections]) -> Detections:
    names = set.intersection(*({*part.data} for part in parts)) - {"label"}
    columns = {name: _column([part.data[name] for part in parts]) for name in sorted(names)}
    data = {name: column for name, column in columns.items() if column is not None}
    return Detections(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.class_id for part in parts]),
        np.concatenate([part.tracker_id for part in parts]),
        mask=_column([part.mask for part in parts]),
        keypoints=_column([part.keypoints for part in parts]),
        data={"label": np.concatenate([part.label for part in parts]), **data},
    )


def _column(parts: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    """All of them in one; None if one is missing, or has rows of another shape or kind."""
    there = [part for part in parts if part is not None]
    # NumPy would make one kind of two: texts of numbers.
    alike = len({(part.shape[1:], part.dtype.kind) for part in there}) == 1
    return np.concatenate(there) if alike and len(there) == len(parts) else None


def _surest(found: Detections, iou: float) -> NDArray[np.int64]:
    """The rows that are kept, in their order: greedily, the surest first, each label by itself.

    Labels, not class numbers: those of two models have nothing to do with each other.
    """
    _, groups = np.unique(found.label, return_inverse=True)
    # OpenCV tells groups apart by moving each beyond the last, which asks for places above zero.
    places = found.xyxy[:, :2] - found.xyxy.min(initial=0.0)
    # `Any`, since it takes arrays, and its annotations know lists only.
    xywh: Any = np.hstack([places, found.xyxy[:, 2:] - found.xyxy[:, :2]])
    confidence: Any = found.confidence
    numbers: Any = groups.astype(np.int32)
    kept = cv2.dnn.NMSBoxesBatched(xywh, confidence, numbers, -1.0, iou)
    return np.sort(np.asarray(kept, np.int64))
