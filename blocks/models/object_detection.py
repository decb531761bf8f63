"""Boxes round the things a model knows."""

import difflib
from typing import NamedTuple

import numpy as np
from pydantic import Field

from blocks.block import Manifest, ModelName, block
from blocks.data import Detections, Image
from blocks.host import Host


class ObjectDetectionManifest(Manifest):
    """The model, and what of its finds to keep."""

    model: ModelName = Field(description="Name of the detection model.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Leave out boxes less sure than this; the model's own bar if not given.",
    )
    labels: tuple[str, ...] = Field(
        default=(), description="Keep only these classes of the model; all if not given."
    )


class Found(NamedTuple):
    """What was found, in the frame's pixels."""

    detections: Detections


@block("object_detection@1", ObjectDetectionManifest)
class ObjectDetection:
    """Finds things in each image with a model; keeps the labels that are asked for.

    Raises:
        LookupError: there is no such model.
        ValueError: the model does not know one of the labels.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          confidence: 0.4
          labels: [person]
    """

    def __init__(self, manifest: ObjectDetectionManifest, host: Host) -> None:
        self._confidence = manifest.confidence
        self._detector = host.detector(manifest.model)
        known = self._detector.labels
        for label in manifest.labels:
            if label not in known:
                close = difflib.get_close_matches(label, known, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(known)}"
                raise ValueError(f"the model {manifest.model} knows no label {label!r} ({hint})")
        self._labels = np.array(manifest.labels, np.str_)

    def run(self, image: Image) -> Found:
        """Find what is in the image."""
        found = self._detector.detect(image, self._confidence)
        return Found(found[np.isin(found.label, self._labels)] if len(self._labels) else found)
