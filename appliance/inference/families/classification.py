"""Classifiers: one score for each label.

The output is (1, C), or the same with axes of 1, as ImageNet classifiers are exported by PyTorch,
timm, Keras and TensorFlow Lite. It holds probabilities or logits: softmax for one label of many,
the logistic function for labels that do not exclude each other (Bishop, Pattern Recognition and
Machine Learning, 2006, section 4.3). Which of them it holds is told by their values.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described, length, rows
from blocks.predictions import Classification

Values = Literal["told", "probabilities", "logits"]
# Models that keep 8 or 10 bits of a number (int8, bfloat16, half) give sums that are a little off.
SUM_TOLERANCE = 0.02


def form(size: tuple[int, int]) -> Form:
    """As EfficientNet-Lite takes an image: the middle of it, (brightness - 127) / 128, rgb."""
    return Form(size, fit="crop", mean=(127.0,) * 3, std=(128.0,) * 3)


def imagenet_form(size: tuple[int, int]) -> Form:
    """As torchvision's and timm's ImageNet classifiers do: mean and deviation of each colour."""
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    red, green, blue = (255 * value for value in mean)
    return Form(
        size, fit="crop", mean=(red, green, blue), std=(255 * std[0], 255 * std[1], 255 * std[2])
    )


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are none of a classifier with so many labels, or nothing."""
    lengths = {
        name: found for name, shape in shapes.items() if (found := length(shape)) is not None
    }
    if not lengths:
        return (
            f"a classifier gives one row of scores for an image, this model has {described(shapes)}"
        )
    if labels is None or {labels, 0} & set(lengths.values()):
        return ""
    counts = " and ".join(str(count) for count in lengths.values())
    return f"it gives {counts} scores, where there are {labels} labels"


def decode(
    outputs: Mapping[str, NDArray[Any]],
    _place: Fitted,
    labels: Sequence[str],
    confidence: float,
    *,
    multi_label: bool = False,
    values: Values = "told",
) -> Classification:
    """The score of each label; with `multi_label` each by itself, else as shares of one.

    Values told to be probabilities are all in 0..1 and, of one label of many, add up to 1. That
    may fail for a few labels whose logits happen to lie there: then `values` says it. An output
    that holds a value which is no number says nothing: all scores are 0.

    Raises:
        ValueError: no output has one value for each label.
    """
    scores = _scores(_row(outputs, len(labels)), values, multi_label=multi_label or len(labels) < 2)
    order = np.argsort(-scores, kind="stable")
    sure = order[scores[order] >= confidence]
    if not multi_label:
        sure = sure[:1]
    return Classification(
        scores, sure.astype(np.int64), scores[sure], np.asarray(labels, np.str_)[sure]
    )


def _row(outputs: Mapping[str, NDArray[Any]], labels: int) -> NDArray[np.float32]:
    found = rows(outputs)
    for row in found.values():
        if len(row) == labels:
            return row
    counts = " and ".join(str(len(row)) for row in found.values()) or "no"
    raise ValueError(f"the model gave {counts} scores, where there are {labels} labels")


def _scores(row: NDArray[np.float32], values: Values, *, multi_label: bool) -> NDArray[np.float32]:
    if np.isnan(row).any():
        return np.zeros_like(row)
    if values == "told":
        values = _told(row, multi_label=multi_label)
    if values == "probabilities":
        return np.clip(row, 0.0, 1.0)
    return logistic(row) if multi_label else softmax(row)


def _told(row: NDArray[np.float32], *, multi_label: bool) -> Values:
    fits = bool(row.min(initial=0.0) >= 0.0 and row.max(initial=0.0) <= 1.0 + SUM_TOLERANCE)
    if fits and not multi_label:
        fits = abs(float(row.sum(dtype=np.float64)) - 1.0) <= SUM_TOLERANCE
    return "probabilities" if fits else "logits"


def softmax(logits: NDArray[np.float32], axis: int = -1) -> NDArray[np.float32]:
    """Shares of one, along an axis."""
    finite = np.clip(logits, -1e30, 1e30)
    raised = np.exp(finite - finite.max(axis=axis, keepdims=True, initial=-1e30))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True), np.float32)


def logistic(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + exp(-x)) of each."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80.0, 80.0))), np.float32)
