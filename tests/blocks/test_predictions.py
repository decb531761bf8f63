"""What models say, and what can be asked of it."""

import math

import numpy as np
import pytest

from blocks.predictions import Anomaly, Embedding

NONE = np.zeros((1, 1), np.float32)


def vector(*values: float) -> Embedding:
    return Embedding(np.array(values, np.float32))


def test_likeness_is_the_cosine_of_vectors_of_length_1() -> None:
    assert vector(0.6, 0.8).similarity(vector(0.8, 0.6)) == pytest.approx(0.96)


def test_vectors_of_other_lengths_are_not_compared() -> None:
    with pytest.raises(ValueError, match="vectors of 2 and 1 numbers are of two models"):
        vector(1.0, 0.0).similarity(vector(1.0))


@pytest.mark.parametrize(("score", "anomalous"), [(0.5, False), (0.51, True), (math.nan, True)])
def test_an_anomaly_is_what_is_not_within_the_threshold(score: float, anomalous: bool) -> None:
    assert Anomaly(score, 0.5, NONE).anomalous is anomalous
