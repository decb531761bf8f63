"""Pictures that are unlike good ones."""

import math
from typing import Any

import numpy as np
import pytest

from appliance.engine.testing import make
from blocks.data import Image
from blocks.models.anomaly import Inspect, Inspected
from blocks.predictions import Anomaly
from tests.blocks.stand_ins import anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
FAR = np.array([[0.1, 0.9, 0.1, 0.1], [0.1, 0.7, 0.1, 0.8]], np.float32)


def look(score: float, distances: np.ndarray = FAR, **settings: Any) -> Inspected:
    found = Anomaly(score, 0.5, distances.astype(np.float32), (100.0, 0.0, 180.0, 40.0))
    seen = make(Inspect, host=anything(anomaly=found), model="lids", **settings).run(IMAGE)
    assert seen is not None
    return seen


def test_what_is_farther_than_the_threshold_of_the_model_is_anomalous() -> None:
    assert look(0.51).anomalous
    assert not look(0.5).anomalous
    assert look(0.51).score == 0.51


def test_a_threshold_of_the_step_goes_before_that_of_the_model() -> None:
    assert not look(0.9, threshold=0.95).anomalous
    assert look(0.3, threshold=0.2).anomalous


def test_a_score_that_is_no_number_is_anomalous() -> None:
    assert look(math.nan).anomalous


def test_patches_that_are_too_far_have_a_box_round_each_place_of_them() -> None:
    found = look(0.9).detections
    assert found.xyxy.tolist() == [[120, 0, 140, 40], [160, 20, 180, 40]]
    assert found.confidence.tolist() == pytest.approx([0.45, 0.4])
    assert found.label.tolist() == ["anomaly", "anomaly"]


def test_of_a_picture_that_is_one_embedding_no_place_is_known() -> None:
    assert len(look(0.9, np.array([[0.9]])).detections) == 0


def test_a_crop_that_shows_nothing_of_the_region_is_neither_good_nor_bad() -> None:
    host = anything()
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    block = make(Inspect, host=host, model="lids", region=right)
    assert block.run(IMAGE.crop((0, 0, 99, 99))) is None
    assert host.model.asked == []
