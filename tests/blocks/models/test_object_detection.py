"""The block on a detector made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from pydantic import ValidationError

from appliance.engine.testing import FixedHost
from blocks.data import Detections, Image
from blocks.models.object_detection import ObjectDetection, ObjectDetectionManifest

IMAGE = Image.from_bgr(np.zeros((10, 10, 3), np.uint8))


class TwoThings(FixedHost):
    """A model that sees a person and a dog in every image, and lends itself."""

    labels = ("person", "dog")

    def __init__(self) -> None:
        super().__init__(zoo=self)
        self.bars: list[float | None] = []

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        self.bars.append(confidence)
        boxes = [[0, 0, image.width, image.height], [1, 1, 2, 2]]
        return Detections.of(boxes, [0.9, 0.8], [0, 1], label=["person", "dog"])

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        return [self.detect(image, confidence) for image in images]


def make(host: TwoThings, **settings: object) -> ObjectDetection:
    return ObjectDetection(
        ObjectDetectionManifest.model_validate({"model": "zoo"} | settings), host
    )


def test_all_that_the_model_finds_is_given() -> None:
    found = make(TwoThings()).run(IMAGE).detections
    assert found.label.tolist() == ["person", "dog"]
    assert found.xyxy[0].tolist() == [0, 0, 10, 10]


def test_only_the_labels_asked_for_are_kept() -> None:
    found = make(TwoThings(), labels=["dog"]).run(IMAGE).detections
    assert found.label.tolist() == ["dog"]
    assert found.class_id.tolist() == [1]


def test_the_models_own_bar_holds_unless_another_is_set() -> None:
    host = TwoThings()
    make(host).run(IMAGE)
    make(host, confidence=0.3).run(IMAGE)
    assert host.bars == [None, 0.3]


def test_a_label_with_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"zoo knows no label 'persn' \(did you mean 'person'\?\)"):
        make(TwoThings(), labels=["persn"])


def test_a_label_like_no_other_is_answered_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no label 'xyz' \(it knows person, dog\)"):
        make(TwoThings(), labels=["xyz"])


def test_a_model_that_is_not_there_is_refused_when_the_step_is_made() -> None:
    with pytest.raises(LookupError, match="there is no model 'circus'"):
        make(TwoThings(), model="circus")


@pytest.mark.parametrize("confidence", [-0.1, 1.1])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValidationError, match="confidence"):
        make(TwoThings(), confidence=confidence)


def test_of_several_images_each_has_its_own_finds() -> None:
    host = TwoThings()
    found = make(host, labels=["dog"], confidence=0.2).run_many([IMAGE, IMAGE.crop((2, 2, 8, 8))])
    assert [one.detections.label.tolist() for one in found] == [["dog"], ["dog"]]
    assert host.bars == [0.2, 0.2]
