"""What a classifier's output says."""

import math

import numpy as np
import pytest

from appliance.inference.families.classification import (
    decode,
    form,
    imagenet_form,
    mismatch,
)
from appliance.inference.families.fitting import Fitted, fit
from blocks.data import Image

PLACE = Fitted(Image.from_bgr(np.zeros((4, 4, 3), np.uint8)), (1.0, 1.0), (0.0, 0.0), (4, 4))
LABELS = ("cat", "dog", "owl")


def row(*values: float) -> dict[str, np.ndarray]:
    return {"scores": np.array([values], np.float32)}


def test_probabilities_are_taken_as_they_are() -> None:
    found = decode(row(0.2, 0.7, 0.1), PLACE, LABELS, 0.5)
    assert found.scores.tolist() == pytest.approx([0.2, 0.7, 0.1])
    assert (found.label.tolist(), found.class_id.tolist()) == (["dog"], [1])
    assert found.confidence.tolist() == pytest.approx([0.7])


def test_logits_become_shares_of_one() -> None:
    found = decode(row(math.log(1), math.log(6), math.log(3)), PLACE, LABELS, 0.1)
    assert found.scores.tolist() == pytest.approx([0.1, 0.6, 0.3])
    assert found.label.tolist() == ["dog"]


def test_one_label_of_many_is_one_also_where_a_second_is_sure_enough() -> None:
    assert decode(row(0.45, 0.55, 0.0), PLACE, LABELS, 0.3).label.tolist() == ["dog"]


def test_of_several_labels_all_that_are_sure_enough_are_given_the_surest_first() -> None:
    found = decode(row(0.8, 0.1, 0.9), PLACE, LABELS, 0.5, multi_label=True)
    assert found.label.tolist() == ["owl", "cat"]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.8])


def test_logits_of_several_labels_are_each_by_themselves() -> None:
    found = decode(row(0.0, -math.log(3), math.log(3)), PLACE, LABELS, 0.5, multi_label=True)
    assert found.scores.tolist() == pytest.approx([0.5, 0.25, 0.75])
    assert found.label.tolist() == ["owl", "cat"]


def test_what_the_values_are_can_be_said() -> None:
    found = decode(row(0.2, 0.7, 0.1), PLACE, LABELS, 0.0, values="logits")
    total = math.exp(0.2) + math.exp(0.7) + math.exp(0.1)
    assert found.scores.tolist() == pytest.approx(
        [math.exp(0.2) / total, math.exp(0.7) / total, math.exp(0.1) / total]
    )


def test_one_label_alone_is_there_or_not() -> None:
    assert decode(row(2.0), PLACE, ("rust",), 0.5).scores[0] == pytest.approx(0.880797)
    assert decode(row(-2.0), PLACE, ("rust",), 0.5).label.tolist() == []


def test_nothing_sure_is_an_empty_answer_with_all_scores() -> None:
    found = decode(row(0.4, 0.3, 0.3), PLACE, LABELS, 0.5)
    assert (len(found.class_id), len(found.confidence), len(found.label)) == (0, 0, 0)
    assert len(found.scores) == 3


@pytest.mark.parametrize("several", [False, True])
def test_what_is_no_number_says_nothing(several: bool) -> None:
    found = decode(row(0.4, math.nan, 9.0), PLACE, LABELS, 0.1, multi_label=several)
    assert (found.scores.tolist(), found.label.tolist()) == ([0.0, 0.0, 0.0], [])


@pytest.mark.parametrize("several", [False, True])
def test_without_an_end_is_as_sure_as_can_be(several: bool) -> None:
    found = decode(row(-math.inf, math.inf, 3.0), PLACE, LABELS, 0.5, multi_label=several)
    assert found.label.tolist()[0] == "dog"
    assert found.scores[:2].tolist() == pytest.approx([0.0, 1.0])


def test_the_output_that_has_a_score_for_each_label_is_taken() -> None:
    outputs = {
        "embedding": np.ones((1, 8), np.float32),
        "probs": np.array([[[[0.1]], [[0.2]], [[0.7]]]], np.float32),
    }
    assert decode(outputs, PLACE, LABELS, 0.5).label.tolist() == ["owl"]


def test_another_number_of_scores_than_labels_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="gave 2 scores, where there are 3 labels"):
        decode(row(0.1, 0.9), PLACE, LABELS, 0.5)
    with pytest.raises(ValueError, match="gave no scores"):
        decode({"map": np.zeros((1, 3, 4, 4))}, PLACE, LABELS, 0.5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("several", [False, True])
def test_it_agrees_with_a_plain_loop(seed: int, several: bool) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, 50).astype(np.float32)
    names = [f"n{i}" for i in range(50)]
    found = decode({"x": logits[None]}, PLACE, names, 0.3, multi_label=several)
    if several:
        expected = [1 / (1 + math.exp(-float(v))) for v in logits]
    else:
        total = sum(math.exp(float(v)) for v in logits)
        expected = [math.exp(float(v)) / total for v in logits]
    assert found.scores.tolist() == pytest.approx(expected, abs=1e-5)
    sure = sorted((-s, i) for i, s in enumerate(expected) if s >= 0.3)
    assert found.class_id.tolist() == [i for _, i in (sure if several else sure[:1])]


@pytest.mark.parametrize(
    ("shape", "labels"),
    [((1, 3), 3), ((1, 3, 1, 1), 3), (("batch", 3), 3), ((1, "classes"), 3), ((1, 9), None)],
)
def test_shapes_of_a_classifier(shape: tuple[int | str, ...], labels: int | None) -> None:
    assert mismatch({"scores": shape}, labels) == ""


def test_shapes_of_other_things_are_told() -> None:
    assert mismatch({"probs": (1, 1000), "embedding": (1, 1280)}, 1000) == ""
    assert mismatch({"scores": (1, 4)}, 3) == "it gives 4 scores, where there are 3 labels"
    assert "this model has boxes (1 x 84 x 8400)" in mismatch({"boxes": (1, 84, 8400)}, 80)
    assert "this model has no outputs" in mismatch({}, 3)
    assert "one row of scores" in mismatch({"scores": (2, 3)}, 3)


def test_the_forms_take_the_middle_of_the_image() -> None:
    grey = Image.from_bgr(np.full((30, 60, 3), 255, np.uint8))
    tensor, place = fit(grey, form((10, 10)))
    assert (tensor.shape, place.shift) == ((1, 3, 10, 10), (-5.0, 0.0))
    assert np.unique(tensor).tolist() == [1.0]
    tensor, _ = fit(grey, imagenet_form((10, 10)))
    assert tensor[0, :, 5, 5] == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-3)
