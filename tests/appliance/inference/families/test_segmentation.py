"""Which class is where in an image."""

import math

import numpy as np
import pytest

from appliance.inference.families.fitting import Fitted, Form, fit
from appliance.inference.families.segmentation import decode, form, mismatch
from blocks.data import Image

LABELS = ("road", "grass", "car")


def placed(width: int, height: int, wanted: Form) -> Fitted:
    return fit(Image.from_bgr(np.zeros((height, width, 3), np.uint8)), wanted)[1]


PLACE = placed(4, 2, Form((4, 2)))
# Two rows of four cells.
CLASSES = np.array([[0, 0, 1, 2], [0, 1, 1, 2]])
SHARES = np.eye(3, dtype=np.float32)[CLASSES] * 0.7 + 0.1


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(SHARES[None], id="classes last"),
        pytest.param(SHARES.transpose(2, 0, 1)[None], id="classes first"),
        pytest.param(np.log(SHARES).transpose(2, 0, 1)[None] + 5, id="logits"),
        pytest.param(CLASSES[None], id="numbers of classes"),
        pytest.param(CLASSES[None, None].astype(np.int32), id="numbers of classes in a channel"),
    ],
)
def test_each_cell_has_the_class_of_the_highest_score(values: np.ndarray) -> None:
    found = decode({"map": values}, PLACE, LABELS, 0.5)
    assert found.cells.tolist() == CLASSES.tolist()
    assert found.class_map.tolist() == CLASSES.tolist()
    assert found.shares.tolist() == [0.375, 0.375, 0.25]


@pytest.mark.parametrize("scale", [SHARES, np.log(SHARES)])
def test_what_is_not_sure_enough_has_no_class(scale: np.ndarray) -> None:
    values = scale.transpose(2, 0, 1)[None].copy()
    values[0, :, 0, 0] = 1 / 3 if scale is SHARES else 0.0
    found = decode({"map": values}, PLACE, LABELS, 0.75)
    assert found.cells.tolist() == [[-1, 0, 1, 2], [0, 1, 1, 2]]
    assert found.shares.tolist() == [0.25, 0.375, 0.25]
    assert decode({"map": values}, PLACE, LABELS, 0.85).cells.max() == -1


@pytest.mark.parametrize("last", [False, True])
def test_a_single_map_is_the_foreground(last: bool) -> None:
    sure = np.array([[0.9, 0.2, 0.6, 0.4], [0.5, 0.0, 1.0, 0.1]], np.float32)
    values = sure[None, :, :, None] if last else sure[None, None]
    one = decode({"map": values}, PLACE, ("person",), 0.5)
    assert one.cells.tolist() == [[0, -1, 0, -1], [0, -1, 0, -1]]
    assert one.shares.tolist() == [0.5]
    two = decode({"map": values}, PLACE, ("background", "person"), 0.5)
    assert two.cells.tolist() == [[1, 0, 1, 0], [1, 0, 1, 0]]
    logits = np.log(np.clip(values, 1e-6, 1 - 1e-6) / (1 - np.clip(values, 1e-6, 1 - 1e-6)))
    assert decode({"map": logits}, PLACE, ("person",), 0.55).cells.tolist() == [
        [0, -1, 0, -1],
        [-1, -1, 0, -1],
    ]


def test_numbers_beyond_the_labels_are_none_of_them() -> None:
    found = decode({"map": np.array([[[0, 255, -3, 2]]])}, placed(4, 1, Form((4, 1))), LABELS, 0.5)
    assert found.cells.tolist() == [[0, -1, -1, 2]]


def test_cells_that_hold_no_number_have_no_class() -> None:
    values = SHARES.transpose(2, 0, 1)[None].copy()
    values[0, 1, 0, 0] = math.nan
    assert decode({"map": values}, PLACE, LABELS, 0.0).cells[0].tolist() == [-1, 0, 1, 2]
    sure = np.array([[[[math.nan, 0.9, 0.9, 0.9]]]], np.float32)
    assert decode({"m": sure}, PLACE, ("a", "b"), 0.5).cells.tolist() == [[-1, 1, 1, 1]]


def test_bars_round_a_letterboxed_image_count_for_nothing() -> None:
    place = placed(8, 4, Form((4, 4), fit="letterbox"))
    cells = np.array([[2, 2, 2, 2], [0, 1, 0, 1], [0, 1, 0, 1], [2, 2, 2, 2]])
    found = decode({"map": cells[None]}, place, LABELS, 0.5)
    assert found.shares.tolist() == [0.5, 0.5, 0.0]
    assert found.class_map.tolist() == [[0, 0, 1, 1, 0, 0, 1, 1]] * 4


def test_what_a_crop_left_out_has_no_class() -> None:
    place = placed(8, 4, Form((2, 2), fit="crop"))
    found = decode({"map": np.array([[[0, 1], [2, 0]]])}, place, LABELS, 0.5)
    assert found.class_map[0].tolist() == [-1, -1, 0, 0, 1, 1, -1, -1]
    assert found.class_map[3].tolist() == [-1, -1, 2, 2, 0, 0, -1, -1]
    assert found.shares.tolist() == [0.5, 0.25, 0.25]


def test_a_part_of_the_frame_lies_where_it_was_cut() -> None:
    frame = Image.from_bgr(np.zeros((6, 10, 3), np.uint8))
    place = fit(frame.crop((4, 2, 8, 4)), Form((2, 2)))[1]
    found = decode({"map": np.array([[[0, 1], [2, 0]]])}, place, LABELS, 0.5)
    assert found.class_map.shape == (6, 10)
    assert found.class_map[2].tolist() == [-1] * 4 + [0, 0, 1, 1] + [-1] * 2
    assert found.class_map[3].tolist() == [-1] * 4 + [2, 2, 0, 0] + [-1] * 2
    assert np.unique(found.class_map[[0, 1, 4, 5]]).tolist() == [-1]
    assert found.mask("grass").sum() == 2
    assert not found.mask("zebra").any()


def test_the_map_of_the_frame_is_made_once_and_read_only() -> None:
    found = decode({"map": CLASSES[None]}, PLACE, LABELS, 0.5)
    assert found.class_map is found.class_map
    assert not found.class_map.flags.writeable


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("how", ["stretch", "letterbox", "corner", "crop"])
def test_it_agrees_with_a_plain_loop(seed: int, how: str) -> None:
    rng = np.random.default_rng(seed)
    width, height = (int(n) for n in rng.integers(9, 40, 2))
    place = placed(width, height, Form((24, 16), fit=how))  # type: ignore[arg-type]  # one of its words
    logits = rng.normal(0, 2, (1, 3, 8, 12)).astype(np.float32)
    found = decode({"map": logits}, place, LABELS, 0.6)
    full = found.class_map
    for y in range(height):
        for x in range(width):
            column = ((x + 0.5) * place.factor[0] + place.shift[0]) * 12 / 24
            row = ((y + 0.5) * place.factor[1] + place.shift[1]) * 8 / 16
            expected = -1
            if 0 <= column < 12 and 0 <= row < 8:
                scores = [float(v) for v in logits[0, :, int(row), int(column)]]
                shares = [math.exp(v) / sum(math.exp(w) for w in scores) for v in scores]
                if max(shares) >= 0.6:
                    expected = shares.index(max(shares))
            assert full[y, x] == expected


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((1, 3, 64, 64), 3),
        ((1, 64, 64, 3), 3),
        (("batch", 3, "height", "width"), 3),
        ((1, 1, 64, 64), 1),
        ((1, 144, 256, 1), 2),
        ((1, 64, 64), 21),
        ((1, 1, 64, 64), 21),
        ((1, 21, 64, 64), None),
        ((1, "height", "width", 21), None),
    ],
)
def test_shapes_of_a_segmentation(shape: tuple[int | str, ...], labels: int | None) -> None:
    assert mismatch({"map": shape}, labels) == ""


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((1, 84), 3),
        ((1, 4, 64, 64), 3),
        ((4, 3, 64, 64), 3),
        ((1, 64, 64, 1), 3),
        ((1, "a", 9, "b"), None),
    ],
)
def test_other_shapes_are_told(shape: tuple[int | str, ...], labels: int | None) -> None:
    assert f"map ({' x '.join(map(str, shape))})" in mismatch({"map": shape}, labels)


def test_an_output_that_is_no_map_of_the_labels_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"x \(1 x 4 x 2 x 2\), which is no map of 3 classes"):
        decode({"x": np.zeros((1, 4, 2, 2))}, PLACE, LABELS, 0.5)
    with pytest.raises(ValueError, match="no map of 3 classes"):
        decode({"x": np.zeros((1, 2, 2))}, PLACE, LABELS, 0.5)


def test_the_form_is_the_whole_image_in_0_to_1() -> None:
    white = Image.from_bgr(np.full((4, 9, 3), 255, np.uint8))
    assert np.unique(fit(white, form((6, 4)))[0]).tolist() == [1.0]
