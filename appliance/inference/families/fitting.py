"""An image as the tensor a model takes, and the way back from the model's pixels to the frame's."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.data import Image

Layout = Literal["nchw", "nhwc"]
Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Form:
    """How a model takes an image.

    `size` is (width, height) in pixels. `fit`: "stretch" changes the proportions, "letterbox" puts
    the whole image in the middle and `padding` (brightness, 0..255) round it, "corner" fits it
    into the top left corner, "crop" takes the largest part of these proportions from the middle.
    A value is (brightness - `mean`) / `std` for each colour, in the order of `colours`.
    """

    size: tuple[int, int]
    layout: Layout = "nchw"
    fit: Literal["stretch", "letterbox", "corner", "crop"] = "stretch"
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    padding: int = 114

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the tensor, for one image."""
        width, height = self.size
        return (1, 3, height, width) if self.layout == "nchw" else (1, height, width, 3)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where an image lies in a model's input: there x is `x * factor + shift`, in pixels.

    `factor` and `shift` are (x, y); `size` is (width, height) of the model's input.
    """

    image: Image
    factor: tuple[float, float]
    shift: tuple[float, float]
    size: tuple[int, int]

    def boxes(self, xyxy: Values) -> Values:
        """Boxes (N, 4) in pixels of the model's input, in the frame's, cut at the image's edges."""
        shift, factor = np.array([*self.shift] * 2), np.array([*self.factor] * 2)
        edges = np.array([self.image.width, self.image.height] * 2)
        inside = np.clip((np.asarray(xyxy, np.float64) - shift) / factor, 0, edges)
        return self.image.to_frame(inside.astype(np.float32))

    def points(self, xy: NDArray[np.floating]) -> Values:
        """Points (…, 2) in pixels of the model's input, in the frame's."""
        inside = (np.asarray(xy, np.float64) - self.shift) / self.factor
        return np.asarray(inside * self.image.scale + self.image.offset, np.float32)


def fit(image: Image, form: Form) -> tuple[Values, Fitted]:
    """The tensor of one image, of `form.shape`, and where the image lies in it."""
    place = _place(image, form)
    pixels = _pixels(image, form, place)
    if form.colours == "bgr":
        pixels = pixels[..., ::-1]
    tensor = np.empty(form.shape, np.float32)
    colours_last = tensor[0].transpose(1, 2, 0) if form.layout == "nchw" else tensor[0]
    factor = 1 / np.asarray(form.std, np.float32)
    np.multiply(pixels, factor, out=colours_last)
    if any(form.mean):
        colours_last -= np.asarray(form.mean, np.float32) * factor
    return tensor, place


def _place(image: Image, form: Form) -> Fitted:
    wide, high = form.size[0] / image.width, form.size[1] / image.height
    if form.fit == "stretch":
        return Fitted(image, (wide, high), (0.0, 0.0), form.size)
    factor = max(wide, high) if form.fit == "crop" else min(wide, high)
    if form.fit == "corner":
        return Fitted(image, (factor, factor), (0.0, 0.0), form.size)
    # Whole pixels, so that nothing is resampled twice.
    left = round((form.size[0] - image.width * factor) / 2 - 0.1)
    top = round((form.size[1] - image.height * factor) / 2 - 0.1)
    return Fitted(image, (factor, factor), (float(left), float(top)), form.size)


def _pixels(image: Image, form: Form, place: Fitted) -> NDArray[np.uint8]:
    """The pixels (height, width, 3), red first."""
    width, height = form.size
    if form.fit == "stretch":
        return image.rgb(width, height)
    scaled = image.rgb(
        max(1, round(image.width * place.factor[0])), max(1, round(image.height * place.factor[1]))
    )
    left, top = int(place.shift[0]), int(place.shift[1])
    if form.fit == "crop":
        return scaled[-top : height - top, -left : width - left]
    right, bottom = width - left - scaled.shape[1], height - top - scaled.shape[0]
    grey = (form.padding,) * 3
    padded = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey)
    return np.asarray(padded, np.uint8)
