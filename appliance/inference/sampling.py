"""A picture to try models on, where nobody gives one: drawn, with edges, shades and noise."""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Form, fit, pixels
from blocks.data import Image

BYTES = "tensor(uint8)"
_WIDTH, _HEIGHT = 640, 480
_SHAPES = 24


def tensor_of(
    image: Image, form: Form, input_type: str, input_shape: tuple[int | str, ...]
) -> NDArray[Any]:
    """An image as a session of this type and shape of input takes it; (1, …)."""
    if input_type != BYTES:
        return fit(image, form)[0]
    drawn = pixels(image, form)[0]
    if input_shape[-1] != 3 and input_shape[1] == 3:
        return np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))
    return drawn


def noise(shape: tuple[int, ...], input_type: str) -> NDArray[Any]:
    """An input of that shape in which there is nothing, always the same."""
    values = np.random.default_rng(seed=0).random(shape, np.float32)
    return (values * 255).astype(np.uint8) if input_type == BYTES else values


@cache
def picture() -> Image:
    """A scene of standing and lying shapes on a shaded ground: always the same.

    Noise alone is far from what models see: in it, deep layers fall silent, and an error there
    does not show.
    """
    rng = np.random.default_rng(seed=7)
    down, across = np.linspace(60, 190, _HEIGHT), np.linspace(-30, 30, _WIDTH)
    ground = (down[:, None] + across[None, :])[..., None] * (1.0, 0.95, 0.9)
    scene = np.clip(ground, 0, 255).astype(np.uint8)
    for _ in range(_SHAPES):
        x, y = int(rng.integers(0, _WIDTH)), int(rng.integers(0, _HEIGHT))
        wide, high = (int(n) for n in rng.integers(8, 90, 2))
        colour = tuple(int(n) for n in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            cv2.rectangle(scene, (x, y), (x + wide, y + high), colour, -1)
        else:
            # Head and body, about as people stand.
            cv2.ellipse(scene, (x, y), (wide // 4 + 3, wide // 2 + 9), 0, 0, 360, colour, -1)
            cv2.circle(scene, (x, y - wide // 2 - 12), wide // 8 + 4, (140, 170, 215), -1)
    noisy = cv2.GaussianBlur(scene, (5, 5), 0) + rng.normal(0, 4, scene.shape)
    return Image.from_bgr(np.clip(noisy, 0, 255).astype(np.uint8))
