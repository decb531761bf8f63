"""Keypoints of people."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.families.fitting import fit
from appliance.inference.families.movenet import decode, form, mismatch
from blocks.data import Image

# 384 x 192 pixels become 192 x 96, with 48 of padding above.
WHOLE = Image.from_bgr(np.zeros((192, 384, 3), np.uint8))
PLACE = fit(WHOLE, form((192, 192)))[1]


def person(likely: int, sure: float = 0.5) -> NDArray[np.float32]:
    """Points on a line from (48, 60) on, 4 pixels of the input apart; the others are unlikely."""
    points = np.full((17, 3), 0.1, np.float32)
    points[:likely, 0] = (60 + 4 * np.arange(likely)) / 192
    points[:likely, 1] = (48 + 4 * np.arange(likely)) / 192
    points[:likely, 2] = sure
    return points


def one(points: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {"out": points[None, None]}


def test_points_are_in_the_frame_and_a_box_surrounds_the_likely_ones() -> None:
    found = decode(one(person(6)), PLACE, (), 0.3)
    assert found.as_rows() == [{"label": "person", "confidence": 0.5, "box": [96, 24, 136, 64]}]
    assert found.keypoints is not None
    assert found.keypoints.shape == (1, 17, 3)
    np.testing.assert_allclose(found.keypoints[0, 2], [112, 40, 0.5], rtol=1e-5)
    np.testing.assert_allclose(found.keypoints[0, 16], [38.4, -57.6, 0.1], rtol=1e-5)


def test_the_person_is_as_sure_as_the_mean_of_the_likely_points() -> None:
    points = person(6)
    points[:6, 2] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    found = decode(one(points), PLACE, ("worker",), 0.45)
    np.testing.assert_allclose(found.confidence, [0.45], rtol=1e-6)
    assert found.label.tolist() == ["worker"]
    assert len(decode(one(points), PLACE, (), 0.46)) == 0


def test_few_likely_points_are_nobody() -> None:
    assert len(decode(one(person(3)), PLACE, (), 0.0)) == 0
    assert len(decode(one(person(4)), PLACE, (), 0.0)) == 1
    nobody = decode(one(person(0)), PLACE, (), 0.0)
    assert nobody.keypoints is not None
    assert nobody.keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_nobody(wrong: float) -> None:
    points = person(6)
    points[0] = wrong
    assert len(decode(one(points), PLACE, (), 0.0)) == 0


def several() -> dict[str, NDArray[Any]]:
    """Two people, the second surer, and four rows of nobody."""
    people = np.zeros((6, 56), np.float32)
    people[0] = [*person(6).reshape(-1), *(np.array([60, 48, 108, 96]) / 192), 0.6]
    people[1] = [*person(8).reshape(-1), *(np.array([48, 0, 144, 96]) / 192), 0.8]
    return {"out": people[None]}


def test_several_people_have_the_boxes_that_the_model_says() -> None:
    found = decode(several(), PLACE, (), 0.5)
    np.testing.assert_allclose(found.xyxy, [[0, 0, 192, 192], [96, 24, 192, 120]], atol=1e-3)
    np.testing.assert_allclose(found.confidence, [0.8, 0.6])
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints[1, 0], [96, 24, 0.5], rtol=1e-5)


def test_people_one_in_the_other_are_both_kept_unless_asked_otherwise() -> None:
    assert len(decode(several(), PLACE, (), 0.5, 0.9)) == 2
    assert len(decode(several(), PLACE, (), 0.5, 0.2)) == 1


def test_shapes_that_are_none_are_told() -> None:
    assert mismatch({"out": (1, 1, 17, 3)}, None) == ""
    assert mismatch({"out": (1, 6, 56)}, 1) == ""
    assert "knows people alone" in mismatch({"out": (1, 1, 17, 3)}, 2)
    assert "a movenet has one output" in mismatch({"out": (1, 56, 8400)}, 1)
    assert "a movenet has one output" in mismatch({"a": (1, 1, 17, 3), "b": (1, 1)}, 1)
    with pytest.raises(ValueError, match="a movenet has one output"):
        decode({"out": np.zeros((1, 5, 56))}, PLACE, (), 0.5)
