"""What lines of text say: the direction and recognition models of PP-OCR.

A line is cut out of the frame and made upright, then turned by the direction classifier (a score
for 0 and for 180 degrees), then read: the recognition model gives for each of T steps along the
line a probability for each character, column 0 being none (the blank of CTC; Graves et al.,
Connectionist Temporal Classification, 2006). The best of each step is taken, repeated ones once,
blanks left out ("greedy" or best path decoding, their section 3.2). Sizes and padding are PP-OCR's
(Du et al., PP-OCR, 2020).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.classification import SUM_TOLERANCE, softmax
from appliance.inference.families.vectors import Shape, described
from blocks.data import Image, Pixels

Values = NDArray[np.float32]
HEIGHT = 48
# Of the direction classifier's input, and the least of the recognition model's.
DIRECTION_WIDTH, LEAST_WIDTH = 192, 320
# Widths in steps, so that a provider that prepares itself for each shape does so for few.
WIDTH_STEP, MOST_WIDTH = 64, 3200
# A line this much higher than wide runs from top to bottom.
UPRIGHT = 1.5
# A line is turned only where the classifier is this sure.
TURNED = 0.9


@dataclass(frozen=True, slots=True)
class Reading:
    """What one line says, and how sure that is: the mean of its characters, 0 without any."""

    text: str
    confidence: float


def cut(image: Image, corners: Values) -> Pixels:
    """A line (4, 2) in frame pixels as an upright picture (height, width, 3), in bgr.

    Lines that run from top to bottom are turned a quarter to the left.
    """
    points = image.from_frame(corners).astype(np.float32)
    width = max(1, round(max(math.dist(points[0], points[1]), math.dist(points[3], points[2]))))
    height = max(1, round(max(math.dist(points[0], points[3]), math.dist(points[1], points[2]))))
    # Edges of the picture, not middles of its pixels, lie on the corners.
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    change = cv2.getPerspectiveTransform(points - np.float32(0.5), target)
    line = cv2.warpPerspective(
        image.bgr, change, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    if height >= UPRIGHT * width:
        line = cv2.rotate(line, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return np.asarray(line, np.uint8)


def turned(line: Pixels) -> Pixels:
    """The line turned by half."""
    return line[::-1, ::-1]


def direction_tensor(lines: Sequence[Pixels]) -> Values:
    """Lines as (N, 3, 48, 192) for the direction classifier."""
    return _tensor(lines, DIRECTION_WIDTH)


def recognition_tensor(lines: Sequence[Pixels]) -> Values:
    """Lines as (N, 3, 48, width) for the recognition model, as wide as the longest of them needs.

    Put lines of about the same length together: what is left of the width is empty.
    """
    longest = max((HEIGHT * line.shape[1] / line.shape[0] for line in lines), default=0.0)
    width = math.ceil(longest / WIDTH_STEP) * WIDTH_STEP
    return _tensor(lines, min(max(width, LEAST_WIDTH), MOST_WIDTH))


def _tensor(lines: Sequence[Pixels], width: int) -> Values:
    tensor = np.zeros((len(lines), 3, HEIGHT, width), np.float32)
    for row, line in zip(tensor, lines, strict=True):
        used = min(width, max(1, math.ceil(HEIGHT * line.shape[1] / line.shape[0])))
        small = cv2.resize(np.ascontiguousarray(line), (used, HEIGHT))
        np.multiply(small.transpose(2, 0, 1), np.float32(1 / 127.5), out=row[:, :, :used])
        row[:, :, :used] -= 1.0
    return tensor


def characters(text: str) -> tuple[str, ...]:
    """The characters of the model's metadata (`character`): one a line, none for the blank."""
    # Not splitlines: some of the characters would be line breaks to it.
    return tuple(text.removesuffix("\n").replace("\r\n", "\n").split("\n"))


def direction_mismatch(shapes: Mapping[str, Shape]) -> str:
    """Why outputs of these shapes are none of a direction classifier, or nothing."""
    if any(len(shape) == 2 and shape[1] == 2 for shape in shapes.values()):
        return ""
    return (
        f"a direction classifier gives two scores for each line, this model has {described(shapes)}"
    )


def recognition_mismatch(shapes: Mapping[str, Shape], known: int | None) -> str:
    """Why outputs of these shapes read no lines in so many characters, or nothing."""
    columns = [shape[2] for shape in shapes.values() if len(shape) == 3]
    if not columns:
        return (
            "a text recogniser gives (lines, steps, characters), this model has "
            f"{described(shapes)}"
        )
    sizes = [size for size in columns if isinstance(size, int)]
    if known is None or len(sizes) < len(columns) or {known + 1, known + 2} & set(sizes):
        return ""
    return (
        f"it gives {sizes[0]} columns, where {known} characters and the blank make {known + 1}, "
        f"or {known + 2} with the space"
    )


def upside_down(outputs: Mapping[str, NDArray[Any]], sure: float = TURNED) -> NDArray[np.bool_]:
    """(N,): which lines are turned by half.

    Raises:
        ValueError: no output has two scores for each line.
    """
    for values in outputs.values():
        if values.ndim == 2 and values.shape[1] == 2:
            return np.asarray(_shares(values)[:, 1] >= sure)
    shapes = described({name: values.shape for name, values in outputs.items()})
    raise ValueError(f"the model gave {shapes}, where a direction has two scores for each line")


def decode(outputs: Mapping[str, NDArray[Any]], known: Sequence[str]) -> list[Reading]:
    """What each line says, in these characters; the space after them where the model has it.

    Raises:
        ValueError: the output has another number of columns.
    """
    for values in outputs.values():
        if values.ndim == 3 and values.shape[2] in (len(known) + 1, len(known) + 2):
            return [_reading(row, (*known, " ")) for row in values]
    shapes = described({name: values.shape for name, values in outputs.items()})
    raise ValueError(f"the model gave {shapes}, where there are {len(known)} characters")


def _reading(steps: NDArray[Any], known: Sequence[str]) -> Reading:
    """Of one line, (T, 1 + characters)."""
    steps = np.nan_to_num(np.asarray(steps, np.float32), nan=0.0)
    best = steps.argmax(axis=1)
    kept = np.flatnonzero((best != 0) & np.append(True, best[1:] != best[:-1]))
    if not len(kept):
        return Reading("", 0.0)
    sure = _shares(steps[kept])[np.arange(len(kept)), best[kept]]
    return Reading("".join(known[column - 1] for column in best[kept]), float(sure.mean()))


def _shares(scores: NDArray[Any]) -> Values:
    """Rows (N, C) as shares of one: as they are where they add up to it, else by softmax."""
    rows = np.nan_to_num(np.asarray(scores, np.float32), nan=0.0)
    if rows.size and rows.min() >= 0 and (abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE).all():
        return rows
    return softmax(rows)
