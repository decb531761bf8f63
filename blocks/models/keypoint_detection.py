"""Boxes round the things a model knows, and where their joints or corners are."""

from collections.abc import Sequence

from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Image
from blocks.host import Host
from blocks.models.filtering import DetectionManifest
from blocks.models.finding import Finder, Found


class KeypointDetectionManifest(DetectionManifest):
    """The model, what of its finds to keep, and whether to look for small things."""

    model: ModelName = Field(description="Name of a detection model that gives keypoints.")


@block("keypoint_detection@1", KeypointDetectionManifest)
class KeypointDetection:
    """Finds things in each image, and the points that its model knows of each, such as joints.

    Each point is x and y in the frame's pixels, and how sure it is.

    Raises:
        LookupError: there is no such model, or it gives no keypoints.
        ValueError: the model does not know one of the labels, or one has no bar.
    """

    example = """
        - name: poses
          type: keypoint_detection@1
          image: $inputs.image
          model: people-joints
          confidence: 0.5
    """

    def __init__(self, manifest: KeypointDetectionManifest, host: Host) -> None:
        self._finder = Finder(manifest, host, "keypoints")

    def run(self, image: Image) -> Found:
        """Find what is in the image, with its keypoints."""
        return self._finder.find(image)

    def run_many(self, image: Sequence[Image]) -> Sequence[Found]:
        """Find what is in each of the images."""
        return self._finder.find_many(image)
