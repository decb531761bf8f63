"""Looking at a part of the image only."""

import numpy as np
from pydantic import Field

from blocks.block import ShapeManifest
from blocks.data import Image
from blocks.geometry import Polygon, in_pixels

# Pixels of the image: a narrower or lower one is no picture of anything.
LEAST_SIDE = 2


class RegionManifest(ShapeManifest):
    """Where to look."""

    region: Polygon | None = Field(
        default=None,
        description="Corners of the part of the frame to look at: what is outside of the upright "
        "rectangle round them is cut away. The whole image if not given.",
    )

    def part_of(self, image: Image) -> Image | None:
        """What the model is to look at: the rectangle round the region, or the whole image.

        None if that is too narrow or too low for anything to be seen in it, as where a crop shows
        hardly anything of the region.
        """
        if self.region is None:
            return image if min(image.width, image.height) >= LEAST_SIDE else None
        corners = in_pixels(self.region, self.units, image.frame_size)
        places = image.from_frame(corners)
        size = np.array([image.width, image.height])
        low = np.maximum(np.floor(places.min(0)), 0)
        high = np.minimum(np.ceil(places.max(0)), size)
        if (high - low < LEAST_SIDE).any():
            return None
        if image.pixel_format == "yuv420p":
            # There a crop from a whole pixel of colour on costs least.
            low -= low % 2
        box = np.array([[*low, *high]], np.float32)
        return image.crop(image.to_frame(box)[0])
