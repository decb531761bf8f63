"""The table of candidates that a YOLO gives, read from its shape and the number of labels.

A head gives for each candidate a box, perhaps an objectness, a score for each class, and perhaps
more: coefficients of masks, keypoints, an angle. Sources: the outputs of the public exports. With
objectness (1, N, 5 + C): Redmon and Farhadi, YOLOv3, 2018, and the exports of v5 to v7. Without
(1, 4 + C, N): the anchor-free exports of v8, v9, v11 and v12. Finished in the graph (1, K, 6):
Wang et al., YOLOv10, 2024, and exports with the suppression inside.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form, Values
from appliance.inference.families.suppression import kept, surest
from blocks.data import Detections

Shape = Sequence[int | str]
# Of two boxes of one class that overlap more (intersection over union), the less sure is left out.
OVERLAP = 0.45
# The steps of the grids that the candidates come from, in pixels of the input.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
# No place, coefficient or angle of a sound model is as large; more would not fit the arithmetic.
_TOO_LARGE = 1e9
# Boxes up to here are in parts of the input and not in pixels: of such exports, a box may reach a
# little over the edge; in pixels it would be too small for anything.
_PARTS = 1.5
# What those grids have in all is a multiple of these.
_GRID_UNITS = (21, 85)
# Those of a whole body with its face and hands, in COCO-WholeBody: a longer axis is no columns.
_MOST_KEYPOINTS = 133


@dataclass(frozen=True, slots=True)
class Head:
    """How a table is laid out.

    `columns_first`: (1, columns, N) and not (1, N, columns). `finished`: the columns are x1, y1,
    x2, y2, score, class; otherwise centre x, centre y, width, height, the `objectness` if there is
    one, and `classes` scores. `further` columns follow.
    """

    columns_first: bool
    objectness: bool
    finished: bool
    classes: int
    further: int
    count: int | str


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a head is sure enough of, the surest first, in pixels of the model's input.

    box: (N, 4) float32, centre x, centre y, width, height. further: (N, `Head.further`), as the
    model gives it. `factor` (x, y) is what its boxes were multiplied by to be in pixels.
    """

    box: Values
    confidence: Values
    class_id: NDArray[np.intp]
    further: Values
    finished: bool
    factor: tuple[int, int] = (1, 1)

    @classmethod
    def of_corners(
        cls, xyxy: Values, confidence: Values, class_id: NDArray[np.intp]
    ) -> "Candidates":
        """Of x1, y1, x2, y2, (N, 4); without those that are no boxes."""
        with np.errstate(invalid="ignore", over="ignore"):
            middle, size = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
        box = np.concatenate([middle, size], axis=1)
        nothing = np.zeros((len(box), 0), np.float32)
        return cls(box, confidence, class_id, nothing, finished=False).sound()

    @property
    def xyxy(self) -> Values:
        """The corners, (N, 4)."""
        half = self.box[:, 2:] / 2
        return np.concatenate([self.box[:, :2] - half, self.box[:, :2] + half], axis=1)

    def rows(self, rows: NDArray[Any]) -> "Candidates":
        """Some of them."""
        return replace(
            self,
            box=self.box[rows],
            confidence=self.confidence[rows],
            class_id=self.class_id[rows],
            further=self.further[rows],
        )

    def sound(self) -> "Candidates":
        """Without those that hold NaN, or a number out of all bounds, or are no box of a class."""
        numbers = np.concatenate([self.box, self.confidence[:, None], self.further], axis=1)
        bounded = (np.abs(numbers) < _TOO_LARGE).all(axis=1)
        return self.rows(bounded & (self.box[:, 2:] > 0).all(axis=1) & (self.class_id >= 0))

    def suppressed(self, overlap: float = OVERLAP) -> "Candidates":
        """Without near duplicates of one class; as they are, if the graph did that."""
        if self.finished:
            return self
        return self.rows(kept(self.xyxy, self.confidence, self.class_id, overlap))

    def in_frame(self, place: Fitted) -> tuple["Candidates", Values]:
        """Those that lie in the image at least in part, and their corners in the frame, (N, 4)."""
        xyxy = place.boxes(self.xyxy)
        seen = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)
        return self.rows(seen), xyxy[seen]

    def detections(self, xyxy: Values, labels: Sequence[str]) -> Detections:
        """As detections with these boxes."""
        return Detections.of(
            xyxy, self.confidence, self.class_id, label=names(labels, self.class_id)
        )


def form(size: tuple[int, int]) -> Form:
    """How YOLO exports take an image: letterbox in grey, rgb, 0..1."""
    return Form(size, fit="letterbox")


def names(labels: Sequence[str], class_id: NDArray[np.integer[Any]]) -> list[str]:
    """The label of each class; its number where the model knows more classes than there are."""
    return [labels[i] if i < len(labels) else str(i) for i in class_id.tolist()]


def table_name(shapes: Mapping[str, Shape]) -> str:
    """The output that is the table of candidates.

    Raises:
        ValueError: none is, or several may be; a sentence.
    """
    found = [name for name, shape in shapes.items() if len(shape) == 3]
    if len(found) != 1:
        raise ValueError(
            "a yolo has one output of three axes, the candidates; "
            f"this one has {dict(shapes) or 'no outputs'}"
        )
    return found[0]


def head(
    shape: Shape,
    labels: int | None,
    *,
    further: int | None = 0,
    size: tuple[int, int] | None = None,
) -> Head:
    """The layout of a table of this shape.

    `labels` is None where their number is not known. `further` columns follow the scores; None
    stands for keypoints, three columns each. `size` is (width, height) of the model's input.

    Raises:
        ValueError: it can be none, or more than one; a sentence.
    """
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ValueError(f"it takes {shape[0]} images at once, where one is given")
    found = list(_readings(shape, labels, further))
    if len(found) > 1:
        # A table of 6 columns is also that of 2 classes, but then it has as many rows as the grids.
        of_grids = [r for r in found if not r.finished and _of_grids(r.count, size)]
        found = of_grids or [r for r in found if r.finished] or found
    if not found:
        raise ValueError(_no_reading(shape, labels, further))
    if len(found) > 1:
        raise ValueError(
            f"its output {tuple(shape)} can be read in more than one way: "
            f"{' or '.join(_described(reading) for reading in found)}; name the model's labels"
        )
    return found[0]


def open_axes(shape: Shape) -> bool:
    """Whether the shape tells nothing: the number of columns shows only in a result."""
    return all(isinstance(axis, str) for axis in shape[1:])


def candidates(
    output: NDArray[Any],
    layout: Head,
    confidence: float,
    size: tuple[int, int] | None = None,
) -> Candidates:
    """What is at least this sure. Those with NaN, or with an infinite number, are left out.

    With the `size` of the input (width, height), boxes in 0..1 of it, as some exporters write them,
    are told by their values.
    """
    table = np.asarray(output[0], np.float32)
    if not layout.columns_first:
        table = table.T
    pick = _finished if layout.finished else _scored
    rows, sure, classes = pick(table, layout, confidence)
    box = table[:4, rows].T
    if layout.finished:
        with np.errstate(invalid="ignore", over="ignore"):
            middle, sides = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
        box = np.concatenate([middle, sides], axis=1)
    more = table[len(table) - layout.further :, rows].T
    found = Candidates(box, sure, classes, more, layout.finished).sound()
    if size is None or not _in_parts(found.box, table):
        return found
    return replace(found, box=found.box * np.array([*size] * 2, np.float32), factor=size)


def _in_parts(box: Values, table: Values) -> bool:
    """Whether no box is larger than the whole: neither of those found nor of all the others."""
    if not len(box) or box.max() > _PARTS:
        return False
    with np.errstate(invalid="ignore"):
        return not (table[:4] > _PARTS).any()


_Picked = tuple[NDArray[np.intp], Values, NDArray[np.intp]]


def _finished(table: Values, _: Head, confidence: float) -> _Picked:
    rows = surest(table[4], confidence)
    said = table[5, rows]
    classes = np.where(np.abs(said) < _TOO_LARGE, np.rint(said), -1)
    return rows, table[4, rows], classes.astype(np.intp)


def _scored(table: Values, layout: Head, confidence: float) -> _Picked:
    first = 5 if layout.objectness else 4
    scores = table[first : first + layout.classes]
    likely = None
    if layout.objectness:
        # No score is above 1, so that the product is never above the objectness.
        likely = np.flatnonzero(table[4] >= confidence)
        with np.errstate(invalid="ignore", over="ignore"):
            scores = scores[:, likely] * table[4, likely]
    best = scores.max(axis=0)
    rows = surest(best, confidence)
    classes = np.asarray(scores[:, rows].argmax(axis=0), np.intp)
    return rows if likely is None else likely[rows], best[rows], classes


def _readings(shape: Shape, labels: int | None, further: int | None) -> Iterator[Head]:
    for axis in (1, 2):
        columns, count = shape[axis], shape[3 - axis]
        if isinstance(columns, str):
            continue
        # No export has both columns first and an objectness; so 79 labels are none of 84 columns.
        for box in (4,) if axis == 1 else (4, 5):
            if labels is None and isinstance(count, int) and columns >= count:
                continue
            more = _further(columns - box, labels, further)
            classes = columns - box - more
            if more >= 0 and classes > 0 and labels in (None, classes):
                yield Head(axis == 1, box == 5, False, classes, more, count)
        more = _further(columns - 6, 0, further)
        if axis == 2 and more >= 0 and columns == 6 + more:
            yield Head(False, False, True, 0, more, count)


def _further(columns: int, labels: int | None, further: int | None) -> int:
    """How many columns follow the scores, -1 if that cannot be."""
    if further is not None:
        return further
    more = columns - (labels or 0)
    return more if more % 3 == 0 and 0 < more <= 3 * _MOST_KEYPOINTS else -1


def _of_grids(count: int | str, size: tuple[int, int] | None) -> bool:
    """Whether so many candidates can be all the cells of the grids, or three for each cell."""
    if isinstance(count, str):
        return False
    if size is None:
        return any(count % unit == 0 for unit in _GRID_UNITS)
    cells = [sum(-(-size[0] // s) * -(-size[1] // s) for s in strides) for strides in _STRIDES]
    return count in cells or count in [3 * number for number in cells]


def _described(reading: Head) -> str:
    if reading.finished:
        return "finished boxes with a score and a class"
    return f"{reading.classes} classes {'with' if reading.objectness else 'without'} objectness"


def _no_reading(shape: Shape, labels: int | None, further: int | None) -> str:
    after = {None: " and three for each keypoint", 0: ""}.get(further, f" and {further} more")
    if labels is None:
        return f"its output {tuple(shape)} is no table of boxes and scores{after}"
    return (
        f"its output is {tuple(shape)}, where {labels} labels make {4 + labels + (further or 0)} "
        f"columns{after if further is None else ''} (one more in rows with an objectness)"
    )
