"""All classes that apply."""

from typing import Any

import numpy as np
import pytest

from appliance.engine.testing import make
from blocks.data import Image
from blocks.models.multi_label_classification import ClassifyEach, Labelled
from tests.blocks.stand_ins import anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
LABELS = ("scratch", "dent", "stain")


def look(*scores: float, **settings: Any) -> Labelled:
    host = anything(labels=LABELS, scores=scores)
    return make(ClassifyEach, host=host, model="defects", **settings).run(IMAGE)


def test_all_that_are_sure_enough_are_given_the_surest_first() -> None:
    found = look(0.6, 0.1, 0.9)
    assert found.labels == ["stain", "scratch"]
    assert found.scores == {"stain": 0.9, "scratch": 0.6}


def test_none_may_apply() -> None:
    assert look(0.1, 0.2, 0.3) == ([], {})


def test_only_those_that_are_asked_for_are_given() -> None:
    assert look(0.6, 0.1, 0.9, labels=["scratch", "dent"], confidence=0.05).labels == [
        "scratch",
        "dent",
    ]


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="knows no label 'dents'"):
        look(0.0, 0.0, 0.0, labels=["dents"])


def test_to_a_crop_that_shows_nothing_of_the_region_no_class_applies() -> None:
    host = anything(labels=LABELS, scores=(0.9, 0.9, 0.9))
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    block = make(ClassifyEach, host=host, model="defects", region=right)
    assert block.run(IMAGE.crop((0, 0, 99, 99))) == ([], {})
    assert host.model.asked == []
