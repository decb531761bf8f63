"""An image as the tensor a model takes, and the way back from the model's pixels to the frame's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.data import Image, yuv_to_rgb

Layout = Literal["nchw", "nhwc"]
Values = NDArray[np.float32]
Bytes = NDArray[np.uint8]


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
    drawn = _pixels(image, form, place)
    if form.colours == "bgr":
        drawn = drawn[..., ::-1]
    tensor = np.empty(form.shape, np.float32)
    planes = tensor[0] if form.layout == "nchw" else tensor[0].transpose(2, 0, 1)
    # Colour by colour: NumPy is several times as fast as with three factors side by side.
    for i, plane in enumerate(planes):
        factor = np.float32(1) / np.float32(form.std[i])
        np.multiply(drawn[..., i], factor, out=plane)
        if form.mean[i]:
            plane -= np.float32(form.mean[i]) * factor
    return tensor, place


class Canvas:
    """The input of a model that takes pixels as they are, drawn again for each image.

    All that is needed meanwhile is kept, too: memory that is new for each image would have to be
    cleared by the system each time. One thread at a time may draw and use what was drawn.
    """

    def __init__(self, form: Form) -> None:
        width, height = form.size
        self._form = form
        self._tensor = np.full((1, height, width, 3), form.padding, np.uint8)
        self._area = (0, 0, width, height)
        self._brush = _Brush(width, height)

    def draw(self, image: Image) -> tuple[Bytes, Fitted]:
        """(1, height, width, 3), red first, good until the next is drawn; and where it lies.

        The pixels are those of `Image.rgb`, resized from the decoder's planes right into place.
        """
        place = _place(image, self._form)
        if self._form.fit == "crop":
            np.copyto(self._tensor[0], _pixels(image, self._form, place))
            return self._tensor, place
        left, top, width, height = area = _area(image, self._form, place)
        if area != self._area:
            self._tensor.fill(self._form.padding)
            self._area, self._brush = area, _Brush(width, height)
        self._brush.draw(image, self._tensor[0, top : top + height, left : left + width])
        return self._tensor, place


class Canvases:
    """Canvases of one form for threads that draw at the same time: as many as there were at once.

    There is no lock: taking one from a list, or putting one there, is a single step of Python.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._free: list[Canvas] = []

    @contextmanager
    def one(self) -> Iterator[Canvas]:
        """A canvas that nobody else has until the end of the block."""
        try:
            canvas = self._free.pop()
        except IndexError:
            canvas = Canvas(self._form)
        try:
            yield canvas
        finally:
            self._free.append(canvas)


def pixels(image: Image, form: Form) -> tuple[Bytes, Fitted]:
    """What a canvas gives, in an array of its own: (1, height, width, 3), red first."""
    return Canvas(form).draw(image)


class _Brush:
    """Draws images at one size, by the same steps as `Image.rgb`, in memory it keeps."""

    def __init__(self, width: int, height: int) -> None:
        self._size, self._half = (width, height), ((width + 1) // 2, (height + 1) // 2)
        self._even = width % 2 == 0 and height % 2 == 0
        self._colours = np.empty((height, width, 3), np.uint8)
        (half_width, half_height), luma = self._half, width * height
        # The planes one behind the other, as OpenCV converts them: Y, U, V.
        self._planes = np.empty(luma + 2 * half_width * half_height, np.uint8)
        self._y = self._planes[:luma].reshape(height, width)
        self._u, self._v = self._planes[luma:].reshape(2, half_height, half_width)
        self._wide: tuple[Bytes, Bytes] | None = None

    def draw(self, image: Image, target: Bytes) -> None:
        """The whole image into (height, width, 3), red first; its rows may lie apart."""
        if image.pixel_format == "bgr24":
            cv2.resize(image.planes[0], self._size, dst=self._colours)
            cv2.cvtColor(self._colours, cv2.COLOR_BGR2RGB, dst=target)
            return
        y, u, v = image.planes
        cv2.resize(y, self._size, dst=self._y)
        cv2.resize(u, self._half, dst=self._u)
        cv2.resize(v, self._half, dst=self._v)
        if image.matrix == "bt601" and not image.full_range and self._even:
            i420 = self._planes.reshape(self._size[1] * 3 // 2, self._size[0])
            cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420, dst=target)
            return
        if self._wide is None:
            self._wide = (np.empty_like(self._y), np.empty_like(self._y))
        wide_u, wide_v = self._wide
        cv2.resize(self._u, self._size, dst=wide_u, interpolation=cv2.INTER_NEAREST)
        cv2.resize(self._v, self._size, dst=wide_v, interpolation=cv2.INTER_NEAREST)
        cv2.merge([self._y, wide_u, wide_v], dst=self._colours)
        transform = yuv_to_rgb(image.matrix, full_range=image.full_range)
        cv2.transform(self._colours, transform, dst=target)


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


def _area(image: Image, form: Form, place: Fitted) -> tuple[int, int, int, int]:
    """Where the whole image lies in the input: left, top, width, height."""
    if form.fit == "stretch":
        return (0, 0, *form.size)
    (across, down), (left, top) = place.factor, place.shift
    width, height = max(1, round(image.width * across)), max(1, round(image.height * down))
    return int(left), int(top), width, height


def _pixels(image: Image, form: Form, place: Fitted) -> NDArray[np.uint8]:
    """The pixels (height, width, 3), red first."""
    width, height = form.size
    if form.fit == "stretch":
        return image.rgb(width, height)
    left, top, *scaled_size = _area(image, form, place)
    scaled = image.rgb(*scaled_size)
    if form.fit == "crop":
        return scaled[-top : height - top, -left : width - left]
    right, bottom = width - left - scaled.shape[1], height - top - scaled.shape[0]
    grey = (form.padding,) * 3
    padded = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey)
    return np.asarray(padded, np.uint8)
