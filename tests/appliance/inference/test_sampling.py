"""The drawn picture, as models take it."""

import numpy as np
import pytest

from appliance.inference.families.fitting import Form
from appliance.inference.sampling import noise, picture, tensor_of

BYTES, FLOATS = "tensor(uint8)", "tensor(float)"


def test_it_is_a_picture_with_light_and_dark_and_edges() -> None:
    grey = picture().luma(picture().height).astype(float)
    assert grey.std() > 30
    assert np.abs(np.diff(grey, axis=1)).max() > 40


def test_floats_are_scaled_as_the_form_says() -> None:
    tensor = tensor_of(picture(), Form((64, 48)), FLOATS, (1, 3, 48, 64))
    assert tensor.shape == (1, 3, 48, 64)
    assert tensor.dtype == np.float32
    assert 0 <= tensor.min() < 0.3
    assert 0.7 < tensor.max() <= 1


@pytest.mark.parametrize("shape", [(1, 48, 64, 3), (1, 3, 48, 64)])
def test_bytes_are_given_in_the_order_the_file_takes(shape: tuple[int, ...]) -> None:
    tensor = tensor_of(picture(), Form((64, 48)), BYTES, shape)
    assert tensor.shape == shape
    assert tensor.dtype == np.uint8
    assert tensor.flags.c_contiguous


def test_noise_is_always_the_same() -> None:
    assert np.array_equal(noise((1, 3, 4, 4), FLOATS), noise((1, 3, 4, 4), FLOATS))
    assert noise((1, 4, 4, 3), BYTES).dtype == np.uint8
