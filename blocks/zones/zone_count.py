"""How many are inside a zone."""

from typing import NamedTuple

from pydantic import Field

from blocks.block import ShapeManifest, block
from blocks.data import Detections, Frame
from blocks.geometry import Anchor, Polygon, in_pixels, inside


class ZoneCountManifest(ShapeManifest):
    """The zone, and what of a box must be in it."""

    zone: Polygon = Field(
        description="Corners of the zone, in the order in which you walk round it."
    )
    anchor: Anchor = Field(
        default=Anchor.BOTTOM_CENTER,
        description="Point of a box that must be inside; by default where a person stands.",
    )


class Inside(NamedTuple):
    """How many are inside in this frame, and who; tracked or not."""

    count: int  # type: ignore[assignment]  # it hides a method of tuples that nobody calls here
    detections: Detections


@block("zone_count@1", ZoneCountManifest)
class ZoneCount:
    """Counts the detections that are inside a zone in this frame."""

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          labels: [person]
        - name: queue
          type: zone_count@1
          detections: $steps.people.detections
          zone: [[0.1, 0.5], [0.6, 0.5], [0.6, 0.95], [0.1, 0.95]]
    """

    def __init__(self, manifest: ZoneCountManifest) -> None:
        self._manifest = manifest

    def run(self, frame: Frame, detections: Detections) -> Inside:
        """Count the detections whose anchor is inside."""
        m = self._manifest
        zone = in_pixels(m.zone, m.units, frame.image.frame_size)
        here = detections[inside(zone, m.anchor.of(detections.xyxy))]
        return Inside(len(here), here)
