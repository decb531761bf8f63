"""What an image shows: all that applies of the classes that a model knows."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Image
from blocks.host import Host
from blocks.models.labels import known_labels
from blocks.models.region import RegionManifest


class MultiLabelClassificationManifest(RegionManifest):
    """The model, how sure it must be of each class, and which to give."""

    model: ModelName = Field(description="Name of the classification model.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Leave out classes less sure than this; the model's own bar if not given.",
    )
    labels: tuple[str, ...] = Field(
        default=(), description="Give these classes only; all if not given."
    )


class Labelled(NamedTuple):
    """The classes that apply, the surest first, and how sure each is."""

    labels: list[str]
    scores: Mapping[str, float]


@block("multi_label_classification@1", MultiLabelClassificationManifest)
class ClassifyEach:
    """Says of each of its classes whether an image shows it: several may, or none.

    Raises:
        LookupError: there is no such model.
        ValueError: the model does not know one of the labels.
    """

    example = """
        - name: defects
          type: multi_label_classification@1
          image: $inputs.image
          model: defects
          labels: [scratch, dent]
        - name: scratched
          type: event@1
          connection: local
          when: '"scratch" in steps.defects.labels'
          data: {defects: $steps.defects.scores}
    """

    def __init__(self, manifest: MultiLabelClassificationManifest, host: Host) -> None:
        self._manifest = manifest
        self._model = host.classifier(manifest.model)
        known_labels(manifest.model, manifest.labels, self._model.labels)

    def run(self, image: Image) -> Labelled:
        """Look at the image."""
        m = self._manifest
        part = m.part_of(image)
        if part is None:
            return Labelled([], {})
        found = self._model.classify(part, m.confidence, multi_label=True)
        wanted = m.labels or self._model.labels
        scores = {
            label: round(confidence, 4)
            for label, confidence in zip(
                found.label.tolist(), found.confidence.tolist(), strict=True
            )
            if label in wanted
        }
        return Labelled(list(scores), scores)
