"""One class of many."""

from typing import Any

import numpy as np
import pytest

from appliance.engine.testing import make
from blocks.data import Detections, Image
from blocks.models.classification import Classified, Classify
from tests.blocks.stand_ins import AnyHost, anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
LABELS = ("ripe", "green", "rotten")


def host(*scores: float) -> AnyHost:
    return anything(labels=LABELS, scores=scores)


def look(given: AnyHost, detections: Detections | None = None, **settings: Any) -> Classified:
    return make(Classify, host=given, model="fruit", **settings).run(IMAGE, detections)


def test_the_surest_class_is_given_with_the_scores_of_all() -> None:
    found = look(host(0.2, 0.7, 0.1))
    assert found.label == "green"
    assert found.confidence == pytest.approx(0.7)
    assert found.scores == {"green": 0.7, "ripe": 0.2, "rotten": 0.1}
    assert list(found.scores) == ["green", "ripe", "rotten"]


def test_where_none_is_sure_enough_there_is_no_label_but_a_confidence() -> None:
    found = look(host(0.4, 0.3, 0.3), confidence=0.6)
    assert found.label is None
    assert found.confidence == pytest.approx(0.4)


def test_where_the_surest_is_not_wanted_there_is_no_label() -> None:
    assert look(host(0.2, 0.7, 0.1), labels=["ripe", "rotten"]).label is None
    assert look(host(0.2, 0.7, 0.1), labels=["green"]).label == "green"


def test_boxes_are_named_by_what_their_picture_shows() -> None:
    box = Detections.of([[1, 2, 3, 4]], [0.5], [7], [12], ["fruit"])
    found = look(host(0.2, 0.7, 0.1), box).detections
    assert found is not None
    assert found.label.tolist() == ["green"]
    assert found.confidence.tolist() == pytest.approx([0.7])
    assert (found.tracker_id.tolist(), found.xyxy.tolist()) == ([12], [[1, 2, 3, 4]])


def test_boxes_keep_their_name_where_nothing_is_sure() -> None:
    box = Detections.of([[1, 2, 3, 4]], label=["fruit"])
    assert look(host(0.4, 0.3, 0.3), box).detections is box


def test_only_the_region_is_looked_at() -> None:
    given = host(0.2, 0.7, 0.1)
    look(given, region=[[0.5, 0.0], [1.0, 0.0], [1.0, 1.0]], confidence=0.3)
    ((part, bar),) = given.model.asked
    assert (part.width, part.offset, bar) == (100, (100.0, 0.0), 0.3)


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="fruit knows no label 'rippe' \\(did you mean 'ripe'"):
        look(host(1.0, 0.0, 0.0), labels=["rippe"])


def test_a_crop_that_shows_nothing_of_the_region_has_no_label() -> None:
    given, box = host(0.2, 0.7, 0.1), Detections.of([[1, 2, 3, 4]], [0.5], label=["fruit"])
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    block = make(Classify, host=given, model="fruit", region=right)
    found = block.run(IMAGE.crop((0, 0, 99, 99)), box)
    assert (found.label, found.confidence, found.scores) == (None, 0.0, {})
    assert found.detections is box
    assert given.model.asked == []
