"""Classes of places."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from appliance.engine.testing import make
from blocks.data import Image
from blocks.models.semantic_segmentation import Segment, Segmented
from tests.blocks.stand_ins import anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))
LABELS = ("material", "belt")


def look(**settings: Any) -> Segmented:
    return make(Segment, host=anything(labels=LABELS), model="surfaces", **settings).run(IMAGE)


def test_the_shares_of_the_classes_are_given_each_and_together() -> None:
    found = look()
    assert found.shares == {"material": 0.5, "belt": 0.0}
    assert (found.share, found.label) == (0.5, "material")


def test_of_classes_that_are_nowhere_none_takes_most() -> None:
    found = look(labels=["belt"])
    assert (found.share, found.shares, found.label) == (0.0, {"belt": 0.0}, None)


def test_regions_are_only_made_where_they_are_asked_for() -> None:
    assert len(look().detections) == 0
    found = look(regions=True).detections
    assert found.xyxy.tolist() == [[0, 0, 100, 100]]
    assert (found.label.tolist(), found.class_id.tolist()) == (["material"], [0])
    assert found.mask is not None
    assert found.mask.shape == (1, 100, 200)
    assert found.mask[0].sum() == 100 * 100


def test_small_regions_are_left_out() -> None:
    assert len(look(regions=True, min_area=0.51).detections) == 0


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="surfaces knows no label 'belts' \\(did you mean 'belt'"):
        look(labels=["belts"])


def test_in_a_crop_that_shows_nothing_of_the_region_no_class_takes_anything() -> None:
    host = anything(labels=LABELS)
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    block = make(Segment, host=host, model="surfaces", region=right, regions=True)
    found = block.run(IMAGE.crop((0, 0, 99, 99)))
    assert (found.share, found.label, len(found.detections)) == (0.0, None, 0)
    assert found.shares == {"material": 0.0, "belt": 0.0}
    assert host.model.asked == []


def test_a_size_of_regions_without_regions_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_area does nothing without `regions: true`"):
        look(min_area=0.1)
