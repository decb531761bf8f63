"""What an image shows: one of the classes that a model knows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Detections, Image
from blocks.host import Host
from blocks.models.labels import known_labels
from blocks.models.region import RegionManifest

MOST_SCORES = 5


class ClassificationManifest(RegionManifest):
    """The model, how sure it must be, and which classes count."""

    model: ModelName = Field(description="Name of the classification model.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="No label if the surest is less sure than this; the model's own bar if not "
        "given.",
    )
    labels: tuple[str, ...] = Field(
        default=(),
        description="Give these classes only, and no label where the surest is another one.",
    )


class Classified(NamedTuple):
    """The surest class, how sure it is, and the scores of the five surest.

    `label` is absent where none is sure enough. `detections` are those given, with this label and
    confidence.
    """

    label: str | None
    confidence: float
    scores: Mapping[str, float]
    detections: Detections | None


@block("classification@1", ClassificationManifest)
class Classify:
    """Says which of its classes an image shows, such as a picture cut out of the frame.

    Given the boxes that the pictures were cut out for, it names them by their classes.

    Raises:
        LookupError: there is no such model.
        ValueError: the model does not know one of the labels.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
        - name: crops
          type: crop@1
          image: $inputs.image
          detections: $steps.people.detections
        - name: clothes
          type: classification@1
          image: $steps.crops.images
          detections: $steps.crops.detections
          model: clothes
          confidence: 0.6
    """

    def __init__(self, manifest: ClassificationManifest, host: Host) -> None:
        self._manifest = manifest
        self._model = host.classifier(manifest.model)
        known_labels(manifest.model, manifest.labels, self._model.labels)

    def run(self, image: Image, detections: Detections | None = None) -> Classified:
        """Look at the image."""
        part = self._manifest.part_of(image)
        if part is None:
            return Classified(None, 0.0, {}, detections)
        found = self._model.classify(part, self._manifest.confidence)
        wanted = self._manifest.labels or self._model.labels
        label = next((name for name in found.label.tolist() if name in wanted), None)
        surest = np.argsort(-found.scores, kind="stable")[:MOST_SCORES].tolist()
        scores = {self._model.labels[i]: round(float(found.scores[i]), 4) for i in surest}
        confidence = max(scores.values(), default=0.0)
        return Classified(label, confidence, scores, _named(detections, label, confidence))


def _named(
    detections: Detections | None, label: str | None, confidence: float
) -> Detections | None:
    if detections is None or label is None:
        return detections
    count = len(detections)
    named = {**detections.data, "label": np.array([label] * count, np.str_)}
    return replace(detections, confidence=np.full(count, confidence, np.float32), data=named)
