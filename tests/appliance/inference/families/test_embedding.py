"""Images as vectors."""

import math

import numpy as np
import pytest

from appliance.inference.families.embedding import decode, form, mismatch, unit
from blocks.predictions import Embedding


def test_a_vector_gets_the_length_one() -> None:
    found = decode({"x": np.array([[3.0, 4.0]], np.float32)})
    assert found.vector.tolist() == pytest.approx([0.6, 0.8])
    assert found.vector.dtype == np.float32


def test_axes_of_one_do_not_count() -> None:
    assert decode({"x": np.array([[[[3.0]], [[4.0]]]])}).vector.tolist() == pytest.approx(
        [0.6, 0.8]
    )


def test_the_output_named_embedding_is_taken_of_several() -> None:
    outputs = {"probs": np.ones((1, 3)), "embedding": np.array([[0.0, 2.0]])}
    assert decode(outputs).vector.tolist() == [0.0, 1.0]
    assert mismatch({"probs": (1, 3), "embedding": (1, 2)}) == ""


@pytest.mark.parametrize("values", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_what_has_no_direction_is_nothing(values: list[float]) -> None:
    assert decode({"x": np.array([values])}).vector.tolist() == [0.0, 0.0]


def test_very_long_and_very_short_vectors_keep_their_direction() -> None:
    assert unit(np.array([[3e30, 4e30], [3e-30, 4e-30]], np.float32)).tolist() == [
        pytest.approx([0.6, 0.8]),
        pytest.approx([0.6, 0.8]),
    ]


def test_alike_is_one_and_unlike_is_zero() -> None:
    right, up = Embedding(unit(np.array([2.0, 0.0]))), Embedding(unit(np.array([0.0, 5.0])))
    assert (right.similarity(right), right.similarity(up)) == (1.0, 0.0)
    with pytest.raises(ValueError, match="vectors of 2 and 3 numbers are of two models"):
        right.similarity(Embedding(np.zeros(3, np.float32)))


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_a_plain_loop(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 5, 64).astype(np.float32)
    total = math.sqrt(sum(float(v) ** 2 for v in values))
    assert decode({"x": values[None]}).vector.tolist() == pytest.approx(
        [float(v) / total for v in values], abs=1e-6
    )


def test_shapes_that_are_no_embedding_are_told() -> None:
    assert mismatch({"x": ("batch", 512)}) == ""
    assert mismatch({"x": (1, "size")}) == ""
    assert "this model has the outputs x (1 x 84 x 8400)" in mismatch({"x": (1, 84, 8400)})
    assert "which of the outputs a, b is the embedding" in mismatch({"a": (1, 5), "b": (1, 6)})
    assert mismatch({"x": (1, 1)}) == "it gives a single number, where an embedding is a vector"


def test_an_output_without_a_vector_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match=r"gave no single vector, but x \(1 x 2 x 3\)"):
        decode({"x": np.zeros((1, 2, 3))})


def test_the_form_is_that_of_a_classifier() -> None:
    assert (form((64, 64)).fit, form((64, 64)).mean[0]) == ("crop", 127.0)
