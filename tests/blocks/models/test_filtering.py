"""What a step wants of the finds of its model."""

import pytest
from pydantic import ValidationError

from appliance.engine.testing import detections
from appliance.engine.validation import strict
from blocks.models.filtering import DetectionManifest, Wanted

FOUND = detections(
    ("person", (0, 0, 20, 20)),
    ("dog", (60, 0, 80, 20)),
    ("cat", (0, 60, 20, 80)),
    confidence=[0.9, 0.5, 0.3],
)


def wanted(**settings: object) -> Wanted:
    return Wanted(strict(DetectionManifest, {"model": "zoo"} | settings), ("person", "dog", "cat"))


def labels(want: Wanted) -> list[str]:
    found: list[str] = want.of(FOUND, (100, 100)).label.tolist()
    return found


def test_without_a_choice_all_is_wanted_as_the_model_gives_it() -> None:
    assert wanted().confidence is None
    assert wanted().of(FOUND, (100, 100)) is FOUND


def test_labels_have_bars_of_their_own_and_the_others_the_common_one() -> None:
    want = wanted(confidence=0.6, label_confidence={"cat": 0.3, "person": 0.95})
    assert want.confidence == 0.3
    assert labels(want) == ["cat"]


def test_the_model_is_not_asked_for_less_than_any_label_needs() -> None:
    want = wanted(confidence=0.1, labels=["dog"], label_confidence={"dog": 0.4})
    assert want.confidence == 0.4
    assert labels(want) == ["dog"]


def test_labels_that_all_have_a_bar_need_no_common_one() -> None:
    want = wanted(labels=["dog", "cat"], label_confidence={"dog": 0.6, "cat": 0.2})
    assert want.confidence == 0.2
    assert labels(want) == ["cat"]


def test_a_label_without_a_bar_beside_others_is_asked_about() -> None:
    with pytest.raises(ValueError, match="says nothing of 'person': give `confidence`"):
        wanted(label_confidence={"dog": 0.4})


def test_a_bar_for_a_label_that_is_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match="label_confidence names 'cat', which labels leaves out"):
        wanted(confidence=0.5, labels=["dog"], label_confidence={"cat": 0.4})


def test_a_bar_for_a_label_with_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no label 'persn' \(did you mean 'person'\?\)"):
        wanted(confidence=0.5, label_confidence={"persn": 0.4})


def test_a_bar_is_a_share() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        wanted(confidence=0.5, label_confidence={"dog": 40})


@pytest.mark.parametrize(
    "shape",
    [
        {"region": [[0, 0], [0.5, 0], [0, 0.5]]},
        {"region": [[0, 0], [50, 0], [0, 50]], "units": "pixels"},
    ],
)
def test_of_a_region_is_what_has_its_centre_inside(shape: dict[str, object]) -> None:
    assert labels(wanted(**shape)) == ["person"]


@pytest.mark.parametrize("idle", [{"slice_size": 320}, {"slice_overlap": 0.3}])
def test_sizes_of_slices_without_slices_are_refused(idle: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="does nothing without `sliced: true`"):
        wanted(**idle)
