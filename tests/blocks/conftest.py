"""Hand-made frames for the tests of blocks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

from blocks.data import Frame, Image

# A busy machine is slow now and then; that is no fault of an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def frame_at() -> Callable[[float], Frame]:
    """Makes a black frame of 640 x 480 pixels taken at a time."""
    image = Image.from_bgr(np.zeros((480, 640, 3), np.uint8))
    return lambda at_s: Frame("gate", at_s, 1.7e9 + at_s, sequence=round(at_s * 1000), image=image)
