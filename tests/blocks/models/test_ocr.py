"""Text in an image."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from appliance.engine.testing import make
from blocks.data import Image
from blocks.models.ocr import Ocr, Read
from tests.blocks.stand_ins import anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))


def read(*lines: tuple[str, float], **settings: Any) -> Read:
    return make(Ocr, host=anything(lines=lines), model="text", **settings).run(IMAGE)


def test_the_lines_are_joined_and_the_least_sure_counts() -> None:
    found = read(("LOT 7", 0.9), ("USE BY 12.31", 0.7))
    assert found.text == "LOT 7\nUSE BY 12.31"
    assert found.confidence == pytest.approx(0.7)
    assert found.detections.label.tolist() == ["LOT 7", "USE BY 12.31"]
    assert found.detections.xyxy.tolist() == [[1, 2, 9, 4], [1, 2, 9, 4]]


def test_without_text_there_is_an_empty_one() -> None:
    found = read()
    assert (found.text, found.confidence, len(found.detections)) == ("", 0.0, 0)


def test_of_a_line_what_the_pattern_matches_is_kept_and_other_lines_are_left_out() -> None:
    found = read(("no 42", 0.9), ("plate B-XY 123!", 0.8), pattern="[A-Z]{1,3}-[A-Z]{1,2} [0-9]+")
    assert found.text == "B-XY 123"
    assert found.confidence == pytest.approx(0.8)


def test_a_pattern_that_matches_nothing_at_a_place_keeps_no_line() -> None:
    assert read(("abc", 0.9), pattern="[0-9]*").text == ""


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="this is no regular expression: unterminated"):
        read(pattern="[A-Z")


def test_a_crop_that_shows_nothing_of_the_region_is_not_read() -> None:
    host = anything(lines=[("LOT 7", 0.9)])
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    found = make(Ocr, host=host, model="text", region=right).run(IMAGE.crop((0, 0, 99, 99)))
    assert (found.text, found.confidence, len(found.detections)) == ("", 0.0, 0)
    assert host.model.asked == []
