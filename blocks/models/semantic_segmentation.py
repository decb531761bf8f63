"""What each place of an image shows."""

from collections.abc import Mapping
from typing import NamedTuple, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from blocks.block import ModelName, block
from blocks.data import Detections, Image
from blocks.host import Host
from blocks.models.labels import known_labels
from blocks.models.region import RegionManifest
from blocks.predictions import Segmentation

# Each has a mask of the whole frame.
MOST_REGIONS = 20


class SemanticSegmentationManifest(RegionManifest):
    """The model, how sure it must be, and which classes to look for."""

    model: ModelName = Field(description="Name of the segmentation model.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A place has no class if it is less sure than this; the model's own bar if "
        "not given.",
    )
    labels: tuple[str, ...] = Field(
        default=(), description="Look for these classes only; for all if not given."
    )
    regions: bool = Field(
        default=False,
        description="Whether to give the connected regions as detections with masks: that costs "
        "some milliseconds for each class.",
    )
    min_area: float = Field(
        default=0.001,
        ge=0,
        le=1,
        description="Leave out regions smaller than this part of the frame.",
    )

    @model_validator(mode="after")
    def _regions_are_wanted(self) -> Self:
        if "min_area" in self.model_fields_set and not self.regions:
            raise ValueError("min_area does nothing without `regions: true`")
        return self


class Segmented(NamedTuple):
    """How much of what was looked at the classes take, each and together, in 0..1.

    `label` is the class that takes most, absent where there is none. `detections` are the connected
    regions, each with its mask: the largest twenty, where `regions` is set.
    """

    share: float
    shares: Mapping[str, float]
    label: str | None
    detections: Detections


@block("semantic_segmentation@1", SemanticSegmentationManifest)
class Segment:
    """Says which class each place of an image shows, such as how much of a belt is covered.

    Raises:
        LookupError: there is no such model.
        ValueError: the model does not know one of the labels.
    """

    example = """
        - name: belt
          type: semantic_segmentation@1
          image: $inputs.image
          model: surfaces
          labels: [material]
        - name: overloaded
          type: event@1
          connection: local
          when: steps.belt.share > 0.7
          data: {covered: $steps.belt.share}
    """

    def __init__(self, manifest: SemanticSegmentationManifest, host: Host) -> None:
        self._manifest = manifest
        self._model = host.segmenter(manifest.model)
        known_labels(manifest.model, manifest.labels, self._model.labels)

    def run(self, image: Image) -> Segmented:
        """Look at the image."""
        m = self._manifest
        part = m.part_of(image)
        if part is None:
            nothing = dict.fromkeys(m.labels or self._model.labels, 0.0)
            return Segmented(0.0, nothing, None, Detections.empty())
        found = self._model.segment(part, m.confidence)
        wanted = m.labels or tuple(found.labels)
        known = dict(zip(found.labels, found.shares.tolist(), strict=True))
        shares = {label: round(known[label], 4) for label in wanted}
        most = max(wanted, key=lambda label: shares[label])
        return Segmented(
            min(1.0, round(sum(shares.values()), 4)),
            shares,
            most if shares[most] > 0 else None,
            self._regions(found, [label for label in wanted if m.regions and shares[label] > 0]),
        )

    def _regions(self, found: Segmentation, labels: list[str]) -> Detections:
        regions = []
        for label in labels:
            mask = found.mask(label)
            _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
            for number, (x, y, wide, high, area) in enumerate(stats.tolist()[1:], start=1):
                if area >= self._manifest.min_area * mask.size:
                    box = [x, y, x + wide, y + high]
                    regions.append((area, label, box, numbers, number))
        regions = sorted(regions, key=lambda region: -region[0])[:MOST_REGIONS]
        if not regions:
            return Detections.empty()
        known = list(found.labels)
        plain = Detections.of(
            [box for _, _, box, _, _ in regions],
            class_id=[known.index(label) for _, label, _, _, _ in regions],
            label=[label for _, label, _, _, _ in regions],
        )
        masks = np.stack([numbers == number for _, _, _, numbers, number in regions])
        return Detections(
            plain.xyxy, plain.confidence, plain.class_id, plain.tracker_id, masks, data=plain.data
        )
