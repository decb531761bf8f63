"""Looking at a part of the image only."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blocks.block import ShapeManifest
from blocks.data import Image
from blocks.geometry import Polygon, in_pixels


class RegionManifest(ShapeManifest):
    """Where to look."""

    region: Polygon | None = Field(
        default=None,
        description="Corners of the part of the frame to look at: what is outside of the upright "
        "rectangle round them is cut away. The whole image if not given.",
    )

    def part_of(self, image: Image) -> Image:
        """The rectangle round the region, cut out of the image; the image, if there is none."""
        if self.region is None:
            return image
        corners = in_pixels(self.region, self.units, image.frame_size)
        box: NDArray[np.float32] = np.array([*corners.min(0), *corners.max(0)], np.float32)
        return image.crop(box)
