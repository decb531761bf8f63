"""Boxes round the things a model knows."""

from collections.abc import Sequence

from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Image
from blocks.host import Host
from blocks.models.filtering import DetectionManifest
from blocks.models.finding import Finder, Found

__all__ = ["Found", "ObjectDetection", "ObjectDetectionManifest"]


class ObjectDetectionManifest(DetectionManifest):
    """The model, what of its finds to keep, and whether to look for small things."""

    model: ModelName = Field(description="Name of the detection model.")


@block("object_detection@1", ObjectDetectionManifest)
class ObjectDetection:
    """Finds things in each image with a model; keeps the labels that are asked for.

    Raises:
        LookupError: there is no such model.
        ValueError: the model does not know one of the labels, or one has no bar.
    """

    example = """
        - name: people
          type: object_detection@1
          image: $inputs.image
          model: people-ssdlite
          confidence: 0.4
          labels: [person]
          region: [[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]
    """

    def __init__(self, manifest: ObjectDetectionManifest, host: Host) -> None:
        self._finder = Finder(manifest, host)

    def run(self, image: Image) -> Found:
        """Find what is in the image."""
        return self._finder.find(image)

    def run_many(self, image: Sequence[Image]) -> Sequence[Found]:
        """Find what is in each of the images."""
        return self._finder.find_many(image)
