"""Outputs that are one row of numbers for an image, such as class scores and embeddings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int | str, ...]


def length(shape: Shape) -> int | None:
    """How many numbers an output of this shape has for one image.

    That is N of (1, N), (1, N, 1, 1) and (1, 1, N), 0 of a length only known when it runs, and
    None of what is no single row. An axis of any size may be a word or None.
    """
    if len(shape) < 2 or (isinstance(shape[0], int) and shape[0] > 1):
        return None
    long = [axis for axis in shape[1:] if axis != 1]
    if len(long) > 1:
        return None
    if not long:
        return 1
    return long[0] if isinstance(long[0], int) else 0


def rows(outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """The outputs that are one row of numbers, (N,), by name."""
    return {
        name: np.asarray(values, np.float32).reshape(-1)
        for name, values in outputs.items()
        if length(values.shape) is not None
    }


def described(shapes: Mapping[str, Shape]) -> str:
    """The outputs of a model in words, for a message."""
    if not shapes:
        return "no outputs"
    return ", ".join(
        f"{name} ({' x '.join(str(axis or '?') for axis in shape)})"
        for name, shape in shapes.items()
    )
