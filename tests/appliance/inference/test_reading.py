"""Lines of text: found by one model, turned by another, read by a third."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.inference.models import Models
from appliance.inference.store import Store
from blocks.data import Image
from tests.appliance.inference.tiny import card, write

LINE = (16, 24, 48, 36)


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probes")


@pytest.fixture
def page() -> Image:
    """A bright bar on black: to the model here, a line of text."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    cv2.rectangle(pixels, LINE[:2], (LINE[2] - 1, LINE[3] - 1), (255, 255, 255), -1)
    return Image.from_bgr(pixels)


def lent(folder: Path, probes: Path, *, width: str = "64", head_down: float = 0.0) -> Models:
    """Models that find what is bright, and always read `ab`; of inputs so wide, or of any."""
    (folder / "probes").symlink_to(probes)
    bright = "out = ReduceMean<axes=[1], keepdims=1>(image)"
    finder = write(folder / "f.onnx", "float[1,1,64,64] out", bright, "float[1,3,64,64]")
    nothing = (
        "mean = ReduceMean<axes=[1,2,3], keepdims=0>(image) zero = Constant<value = float {0}>() "
    )
    nothing += "no = Mul(mean, zero) "
    read = nothing + (
        "sure = Constant<value = float[1,3,4] {0.1,0.9,0,0, 1,0,0,0, 0.3,0,0.7,0}>() "
        "out = Add(sure, no)"
    )
    reader = write(folder / "r.onnx", "float[1,3,4] out", read, f"float[1,3,48,{width}]")
    share = f"{{{1 - head_down},{head_down}}}"
    turn = nothing + f"sure = Constant<value = float[1,2] {share}>() out = Add(sure, no)"
    turner = write(folder / "t.onnx", "float[1,2] out", turn, "float[1,3,48,192]")
    cards = [
        card(
            "signs",
            finder,
            "ocr",
            input={"scale": "0..1"},
            reads_with="reader",
            turns_with="turner",
        ),
        card(
            "reader",
            reader,
            "ocr_lines",
            "a",
            "b",
            "c",
            input={"size": [64 if width == "W" else int(width), 48]},
        ),
        card("turner", turner, "classification", "0", "180"),
    ]
    return Models(Store(folder), {each.name: each for each in cards})


@pytest.mark.parametrize("width", ["64", "16", "320", "W"])
def test_a_line_is_found_and_read_whatever_width_the_reader_takes(
    tmp_path: Path, probes: Path, page: Image, width: str
) -> None:
    reader = lent(tmp_path, probes, width=width).reader("signs")
    (line,) = reader.read(page)
    assert line.text == "ab"
    assert line.confidence == pytest.approx(0.8)
    assert np.abs(line.corners.mean(axis=0) - [32, 30]).max() < 2
    # From the top left, as it is seen upright.
    assert (line.corners[0] < line.corners[2]).all()
    assert reader.labels == ("a", "b", "c")


def test_a_line_on_its_head_has_its_corners_the_other_way_round(
    tmp_path: Path, probes: Path, page: Image
) -> None:
    (line,) = lent(tmp_path, probes, head_down=0.95).reader("signs").read(page)
    assert (line.corners[0] > line.corners[2]).all()


def test_what_is_read_less_surely_than_wanted_is_left_out(
    tmp_path: Path, probes: Path, page: Image
) -> None:
    models = lent(tmp_path, probes)
    reader = models.reader("signs")
    assert models.reader("signs") is reader
    assert len(reader.read(page, 0.7)) == 1
    assert reader.read(page, 0.9) == ()
    assert reader.read(Image.from_bgr(np.zeros((64, 64, 3), np.uint8))) == ()
