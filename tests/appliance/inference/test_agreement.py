"""What two models find of the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.agreement import Agreement, agreement
from appliance.inference.catalog import ModelCard
from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import family_of
from appliance.inference.metadata import Facts
from appliance.inference.resolution import Resolved
from appliance.inference.sampling import picture
from blocks.data import Detections

IMAGES = [picture(), picture()]


@dataclass
class Says:
    """A model that says the same to every image."""

    outputs: Mapping[str, NDArray[Any]]

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        assert tensor.shape == (1, 3, 8, 8)
        return self.outputs


def resolved(family: str) -> Resolved:
    card = ModelCard(name="m", file=Path("m.onnx"), family=family, labels=("a", "b"))
    facts = Facts(inputs={}, outputs={})
    return Resolved(
        card, Path("m.onnx"), "0" * 64, facts, family_of(family), Form((8, 8)), ("a", "b")
    )


def finds(*rows: tuple[float, float, float, float, float, int]) -> Says:
    """A model that finds these boxes: x1, y1, x2, y2, confidence, class."""
    return Says({"rows": np.array(rows, np.float64).reshape(-1, 6)})


@pytest.fixture
def boxes() -> Resolved:
    """A detection model whose output holds its boxes as they are."""

    def decode(
        outputs: Mapping[str, NDArray[Any]], place: object, labels: object, bar: float
    ) -> Detections:
        rows = outputs["rows"][outputs["rows"][:, 4] >= bar]
        return Detections.of(
            rows[:, :4].astype(np.float32),
            rows[:, 4].astype(np.float32),
            rows[:, 5].astype(np.int64),
        )

    known = resolved("ssd")
    return replace(known, family=replace(known.family, decode=decode))


A = (0, 0, 100, 100, 0.9, 0)


def test_two_that_find_the_same_agree(boxes: Resolved) -> None:
    found = agreement(boxes, finds(A), finds(A), IMAGES)
    assert found == Agreement(1.0, "F1 of boxes at IoU 0.5", 2)


def test_a_box_that_overlaps_half_is_the_same(boxes: Resolved) -> None:
    assert agreement(boxes, finds((0, 0, 100, 51, 0.9, 0)), finds(A), IMAGES).value == 1
    assert agreement(boxes, finds((0, 0, 100, 49, 0.9, 0)), finds(A), IMAGES).value == 0


def test_a_box_of_another_class_is_another(boxes: Resolved) -> None:
    assert agreement(boxes, finds((0, 0, 100, 100, 0.9, 1)), finds(A), IMAGES).value == 0


def test_one_box_is_not_found_twice(boxes: Resolved) -> None:
    assert agreement(boxes, finds(A, A), finds(A), IMAGES).value == pytest.approx(2 / 3)


def test_boxes_that_are_not_sure_enough_do_not_count(boxes: Resolved) -> None:
    unsure = (200, 0, 300, 100, 0.4, 0)
    assert agreement(boxes, finds(A, unsure), finds(A), IMAGES).value == 1


def test_where_neither_finds_anything_they_agree(boxes: Resolved) -> None:
    assert agreement(boxes, finds(), finds(), IMAGES).value == 1
    assert agreement(boxes, finds(), finds(A), IMAGES).value == 0


def test_classifiers_agree_where_the_first_label_is_the_same() -> None:
    known = resolved("classification")
    first, second = (Says({"y": np.array([v], np.float32)}) for v in ([0.6, 0.4], [0.9, 0.1]))
    other = Says({"y": np.array([[0.2, 0.8]], np.float32)})
    assert agreement(known, first, second, IMAGES) == Agreement(1.0, "same first label", 2)
    assert agreement(known, first, other, IMAGES).value == 0


def test_all_others_agree_by_the_angle_between_their_outputs() -> None:
    known = resolved("embedding")
    one, other = (Says({"y": np.array([v], np.float32)}) for v in ([1.0, 0.0], [1.0, 1.0]))
    found = agreement(known, one, other, IMAGES)
    assert found.measure == "cosine of outputs"
    assert found.value == pytest.approx(0.5**0.5)
    assert agreement(known, one, Says({"y": np.zeros((1, 3))}), IMAGES).value == 0
