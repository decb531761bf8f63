"""Pixels of decoded pictures, against av's own conversion."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.video.planes import image_of
from blocks.data import Image

Render = Callable[..., Path]

BT709, BT601 = 1, 6
UNSPECIFIED, LIMITED, FULL = 0, 1, 2


def first_picture(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def colour_of_square(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colour well inside the red square of picture 0, where no chroma is mixed."""
    height, width = pixels.shape[:2]
    inside = pixels[height * 5 // 8 - 4 : height * 5 // 8 + 4, width // 8 - 4 : width // 8 + 4]
    return np.asarray(inside.reshape(-1, 3).mean(axis=0))


def assert_same_colours(image: Image, picture: av.VideoFrame) -> None:
    expected = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
    assert colour_of_square(image.bgr) == pytest.approx(colour_of_square(expected), abs=4)
    assert np.abs(image.bgr.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_colours_are_those_that_the_stream_names(
    render: Render, matrix: int, colour_range: int
) -> None:
    path = render("c.mp4", frames=1, size=(320, 240), colours=(matrix, colour_range))
    picture = first_picture(path)
    image = image_of(picture, "h264")
    assert image.matrix == ("bt709" if matrix == BT709 else "bt601")
    assert image.full_range is (colour_range == FULL)
    assert_same_colours(image, picture)
    assert colour_of_square(image.bgr) == pytest.approx([40, 30, 220], abs=8)


@pytest.mark.parametrize(
    ("codec", "height", "matrix"),
    [("libx264", 720, "bt709"), ("libx264", 480, "bt601"), ("mpeg4", 720, "bt601")],
)
def test_a_matrix_that_is_not_named_follows_codec_and_size(
    render: Render, codec: str, height: int, matrix: str
) -> None:
    picture = first_picture(render("c.mp4", frames=1, size=(64, height), codec=codec))
    assert picture.colorspace == 2
    image = image_of(picture, "h264" if codec == "libx264" else codec)
    assert image.matrix == matrix
    assert image.full_range is False


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("c.mp4", "libx264", "yuv422p"),
        ("c.mp4", "libx264", "yuv444p"),
        ("c.mp4", "libx264", "yuv420p10le"),
        ("c.mp4", "libx264", "nv12"),
        ("c.avi", "mjpeg", "yuvj422p"),
        ("c.avi", "mjpeg", "yuvj444p"),
        ("c.mkv", "ffv1", "gray"),
        ("c.mkv", "ffv1", "bgr0"),
        ("c.mov", "png", "rgb24"),
        ("c.avi", "rawvideo", "bgr24"),
    ],
)
def test_other_pixel_formats_keep_their_colours(
    render: Render, name: str, codec: str, pixel_format: str
) -> None:
    full = FULL if pixel_format.startswith("yuvj") else UNSPECIFIED
    options: dict[str, Any] = {"codec": codec, "pixel_format": pixel_format}
    path = render(name, frames=1, size=(320, 240), colours=(BT601, full), **options)
    picture = first_picture(path)
    image = image_of(picture, picture.format.name)
    assert image.bgr.shape == (240, 320, 3)
    assert_same_colours(image, picture)


def test_odd_sizes_have_chroma_rounded_up_and_no_padding(render: Render) -> None:
    path = render("c.avi", frames=1, size=(161, 121), codec="mjpeg", pixel_format="yuvj420p")
    picture = first_picture(path)
    image = image_of(picture, "mjpeg")
    assert [plane.shape for plane in image.planes] == [(121, 161), (61, 81), (61, 81)]
    assert image.full_range is True
    assert_same_colours(image, picture)


def test_planes_are_views_of_the_pictures_own_buffers(clip: Path) -> None:
    picture = first_picture(clip)
    image = image_of(picture, "h264")
    for plane, of_picture in zip(image.planes, picture.planes, strict=True):
        assert not plane.flags.writeable
        assert plane.ctypes.data == of_picture.buffer_ptr
        assert plane.strides == (of_picture.line_size, 1)


def test_planes_stay_what_they_are_while_the_decoder_goes_on(
    clip: Path, number_of: Callable[[Image], int]
) -> None:
    with av.open(str(clip)) as container:
        images = [image_of(picture, "h264") for picture in container.decode(video=0)]
    assert [number_of(image) for image in images] == list(range(24))


def test_rgb_pictures_hold_nothing_of_the_decoder(render: Render) -> None:
    path = render("c.avi", frames=1, codec="rawvideo", pixel_format="bgr24")
    image = image_of(first_picture(path), "rawvideo")
    owner: Any = image.planes[0]
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert image.pixel_format == "bgr24"
    assert owner is None
