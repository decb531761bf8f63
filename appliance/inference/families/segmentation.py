"""Semantic segmentation: a class for each place of an image.

The output is one map of scores for each class, (1, C, h, w) as PyTorch exports it or (1, h, w, C)
as TensorFlow does, at any stride; or a single map of how sure the foreground is; or the classes
themselves as whole numbers, (1, h, w) or (1, 1, h, w). The class of a place is the one with the
highest score (Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015). Scores
are probabilities or logits, which is told by their values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.classification import SUM_TOLERANCE, logistic
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described

Kind = Literal["first", "last", "binary", "classes", ""]
Classes = NDArray[np.int16]
# Of what none of the labels is said.
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Which class is where.

    `cells`: (h, w) int16 of the model's own grid, each the index of a label or -1 for none of them.
    `shares`: (C,) float32, the part of what the model saw of the image that each class takes, in
    0..1. `place` says where the image lies in the model's input.
    """

    cells: Classes
    labels: tuple[str, ...]
    shares: NDArray[np.float32]
    place: Fitted
    _made: dict[str, Classes] = field(default_factory=dict, init=False, repr=False)

    @property
    def class_map(self) -> Classes:
        """(height, width) int16 of the frame, read-only; -1 also where the model did not look.

        Made when first asked for, and kept: 2 bytes for each pixel of the frame. A pixel has the
        class of the cell that its centre lies in.
        """
        found = self._made.get("map")
        # Two threads may make it twice; setdefault lets both use the same one.
        return found if found is not None else self._made.setdefault("map", self._full())

    def mask(self, label: str) -> NDArray[np.bool_]:
        """(height, width) of the frame: where this class is; nowhere if it knows no such name."""
        classes = [number for number, name in enumerate(self.labels) if name == label]
        return np.isin(self.class_map, classes)

    def _full(self) -> Classes:
        image, (high, wide) = self.place.image, self.cells.shape
        width, height = image.frame_size
        columns = _cells_of(
            width, image.offset[0], image.scale[0], image.width, (self.place, 0, wide)
        )
        rows = _cells_of(
            height, image.offset[1], image.scale[1], image.height, (self.place, 1, high)
        )
        full = np.full((height, width), NONE, np.int16)
        across, down = np.flatnonzero(columns >= 0), np.flatnonzero(rows >= 0)
        if len(across) and len(down):
            # The seen pixels are one rectangle.
            part = self.cells[rows[down]][:, columns[across]]
            full[down[0] : down[-1] + 1, across[0] : across[-1] + 1] = part
        full.flags.writeable = False
        return full


def form(size: tuple[int, int]) -> Form:
    """As selfie and portrait segmentation take an image: stretched, rgb in 0..1."""
    return Form(size)


def mismatch(shapes: Mapping[str, Shape], labels: int | None) -> str:
    """Why outputs of these shapes are no map of so many classes, or nothing.

    A single map suits one label (the foreground) and two (the background first).
    """
    if any(_kind(shape, labels) for shape in shapes.values()):
        return ""
    wanted = "classes" if labels is None else f"{labels} classes"
    return (
        f"a segmentation gives maps of {wanted}, (1, classes, height, width) or "
        f"(1, height, width, classes), this model has {described(shapes)}"
    )


def decode(
    outputs: Mapping[str, NDArray[Any]], place: Fitted, labels: Sequence[str], confidence: float
) -> Segmentation:
    """The class of each cell; those less sure than `confidence` have none.

    Of two labels and a single map, the first is where the second is not.

    Raises:
        ValueError: no output is a map of these labels.
    """
    for values in outputs.values():
        kind = _kind(values.shape, len(labels))
        whole = np.issubdtype(values.dtype, np.integer)
        if kind == "binary" and whole:
            kind = "classes"
        if kind == "classes" and not whole:
            continue
        if kind:
            cells = _classes(values[0], kind, len(labels), confidence)
            return Segmentation(cells, tuple(labels), _shares(cells, place, len(labels)), place)
    shapes = described({name: values.shape for name, values in outputs.items()})
    raise ValueError(f"the model gave {shapes}, which is no map of {len(labels)} classes")


def _kind(shape: Shape, labels: int | None) -> Kind:
    if len(shape) not in (3, 4) or (isinstance(shape[0], int) and shape[0] > 1):
        return ""
    if len(shape) == 3:
        return "classes"
    channels, last = shape[1], shape[3]
    if labels is None:
        if not isinstance(channels, int) or not isinstance(last, int):
            return "first" if isinstance(channels, int) else "last" if isinstance(last, int) else ""
        labels = min(channels, last)
    if 1 in (channels, last):
        # Whether whole numbers or how sure it is, its values say.
        return "binary" if labels in (1, 2) else "classes" if channels == 1 else ""
    if channels == labels:
        return "first"
    return "last" if last == labels else ""


def _classes(values: NDArray[Any], kind: Kind, labels: int, confidence: float) -> Classes:
    if kind == "classes":
        cells = values.reshape(values.shape[-2:])
        known = (cells >= 0) & (cells < labels)
        return np.asarray(np.where(known, cells, NONE), np.int16)
    if kind == "binary":
        flat = values[0] if values.shape[0] == 1 else values[..., 0]
        return _foreground(flat, labels, confidence)
    scores = values if kind == "first" else values.transpose(2, 0, 1)
    return _surest(np.asarray(scores, np.float32), confidence)


def _foreground(scores: NDArray[Any], labels: int, confidence: float) -> Classes:
    sure = np.asarray(scores, np.float32)
    unusable = np.isnan(sure)
    if np.nanmin(sure, initial=0.0) < 0.0 or np.nanmax(sure, initial=0.0) > 1.0 + SUM_TOLERANCE:
        sure = logistic(sure)
    other = NONE if labels == 1 else 0
    cells = np.where(sure >= confidence, other + 1, other)
    return np.asarray(np.where(unusable, NONE, cells), np.int16)


def _surest(scores: NDArray[np.float32], confidence: float) -> Classes:
    """The class of the highest of (C, h, w), where it is sure enough."""
    cells: Classes = scores.argmax(axis=0).astype(np.int16)
    highest = scores.max(axis=0)
    if confidence > 0:
        if not _add_up(scores):
            # The highest of a softmax needs no other of its values.
            highest = 1 / np.exp(np.clip(scores - highest, -80.0, 0.0)).sum(axis=0)
        cells[highest < confidence] = NONE
    cells[np.isnan(highest)] = NONE
    return cells


def _add_up(scores: NDArray[np.float32]) -> bool:
    """Whether they are shares of one: told by a few rows, as all others are of the same kind."""
    some = scores[:, :: max(1, scores.shape[1] // 8)]
    if np.nanmin(some, initial=0.0) < 0.0:
        return False
    sums = some.sum(axis=0)
    return bool((np.abs(sums[~np.isnan(sums)] - 1.0) <= SUM_TOLERANCE).all())


def _shares(cells: Classes, place: Fitted, labels: int) -> NDArray[np.float32]:
    """Of the cells whose centre lies in the image."""
    inside = []
    for axis, pixels in ((1, place.image.width), (0, place.image.height)):
        way = 1 - axis
        centres = (np.arange(cells.shape[axis]) + 0.5) * place.size[way] / cells.shape[axis]
        at = (centres - place.shift[way]) / place.factor[way]
        inside.append((at >= 0) & (at < pixels))
    seen = cells[inside[1]][:, inside[0]]
    counts = np.bincount(seen[seen >= 0].reshape(-1), minlength=labels)
    return np.asarray(counts / max(1, seen.size), np.float32)


def _cells_of(
    pixels: int, offset: float, scale: float, image: int, grid: tuple[Fitted, int, int]
) -> NDArray[np.intp]:
    """Of each column or row of the frame, which of the grid it lies in; -1 for none."""
    place, way, cells = grid
    inside = (np.arange(pixels) + 0.5 - offset) / scale
    at = (inside * place.factor[way] + place.shift[way]) * cells / place.size[way]
    found = np.floor(at).astype(np.intp)
    seen = (inside >= 0) & (inside < image) & (found >= 0) & (found < cells)
    return np.where(seen, found, -1)
