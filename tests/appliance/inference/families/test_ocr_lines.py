"""What lines of text say."""

import math

import numpy as np
import pytest

from appliance.inference.families.ocr_lines import (
    HEIGHT,
    characters,
    cut,
    decode,
    direction_mismatch,
    direction_tensor,
    recognition_mismatch,
    recognition_tensor,
    turned,
    upside_down,
)
from blocks.data import Image

LETTERS = ("a", "b", "c")


def steps(*columns: int, sure: float = 0.9) -> np.ndarray:
    """Probabilities (1, T, 5): blank, a, b, c and the space."""
    rest = (1 - sure) / 4
    values = np.full((1, len(columns), 5), rest, np.float32)
    values[0, np.arange(len(columns)), columns] = sure
    return values


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ((1, 2, 3), "abc"),
        ((1, 1, 2, 2), "ab"),
        ((1, 0, 1), "aa"),
        ((0, 0, 3, 0), "c"),
        ((1, 4, 2), "a b"),
        ((0, 0), ""),
    ],
)
def test_repeats_count_once_and_blanks_part_them(columns: tuple[int, ...], text: str) -> None:
    (found,) = decode({"x": steps(*columns)}, LETTERS)
    assert found.text == text
    assert found.confidence == pytest.approx(0.9 if text else 0.0)


def test_how_sure_it_is_is_the_mean_of_the_first_of_each_character() -> None:
    values = np.concatenate(
        [steps(1, sure=0.6), steps(1, sure=0.9), steps(0, sure=0.5), steps(2, sure=0.8)], axis=1
    )
    assert decode({"x": values}, LETTERS)[0].confidence == pytest.approx(0.7)


def test_logits_become_shares() -> None:
    (found,) = decode({"x": np.log(steps(1, 2, sure=0.7)) - 3}, LETTERS)
    assert (found.text, round(found.confidence, 4)) == ("ab", 0.7)


def test_a_model_without_the_space_has_a_column_less() -> None:
    assert decode({"x": steps(1, 4, 2)}, (*LETTERS, "d"))[0].text == "adb"


def test_another_number_of_characters_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"x \(1 x 1 x 5\), where there are 7 characters"):
        decode({"x": steps(1)}, tuple("abcdefg"))


def test_steps_that_hold_no_number_say_nothing() -> None:
    values = steps(1, 2)
    values[0, 0] = math.nan
    assert decode({"x": values}, LETTERS)[0].text == "b"


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_a_plain_loop(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 2, (3, 30, 5)).astype(np.float32)
    for line, found in zip(logits.tolist(), decode({"x": logits}, LETTERS), strict=True):
        text, sure, last = "", [], 0
        for step in line:
            best = step.index(max(step))
            if best not in (0, last):
                text += "_abc "[best]
                sure.append(math.exp(step[best]) / sum(math.exp(v) for v in step))
            last = best
        assert found.text == text
        assert found.confidence == pytest.approx(sum(sure) / len(sure), abs=1e-5)


def test_characters_are_one_a_line_whatever_they_are() -> None:
    assert characters("a\n\u2028\n \n") == ("a", "\u2028", " ")
    assert characters("a\r\nb") == ("a", "b")


def test_only_lines_that_are_surely_turned_are_turned() -> None:
    scores = np.array([[0.95, 0.05], [0.2, 0.8], [0.05, 0.95]], np.float32)
    assert upside_down({"x": scores}).tolist() == [False, False, True]
    assert upside_down({"x": scores}, sure=0.7).tolist() == [False, True, True]
    assert upside_down({"x": np.array([[0.0, 5.0]])}).tolist() == [True]
    assert upside_down({"x": np.array([[math.nan, math.nan]])}).tolist() == [False]
    with pytest.raises(ValueError, match="two scores for each line"):
        upside_down({"x": np.zeros((1, 3))})


def pattern() -> np.ndarray:
    """A picture in which each pixel tells its place: blue is x, green is y."""
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[..., 0] = np.arange(200)
    picture[..., 1] = np.arange(100)[:, None]
    return picture


def test_an_upright_line_is_cut_as_it_is() -> None:
    corners = np.array([[20, 10], [80, 10], [80, 30], [20, 30]], np.float32)
    assert (cut(Image.from_bgr(pattern()), corners) == pattern()[10:30, 20:80]).all()


def test_a_line_in_a_part_of_the_frame_is_cut_where_it_is() -> None:
    part = Image.from_bgr(pattern()).crop((10, 5, 150, 90))
    corners = np.array([[20, 10], [80, 10], [80, 30], [20, 30]], np.float32)
    assert (cut(part, corners) == pattern()[10:30, 20:80]).all()


def test_a_line_from_top_to_bottom_is_laid_down() -> None:
    corners = np.array([[20, 10], [40, 10], [40, 70], [20, 70]], np.float32)
    line = cut(Image.from_bgr(pattern()), corners)
    assert (line == np.rot90(pattern()[10:70, 20:40])).all()


def test_a_slanted_line_is_made_level() -> None:
    corners = np.array([[40, 20], [100, 50], [90, 70], [30, 40]], np.float32)
    line = cut(Image.from_bgr(pattern()), corners)
    assert line.shape == (22, 67, 3)
    # At the middle of the line is the middle of the picture's part.
    assert line[11, 33, :2].tolist() == pytest.approx([65, 45], abs=1)
    assert line[0, 0, :2].tolist() == pytest.approx([40, 20], abs=1)
    assert line[-1, -1, :2].tolist() == pytest.approx([89, 69], abs=1)


def test_a_turned_line_is_turned_back() -> None:
    line = pattern()[:20, :60]
    assert (turned(turned(line)) == line).all()
    assert turned(line)[0, 0].tolist() == [59, 19, 0]


def test_lines_are_48_high_in_minus_1_to_1_and_padded_to_one_width() -> None:
    short, long = np.full((24, 48, 3), 255, np.uint8), np.zeros((24, 300, 3), np.uint8)
    tensor = recognition_tensor([short, long])
    assert tensor.shape == (2, 3, HEIGHT, 640)
    assert np.unique(tensor[0, :, :, :96]).tolist() == [1.0]
    assert np.unique(tensor[0, :, :, 96:]).tolist() == [0.0]
    assert np.unique(tensor[1, :, :, :600]).tolist() == [-1.0]


def test_widths_are_within_bounds() -> None:
    dot, thread = np.zeros((50, 1, 3), np.uint8), np.zeros((1, 900, 3), np.uint8)
    assert recognition_tensor([dot]).shape[3] == 320
    assert recognition_tensor([thread]).shape[3] == 3200
    assert direction_tensor([dot, thread]).shape == (2, 3, 48, 192)
    assert recognition_tensor([]).shape == (0, 3, 48, 320)


def test_shapes_of_other_models_are_told() -> None:
    assert direction_mismatch({"x": ("n", 2)}) == ""
    assert "this model has x (n x 1000)" in direction_mismatch({"x": ("n", 1000)})
    assert recognition_mismatch({"x": ("n", "t", 6625)}, 6623) == ""
    assert recognition_mismatch({"x": ("n", "t", 6624)}, 6623) == ""
    assert recognition_mismatch({"x": ("n", "t", "c")}, 6623) == ""
    assert recognition_mismatch({"x": ("n", "t", 97)}, None) == ""
    assert recognition_mismatch({"x": ("n", "t", 97)}, 36) == (
        "it gives 97 columns, where 36 characters and the blank make 37, or 38 with the space"
    )
    assert "this model has map (1 x 1 x ? x ?)" in recognition_mismatch(
        {"map": (1, 1, "?", "?")}, 36
    )
