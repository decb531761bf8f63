"""Boxes in the pixels of a crop."""

from typing import NamedTuple

from blocks.block import Manifest, block
from blocks.data import Detections, Image


class InImageManifest(Manifest):
    """There is nothing to set."""


class InImage(NamedTuple):
    """The same finds; boxes and keypoints are in the pixels of the image, masks in the frame's."""

    detections: Detections


@block("in_image@1", InImageManifest)
class SeenInImage:
    """Tells where boxes lie in an image, such as a crop, instead of in the frame.

    For what is read outside of the workflow: all other blocks take boxes in the frame's pixels.
    """

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
        - name: placed
          type: in_image@1
          image: $steps.crops.images
          detections: $steps.crops.detections
    """

    def __init__(self, manifest: InImageManifest) -> None: ...

    def run(self, image: Image, detections: Detections) -> InImage:
        """Count from the image's top left corner, in its own pixels."""
        return InImage(detections.seen_from(image))
