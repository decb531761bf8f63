"""Images as vectors."""

import numpy as np
import pytest

from appliance.engine.testing import make
from blocks.data import Image
from blocks.models.embedding import Embed, Embedded
from tests.blocks.stand_ins import anything

IMAGE = Image.from_bgr(np.zeros((100, 200, 3), np.uint8))


def look(reference: list[float] | None = None) -> Embedded:
    found = make(Embed, host=anything(vector=(0.6, 0.8)), model="features").run(IMAGE, reference)
    assert found is not None
    return found


def test_the_vector_is_given_and_without_a_reference_nothing_is_compared() -> None:
    assert look() == ([0.6, 0.8], None)


def test_the_likeness_is_the_cosine_of_the_angle_between_both() -> None:
    assert look([0.6, 0.8]).similarity == pytest.approx(1.0)
    assert look([0.8, -0.6]).similarity == pytest.approx(0.0, abs=1e-6)


def test_vectors_of_two_models_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="vectors of 2 and 3 numbers are of two models"):
        look([1.0, 0.0, 0.0])


def test_a_crop_that_shows_nothing_of_the_region_has_no_vector() -> None:
    host = anything()
    right = [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]
    block = make(Embed, host=host, model="features", region=right)
    assert block.run(IMAGE.crop((0, 0, 99, 99))) is None
    assert host.model.asked == []
