from collections.abc import Callable

import numpy as np
import pytest

from blocks.data import Pixels
from blocks.images.canvas import Canvas, colour_of


def grey(height: int = 480, width: int = 640, level: int = 128) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def touched(canvas: Canvas, level: int = 128) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is no longer grey."""
    rows, columns = np.nonzero((canvas.pixels != level).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_a_canvas_is_a_copy() -> None:
    pixels = grey()
    Canvas(pixels).box(10, 10, 50, 50, (0, 0, 255))
    assert (pixels == 128).all()


def test_a_box_is_drawn_at_its_edges_and_not_inside() -> None:
    canvas = Canvas(grey())
    canvas.box(100, 50, 200, 300, (0, 0, 255))
    # Smoothing mixes some of the dark rim in.
    np.testing.assert_allclose(canvas.pixels[175, 100], [0, 0, 255], atol=40)
    np.testing.assert_allclose(canvas.pixels[50, 150], [0, 0, 255], atol=40)
    assert (canvas.pixels[60:290, 110:190] == 128).all()


@pytest.mark.parametrize("level", [0, 255])
def test_lines_stand_out_on_black_and_on_white(level: int) -> None:
    for colour in ((255, 255, 255), colour_of(1)):
        canvas = Canvas(grey(level=level))
        canvas.path(np.array([[10.0, 240.0], [600.0, 240.0]]), colour)
        column = canvas.pixels[:, 300].astype(int)
        assert np.abs(column - level).sum(axis=1).max() > 250


def test_strokes_and_letters_grow_with_the_picture() -> None:
    small, large = Canvas(grey(240, 320)), Canvas(grey(2160, 3840))
    assert small.stroke == 1
    assert small.text_height == 10
    assert large.stroke == 7
    assert large.text_height == 51


DRAWINGS: list[Callable[[Canvas], None]] = [
    lambda c: c.box(-1e12, -50, 1e12, 5000, (0, 0, 255)),
    lambda c: c.area(np.array([[-900.0, -900], [-800, -900], [-800, -800]]), (0, 0, 255)),
    lambda c: c.area(np.array([[-900.0, -900], [9000, -900], [9000, 9000]]), (0, 0, 255)),
    lambda c: c.plate("person #1", -500, -500, -400, (0, 0, 255)),
    lambda c: c.plate(
        "a name that is much longer than the picture is wide" * 3, 5, 9, 9, (1, 1, 1)
    ),
    lambda c: c.legend({f"a long name {i}" * 9: 1 for i in range(99)}),
    lambda c: c.dot(1e9, 1e9, (0, 0, 255)),
]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_what_lies_outside_or_is_too_large_does_no_harm(draw: Callable[[Canvas], None]) -> None:
    for shape in ((480, 640), (16, 16), (1, 1)):
        canvas = Canvas(grey(*shape))
        draw(canvas)
        assert canvas.pixels.shape == (*shape, 3)


def test_an_area_is_tinted_and_shows_what_is_under_it() -> None:
    canvas = Canvas(grey())
    canvas.area(np.array([[100.0, 100], [300, 100], [300, 300], [100, 300]]), (0, 0, 255))
    assert canvas.pixels[200, 200].tolist() == pytest.approx([102, 102, 153], abs=2)
    assert canvas.pixels[200, 400].tolist() == [128, 128, 128]


def test_a_plate_stands_above_its_box() -> None:
    canvas = Canvas(grey())
    canvas.plate("person #1", 100, 200, 300, (0, 0, 255))
    left, top, _, bottom = touched(canvas)
    assert left == 100
    assert 180 < top < bottom == 200


def test_at_the_edges_a_plate_is_moved_into_the_picture() -> None:
    for x, above in ((-50, -50), (639, 0), (639, 600)):
        canvas = Canvas(grey())
        canvas.plate("person #1", x, above, above + 50, (0, 0, 255))
        left, top, right, bottom = touched(canvas)
        assert right - left > 40
        assert bottom - top > 10


def test_a_second_plate_in_the_same_place_hangs_below() -> None:
    canvas = Canvas(grey())
    canvas.plate("person #1", 100, 200, 300, (0, 0, 255))
    first = canvas.pixels[180:201].copy()
    canvas.plate("person #2", 105, 200, 300, (0, 255, 0))
    np.testing.assert_array_equal(canvas.pixels[180:201], first)
    assert canvas.pixels[302, 106].tolist() == [0, 255, 0]


def test_letters_are_dark_on_bright_plates_and_white_on_dark_ones() -> None:
    for colour, extreme in (((200, 255, 255), 60), ((120, 0, 0), 240)):
        canvas = Canvas(grey())
        canvas.plate("HHHH", 100, 200, 300, colour)
        letters = canvas.pixels[185:200, 105:140].mean(axis=2)
        assert (letters.min() < extreme) if extreme < 128 else (letters.max() > extreme)


def test_a_legend_says_names_and_values_in_the_corner() -> None:
    pictures = []
    for entries in ({"in": 1}, {"in": 2}, {"out": 1}, {"in": 1, "out": 2}):
        canvas = Canvas(grey())
        canvas.legend(entries)
        left, top, right, bottom = touched(canvas)
        assert 0 < left < 12
        assert 0 < top < 12
        assert right < 320
        assert bottom < 120
        pictures.append(canvas.pixels.tobytes())
    assert len(set(pictures)) == 4


def test_values_of_a_legend_are_said_as_people_say_them() -> None:
    def drawn(value: object) -> bytes:
        canvas = Canvas(grey())
        canvas.legend({"x": value})
        return canvas.pixels.tobytes()

    assert drawn(True) == drawn("yes")
    assert drawn(False) == drawn("no")
    assert drawn(12) == drawn("12")
    assert drawn(3.14159) == drawn("3.1")
    assert drawn(12345.6) == drawn("12346")


def test_letters_beyond_ascii_are_drawn() -> None:
    canvas, unknown = Canvas(grey()), Canvas(grey())
    canvas.plate("Größe", 100, 200, 300, (0, 0, 255))
    unknown.plate("Gr??e", 100, 200, 300, (0, 0, 255))
    assert canvas.pixels.tobytes() != unknown.pixels.tobytes()


def test_neighbouring_numbers_have_clearly_different_colours() -> None:
    for number in range(1, 50):
        for near in range(1, 4):
            difference = np.subtract(colour_of(number), colour_of(number + near))
            assert np.abs(difference).sum() > 100
    assert colour_of(7) == colour_of(7)
