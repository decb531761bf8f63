"""Boxes and outlines of the things a model knows."""

from collections.abc import Sequence

from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Image
from blocks.host import Host
from blocks.models.filtering import DetectionManifest
from blocks.models.finding import Finder, Found


class InstanceSegmentationManifest(DetectionManifest):
    """The model, what of its finds to keep, and whether to look for small things."""

    model: ModelName = Field(description="Name of a detection model that gives masks.")


@block("instance_segmentation@1", InstanceSegmentationManifest)
class InstanceSegmentation:
    """Finds things in each image, and for each the pixels that it takes: a box and a mask.

    Masks are of the size of the frame. What works on boxes works on these, too.

    Raises:
        LookupError: there is no such model, or it gives no masks.
        ValueError: the model does not know one of the labels, or one has no bar.
    """

    example = """
        - name: people
          type: instance_segmentation@1
          image: $inputs.image
          model: people-outlines
          labels: [person]
    """

    def __init__(self, manifest: InstanceSegmentationManifest, host: Host) -> None:
        self._finder = Finder(manifest, host, "masks")

    def run(self, image: Image) -> Found:
        """Find what is in the image, with its masks."""
        return self._finder.find(image)

    def run_many(self, image: Sequence[Image]) -> Sequence[Found]:
        """Find what is in each of the images."""
        return self._finder.find_many(image)
