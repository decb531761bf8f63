"""Hand-made outputs of PaddleDetection's exports, and what they say."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.paddle_detection import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE: Fitted = fit(WHOLE, form((40, 20)))[1]
# In the input it is 4, 4, 20, 12: a fifth.
DOG = {"label": "dog", "confidence": 0.75, "box": [20, 20, 100, 60]}


def outputs(*rows: tuple[float, ...]) -> dict[str, NDArray[Any]]:
    """Of rows of x1, y1, x2, y2, score and the place of the label, in pixels of the input."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return {"bbox": table[:, [5, 4, 0, 1, 2, 3]], "bbox_num": np.array([len(table)], np.int32)}


def test_boxes_are_in_pixels_of_the_frame_the_surest_first() -> None:
    found = decode(outputs((0, 0, 8, 8, 0.25, 0), (4, 4, 20, 12, 0.75, 1)), PLACE, LABELS, 0.2)
    assert found.as_rows()[0] == DOG
    assert [row["label"] for row in found.as_rows()] == ["dog", "person"]


def test_what_is_less_sure_than_asked_for_is_left_out() -> None:
    assert (
        len(decode(outputs((0, 0, 8, 8, 0.25, 0), (4, 4, 20, 12, 0.75, 1)), PLACE, LABELS, 0.5))
        == 1
    )
    assert (
        len(decode(outputs((0, 0, 8, 8, 0.25, 0), (4, 4, 20, 12, 0.75, 1)), PLACE, LABELS, 0.8))
        == 0
    )


def test_only_as_many_rows_count_as_are_said() -> None:
    given = outputs((4, 4, 20, 12, 0.75, 1), (0, 0, 8, 8, 0.9, 0))
    given["bbox_num"] = np.array([1], np.int32)
    assert decode(given, PLACE, LABELS, 0.2).as_rows() == [DOG]


def test_nothing_found_is_nothing() -> None:
    assert len(decode(outputs(), PLACE, LABELS, 0.2)) == 0


@pytest.mark.parametrize("shapes", [{"bbox": (3, 5), "num": (1,)}, {"a": (3, 6), "b": (3, 6)}])
def test_other_outputs_are_refused_in_a_sentence(shapes: dict[str, tuple[int, ...]]) -> None:
    assert mismatch(shapes)
    with pytest.raises(ValueError, match=r"this model has|is wanted|at once"):
        decode({n: np.zeros(s, np.float32) for n, s in shapes.items()}, PLACE, LABELS, 0.5)
