"""Hand-made outputs of TensorFlow's Object Detection API, and what they say."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, fit
from appliance.inference.families.tf_detection import decode, form, mismatch
from blocks.data import Image

LABELS = ("person", "dog")
WHOLE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
PLACE: Fitted = fit(WHOLE, form((40, 20)))[1]
# In 0..1 of the frame it is 0.1, 0.2, 0.5, 0.6.
DOG = {"label": "dog", "confidence": 0.75, "box": [20, 20, 100, 60]}


def outputs(*rows: tuple[float, ...]) -> dict[str, NDArray[Any]]:
    """Of rows of x1, y1, x2, y2, score and the place of the label, in 0..1."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return {
        "detection_boxes": table[None, :, [1, 0, 3, 2]],
        "detection_scores": table[None, :, 4],
        "detection_classes": table[None, :, 5] + 1,
        "num_detections": np.array([len(table)], np.float32),
    }


def test_boxes_are_in_pixels_of_the_frame_the_surest_first() -> None:
    found = decode(
        outputs((0, 0, 0.2, 0.4, 0.25, 0), (0.1, 0.2, 0.5, 0.6, 0.75, 1)), PLACE, LABELS, 0.2
    )
    assert found.as_rows()[0] == DOG
    assert [row["label"] for row in found.as_rows()] == ["dog", "person"]


def test_what_is_less_sure_than_asked_for_is_left_out() -> None:
    assert (
        len(
            decode(
                outputs((0, 0, 0.2, 0.4, 0.25, 0), (0.1, 0.2, 0.5, 0.6, 0.75, 1)),
                PLACE,
                LABELS,
                0.5,
            )
        )
        == 1
    )
    assert (
        len(
            decode(
                outputs((0, 0, 0.2, 0.4, 0.25, 0), (0.1, 0.2, 0.5, 0.6, 0.75, 1)),
                PLACE,
                LABELS,
                0.8,
            )
        )
        == 0
    )


def test_only_as_many_rows_count_as_are_said() -> None:
    given = outputs((0.1, 0.2, 0.5, 0.6, 0.75, 1), (0, 0, 0.2, 0.4, 0.9, 0))
    given["num_detections"] = np.array([1], np.float32)
    assert decode(given, PLACE, LABELS, 0.2).as_rows() == [DOG]


def test_names_may_end_as_tensorflow_writes_them() -> None:
    given = {f"{n}:0": v for n, v in outputs((0.1, 0.2, 0.5, 0.6, 0.75, 1)).items()}
    assert decode(given, PLACE, LABELS, 0.2).as_rows() == [DOG]


def test_the_operator_of_tensorflow_lite_counts_classes_from_0() -> None:
    boxes, scores, classes, count = outputs((0.1, 0.2, 0.5, 0.6, 0.75, 1)).values()
    name = "TFLite_Detection_PostProcess"
    given = {name: boxes, f"{name}:1": classes - 1, f"{name}:2": scores, f"{name}:3": count}
    assert decode(given, PLACE, LABELS, 0.2).as_rows() == [DOG]


@pytest.mark.parametrize(
    "shapes",
    [
        {"detection_boxes": (1, 3, 4)},
        {"detection_boxes": (1, 3, 5), "detection_scores": (1, 3), "detection_classes": (1, 3)},
        {"detection_boxes": (2, 3, 4), "detection_scores": (2, 3), "detection_classes": (2, 3)},
    ],
)
def test_other_outputs_are_refused_in_a_sentence(shapes: dict[str, tuple[int, ...]]) -> None:
    assert mismatch(shapes)
    with pytest.raises(ValueError, match=r"this model has|is wanted|at once"):
        decode({n: np.zeros(s, np.float32) for n, s in shapes.items()}, PLACE, LABELS, 0.5)
