"""The block on a model that gives keypoints, and on hosts whose models give none."""

from dataclasses import replace

import numpy as np
import pytest

from appliance.engine.testing import FixedDetector, FixedHost, detections, image, make
from blocks.host import Detector, Gives
from blocks.models.keypoint_detection import KeypointDetection

FOUND = replace(
    detections(("person", (0, 0, 10, 20)), ("dog", (20, 0, 30, 20)), confidence=[0.9, 0.4]),
    keypoints=np.ones((2, 17, 3), np.float32),
)


class Asked(FixedHost):
    """Lends only what gives keypoints."""

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        if gives != "keypoints":
            raise LookupError(f"{model} gives keypoints, not {gives}")
        return super().detector(model, gives)


@pytest.fixture
def host() -> Asked:
    return Asked(zoo=FixedDetector(FOUND))


def test_keypoints_go_with_the_boxes_that_are_kept(host: Asked) -> None:
    found = make(KeypointDetection, host=host, model="zoo", labels=["dog"]).run(image()).detections
    assert found.label.tolist() == ["dog"]
    assert found.keypoints is not None
    assert found.keypoints.shape == (1, 17, 3)


def test_each_of_many_images_is_answered(host: Asked) -> None:
    block = make(KeypointDetection, host=host, model="zoo", confidence=0.5)
    found = block.run_many([image(), image()])
    assert [one.detections.label.tolist() for one in found] == [["person"], ["person"]]


def test_keypoints_of_slices_are_those_of_the_frame(host: Asked) -> None:
    block = make(KeypointDetection, host=host, model="zoo", sliced=True, slice_size=40)
    found = block.run(image()).detections
    assert found.label.tolist() == ["person", "dog"]
    assert found.keypoints is not None
    assert found.keypoints.shape == (2, *FOUND.keypoints.shape[1:])  # type: ignore[union-attr]  # they are given above


def test_a_label_that_the_model_does_not_know_is_refused(host: Asked) -> None:
    with pytest.raises(ValueError, match=r"no label 'dogg' \(did you mean 'dog'\?\)"):
        make(KeypointDetection, host=host, model="zoo", labels=["dogg"])
