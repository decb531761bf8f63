"""Images in a model's input, and the way back."""

import itertools

import numpy as np
import pytest

from appliance.inference.families.fitting import Canvas, Canvases, Fitted, Form, fit, pixels
from blocks.data import Image, Matrix

WIDE = np.zeros((40, 80, 3), np.uint8)
WIDE[:, :40] = (255, 0, 0)  # blue on the left, in OpenCV's order
WIDE[:, 40:] = (0, 0, 255)


def test_a_stretched_image_fills_the_input() -> None:
    tensor, _ = fit(Image.from_bgr(WIDE), Form((20, 20)))
    assert tensor.shape == (1, 3, 20, 20)
    assert tensor[0, :, 10, 2].tolist() == [0.0, 0.0, 1.0]
    assert tensor[0, :, 10, 17].tolist() == [1.0, 0.0, 0.0]


def test_a_letterboxed_image_keeps_its_proportions_between_bars() -> None:
    tensor, place = fit(Image.from_bgr(WIDE), Form((40, 40), fit="letterbox", std=(1.0,) * 3))
    assert place == Fitted(place.image, (0.5, 0.5), (0.0, 10.0), (40, 40))
    assert np.unique(tensor[0, :, :10]).tolist() == [114.0]
    assert np.unique(tensor[0, :, 30:]).tolist() == [114.0]
    assert tensor[0, :, 20, 5].tolist() == [0.0, 0.0, 255.0]


def test_in_the_corner_the_bar_is_at_the_end() -> None:
    tensor, place = fit(Image.from_bgr(WIDE), Form((40, 40), fit="corner", std=(1.0,) * 3))
    assert place.shift == (0.0, 0.0)
    assert np.unique(tensor[0, :, 20:]).tolist() == [114.0]


def test_a_crop_takes_the_middle() -> None:
    tensor, place = fit(Image.from_bgr(WIDE), Form((20, 20), fit="crop"))
    assert place.shift == (-10.0, 0.0)
    assert tensor[0, :, 10, 9].tolist() == [0.0, 0.0, 1.0]
    assert tensor[0, :, 10, 10].tolist() == [1.0, 0.0, 0.0]


def test_values_are_moved_and_scaled_for_each_colour_in_the_order_asked_for() -> None:
    form = Form((20, 20), layout="nhwc", colours="bgr", mean=(5, 0, 0), std=(125.0, 1.0, 1.0))
    tensor, _ = fit(Image.from_bgr(WIDE), form)
    assert tensor.shape == (1, 20, 20, 3)
    assert tensor[0, 10, 2] == pytest.approx([2.0, 0.0, 0.0])


@pytest.mark.parametrize("how", ["stretch", "letterbox", "corner", "crop"])
@pytest.mark.parametrize("size", [(64, 64), (97, 33), (33, 97)])
def test_a_box_goes_there_and_back(how: str, size: tuple[int, int]) -> None:
    frame = Image.from_bgr(np.zeros((300, 400, 3), np.uint8))
    part = frame.crop((100, 50, 260, 170))
    _, place = fit(part, Form(size, fit=how))  # type: ignore[arg-type]  # one of its words
    inside = np.array([[150.0, 90.0, 200.0, 120.0]], np.float32)
    there = (inside - [100, 50, 100, 50]) * ([*place.factor] * 2) + ([*place.shift] * 2)
    assert place.boxes(there.astype(np.float32)) == pytest.approx(inside, abs=0.01)
    assert place.points(there[:, :2]) == pytest.approx(inside[:, :2], abs=0.01)


def test_boxes_are_cut_at_the_edges_of_the_image() -> None:
    _, place = fit(Image.from_bgr(WIDE), Form((40, 40), fit="letterbox"))
    assert place.boxes(np.array([[-5.0, 0.0, 60.0, 40.0]], np.float32)).tolist() == [[0, 0, 80, 40]]


RAW = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
FITS = ("stretch", "letterbox", "corner", "crop")


def picture(width: int, height: int, matrix: Matrix | None, *, full_range: bool = False) -> Image:
    """Noise: of planes as a decoder gives them, or in OpenCV's order of colours."""
    noise = np.random.default_rng(seed=width)

    def plane(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return noise.integers(0, 256, shape, np.uint8)

    if matrix is None:
        return Image.from_bgr(plane(height, width, 3))
    half = ((height + 1) // 2, (width + 1) // 2)
    planes = (plane(height, width), plane(*half), plane(*half))
    return Image(planes, "yuv420p", matrix=matrix, full_range=full_range)


PICTURES = [
    picture(128, 72, None),
    picture(128, 72, "bt601"),
    picture(72, 128, "bt709"),
    picture(96, 72, "bt601", full_range=True),
    picture(45, 81, "bt601"),
    picture(3, 400, "bt709"),
]


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("size", [(64, 64), (61, 35)])
def test_pixels_are_those_of_the_tensor_of_numbers(how: str, size: tuple[int, int]) -> None:
    form = Form(size, layout="nhwc", fit=how, **RAW)  # type: ignore[arg-type]  # one of its words
    for image in PICTURES:
        expected, place = fit(image, form)
        drawn, same_place = pixels(image, form)
        assert drawn.dtype == np.uint8
        assert np.array_equal(drawn, expected)
        assert same_place == place


def test_a_canvas_shows_nothing_of_the_image_before() -> None:
    form = Form((64, 64), fit="letterbox")
    canvas = Canvas(form)
    for first, second in itertools.permutations(PICTURES, 2):
        canvas.draw(first)
        drawn, _ = canvas.draw(second)
        assert np.array_equal(drawn, pixels(second, form)[0])


def test_a_canvas_draws_into_the_same_memory_again() -> None:
    canvas = Canvas(Form((64, 64), fit="letterbox"))
    first, _ = canvas.draw(PICTURES[0])
    second, _ = canvas.draw(PICTURES[1])
    assert np.shares_memory(first, second)


def test_two_at_a_time_have_a_canvas_each_and_later_ones_take_theirs() -> None:
    canvases = Canvases(Form((64, 64)))
    with canvases.one() as one, canvases.one() as other:
        assert one is not other
    with canvases.one() as again, canvases.one() as as_well:
        assert {again, as_well} == {one, other}


def test_a_canvas_comes_back_from_who_failed() -> None:
    canvases = Canvases(Form((64, 64)))
    with pytest.raises(ZeroDivisionError), canvases.one() as one:
        raise ZeroDivisionError
    with canvases.one() as again:
        assert again is one
