"""All families by their names."""

import numpy as np
import pytest

from appliance.inference.families.fitting import fit
from appliance.inference.families.registry import FAMILIES, family_of
from blocks.data import Image


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_found_by_its_name(name: str) -> None:
    family = family_of(name)
    assert family.name == name
    assert family.about


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_takes_outputs_of_five_axes(name: str) -> None:
    assert family_of(name).mismatch({"x": (1, 2, 3, 4, 5)}, 7)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_form_has_the_size_that_is_asked_for(name: str) -> None:
    assert family_of(name).form((320, 192)).size == (320, 192)


def test_a_name_that_is_nearly_right_is_told() -> None:
    with pytest.raises(ValueError, match="there is no family 'yolos' \\(did you mean 'yolo'"):
        family_of("yolos")


def test_a_name_that_is_like_none_brings_all_of_them() -> None:
    with pytest.raises(ValueError, match="there are ssd, yolo, "):
        family_of("zzz")


DETECTORS: dict[str, dict[str, tuple[int, ...]]] = {
    "ssd": {"boxes": (1, 30, 4), "scores": (1, 30, 4)},
    "yolo": {"o": (1, 7, 336)},
    "yolo_masks": {"o": (1, 11, 336), "p": (1, 4, 32, 32)},
    "yolo_pose": {"o": (1, 7 + 15, 336)},
    "yolo_oriented": {"o": (1, 8, 336)},
    "yolox": {"o": (1, 336, 8)},
    "nanodet": {"o": (1, 340, 35)},
    "detr": {"logits": (1, 30, 3), "pred_boxes": (1, 30, 4)},
    "rf_detr_masks": {"labels": (1, 30, 4), "dets": (1, 30, 4), "masks": (1, 30, 16, 16)},
    "rf_detr": {"labels": (1, 30, 4), "dets": (1, 30, 4)},
    "tf_detection": {
        "detection_boxes": (1, 30, 4),
        "detection_scores": (1, 30),
        "detection_classes": (1, 30),
        "num_detections": (1,),
    },
    "torchvision_detection": {"boxes": (30, 4), "labels": (30,), "scores": (30,)},
    "paddle_detection": {"boxes": (30, 6), "count": (1,)},
    "mmdetection": {"dets": (1, 30, 5), "labels": (1, 30)},
    "centerface": {n: (1, c, 32, 32) for n, c in zip("abcd", (1, 2, 2, 10), strict=True)},
    "blazeface": {"r": (1, 896, 16), "c": (1, 896, 1)},
    "movenet": {"o": (1, 1, 17, 3)},
}
WILD = (np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0, 1.0)


def test_all_detectors_are_known_to_this_test() -> None:
    tasks = ("boxes", "masks", "keypoints")
    assert set(DETECTORS) == {name for name, family in FAMILIES.items() if family.task in tasks}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", DETECTORS)
def test_numbers_out_of_all_bounds_are_left_out_quietly(name: str) -> None:
    family, random = family_of(name), np.random.default_rng(1)
    place = fit(Image.from_bgr(np.zeros((100, 200, 3), np.uint8)), family.form((128, 128)))[1]
    labels = family.labels or ("person", "dog", "car")
    for turn in range(60):
        outputs = {}
        for output, shape in DETECTORS[name].items():
            values = random.normal(0, 10.0 ** random.integers(-2, 20), shape)
            wild = random.random(shape) < (1.0 if turn % 5 == 0 else 0.1)
            outputs[output] = np.where(wild, random.choice(WILD, shape), values).astype(np.float32)
        found = family.decode(outputs, place, labels, float(random.choice([0.0, 0.3, 0.99])))
        assert np.isfinite(found.xyxy).all()
        assert np.isfinite(found.confidence).all()
        assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
        assert found.keypoints is None or np.isfinite(found.keypoints).all()
