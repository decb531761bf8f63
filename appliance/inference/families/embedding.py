"""Embeddings: an image as one vector of length 1, so that alike images lie close together.

The vector is divided by its Euclidean length, as is usual before comparing (FaceNet, Schroff et
al., 2015): then the product of two vectors is the cosine of the angle between them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import classification
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described, length, rows
from blocks.predictions import Embedding

_NAMES = ("embed", "feature")


def form(size: tuple[int, int]) -> Form:
    """As the classifiers take an image that most embeddings come from."""
    return classification.form(size)


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes hold no vector that can be told, or nothing."""
    found = {name: count for name, shape in shapes.items() if (count := length(shape)) is not None}
    if not found:
        return (
            f"an embedding is one vector for an image, this model has the outputs "
            f"{described(shapes)}"
        )
    if _chosen(list(found)) is None:
        return (
            f"which of the outputs {', '.join(found)} is the embedding cannot be told: "
            "name it embedding in the file"
        )
    if 1 in found.values() and len(found) == 1:
        return "it gives a single number, where an embedding is a vector"
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    _place: Fitted | None = None,
    _labels: Sequence[str] = (),
    _confidence: float = 0.0,
) -> Embedding:
    """The vector of the image.

    Raises:
        ValueError: no output is a single vector, or several are and none is named embedding.
    """
    found = rows(outputs)
    name = _chosen(list(found))
    if name is None:
        shapes = described({name: values.shape for name, values in outputs.items()})
        raise ValueError(f"the model gave no single vector, but {shapes}")
    return Embedding(unit(found[name]))


def _chosen(names: list[str]) -> str | None:
    named = [name for name in names if any(part in name.lower() for part in _NAMES)]
    if named:
        return named[0]
    return names[0] if len(names) == 1 else None


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Vectors (…, D) divided by their length; all 0 where one has none, or holds no number."""
    wide = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.asarray(np.where(usable, wide, 0.0) / np.where(usable, lengths, 1.0), np.float32)
