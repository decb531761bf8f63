"""Pictures of the boxes, one for each."""

from typing import NamedTuple

import numpy as np
from pydantic import Field

from blocks.block import Manifest, block
from blocks.data import Detections, Image


class CropManifest(Manifest):
    """How much to cut out, and which boxes are too small for it."""

    padding: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="What to add on each side, in parts of the box's width and height.",
    )
    min_size: float = Field(
        default=0.0,
        ge=0,
        description="Leave out boxes of which less than this is seen from side to side, or from "
        "top to bottom, in pixels of the frame.",
    )


class Crops(NamedTuple):
    """A picture for each box that is kept, and in the same place its box: one row of detections."""

    images: tuple[Image, ...]
    detections: tuple[Detections, ...]


@block("crop@1", CropManifest)
class Crop:
    """Cuts the boxes out of an image, a picture for each.

    A step that takes one image and is wired to the pictures runs once for each; boxes that it finds
    are in the frame's pixels, as all boxes are. A box that lies outside of the image, or is too
    small, is left out with its row.
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
          padding: 0.2
          min_size: 64
        - name: helmets
          type: object_detection@1
          image: $steps.crops.images
          model: helmets
    """

    def __init__(self, manifest: CropManifest) -> None:
        self._manifest = manifest

    def run(self, image: Image, detections: Detections) -> Crops:
        """Cut out each of the boxes."""
        found = detections[np.asarray(np.isfinite(detections.xyxy).all(axis=1))]
        corners = np.array([[[0, 0, image.width, image.height]]], np.float32)
        left, top, right, bottom = image.to_frame(corners[0])[0]
        seen = found.xyxy.clip((left, top, left, top), (right, bottom, right, bottom))
        sides = seen[:, 2:] - seen[:, :2]
        kept = found[np.asarray(((sides > 0) & (sides >= self._manifest.min_size)).all(axis=1))]
        padding = self._manifest.padding * np.tile(kept.xyxy[:, 2:] - kept.xyxy[:, :2], 2)
        boxes = np.asarray(kept.xyxy + padding * (-1, -1, 1, 1), np.float32)
        rows = tuple(kept[[i]] for i in range(len(kept)))
        return Crops(tuple(image.crop(box) for box in boxes), rows)
