"""How unlike good pictures an image is."""

from typing import NamedTuple

import cv2
import numpy as np
from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Detections, Image
from blocks.host import Host
from blocks.models.region import RegionManifest
from blocks.predictions import Anomaly

LABEL = "anomaly"


class AnomalyManifest(RegionManifest):
    """The model, and from when on something is anomalous."""

    model: ModelName = Field(
        description="Name of the anomaly model, fitted with `appliance models fit-anomaly`."
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="From this distance on an image is anomalous; what was found when the model "
        "was fitted if not given.",
    )


class Inspected(NamedTuple):
    """How far the image is from good ones, whether that is too far, and where, if that is known.

    All are absent where the image shows less than two pixels of the region.
    """

    score: float
    anomalous: bool
    detections: Detections


@block("anomaly@1", AnomalyManifest)
class Inspect:
    """Compares an image with the good pictures that a model was fitted to.

    Each image is judged by itself. Of many in a row that show the same, `cooldown_s` of an event
    makes one event.

    Raises:
        LookupError: there is no such model, or it was not fitted.
    """

    example = """
        - name: lid
          type: anomaly@1
          image: $inputs.image
          model: good-lids
          region: [[0.3, 0.2], [0.7, 0.2], [0.7, 0.8], [0.3, 0.8]]
        - name: reject
          type: event@1
          connection: local
          when: steps.lid.anomalous
          cooldown_s: 2
          data: {score: $steps.lid.score}
    """

    def __init__(self, manifest: AnomalyManifest, host: Host) -> None:
        self._manifest = manifest
        self._model = host.inspector(manifest.model)

    def run(self, image: Image) -> Inspected | None:
        """Look at the image."""
        part = self._manifest.part_of(image)
        if part is None:
            return None
        found = self._model.inspect(part)
        given = self._manifest.threshold
        bar = found.threshold if given is None else given
        # A score that is no number is anomalous.
        return Inspected(found.score, not found.score <= bar, too_far(found, bar))


def too_far(found: Anomaly, bar: float) -> Detections:
    """A box round each place of patches that are too far, in the frame's pixels."""
    if found.seen is None or found.distances.size <= 1:
        return Detections.empty()
    far = np.asarray(~(found.distances <= bar), np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(far)
    left, top, right, bottom = found.seen
    across = (right - left) / far.shape[1]
    down = (bottom - top) / far.shape[0]
    boxes, scores = [], []
    for number, (x, y, wide, high, _) in enumerate(stats.tolist()[1:], start=1):
        boxes.append([left + x * across, top + y * down])
        boxes[-1] += [left + (x + wide) * across, top + (y + high) * down]
        scores.append(float(np.nanmax(found.distances[regions == number], initial=0.0)))
    # A distance is up to 2, and a confidence up to 1.
    return Detections.of(boxes, np.array(scores) / 2, label=[LABEL] * len(boxes))
