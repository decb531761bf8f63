"""Where text is: the detection model of PP-OCR, after DB.

DB (Liao et al., Real-time Scene Text Detection with Differentiable Binarization, AAAI 2020) gives
a map (1, 1, h, w) of how sure each place is text, shrunk round each line. It is cut at a threshold;
each connected region becomes the smallest rectangle round it, is kept where the map is sure inside
of it, and is grown again by area * ratio / perimeter (their section 3.5, after Vatti's clipping: of
a rectangle, the smallest rectangle round the offset polygon is the one with each side moved out).
The values are PP-OCR's (Du et al., PP-OCR, 2020). Reading the lines is in `ocr_lines`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described

Values = NDArray[np.float32]
# A place of the map is text where it is at least this sure.
TEXT = 0.3
# A region is a line of text where the map inside of it is this sure.
LINE = 0.5
GROWTH = 1.6
# Regions with a shorter side, in pixels of the map, are noise.
SHORTEST = 3.0
MOST_LINES = 1000
# The model takes sides that are a multiple of this.
STRIDE = 32


@dataclass(frozen=True, slots=True, eq=False)
class TextLines:
    """Where N lines of text are, in reading order: from the top, and from the left in a row.

    `corners`: (N, 4, 2) float32 in pixels of the frame, top left first and then clockwise, as seen
    upright. `confidence`: (N,) float32 in 0..1, that it is text.
    """

    corners: Values
    confidence: Values

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def xyxy(self) -> Values:
        """(N, 4) float32, the upright boxes round the lines."""
        return np.concatenate([self.corners.min(axis=1), self.corners.max(axis=1)], axis=1)


def form(size: tuple[int, int]) -> Form:
    """As PP-OCR takes an image: stretched, bgr, in -1..1. Both sides are multiples of 32."""
    return Form(size, colours="bgr", mean=(127.5,) * 3, std=(127.5,) * 3)


def size_for(width: int, height: int, shortest: int = 736, longest: int = 2000) -> tuple[int, int]:
    """The input (width, height) for an image, its sides between the shortest and the longest."""
    factor = max(1.0, shortest / min(width, height))
    factor = min(factor, longest / max(width, height))
    wide, high = (max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in (width, height))
    return wide, high


def mismatch(shapes: Mapping[str, Shape], _labels: int | None = None) -> str:
    """Why outputs of these shapes are no map of text, or nothing."""
    if any(_is_map(shape) for shape in shapes.values()):
        return ""
    return (
        "a text detector gives one map (1, 1, height, width) of how sure it is, this model has "
        f"{described(shapes)}"
    )


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted,
    _labels: Sequence[str] = (),
    confidence: float = LINE,
    text: float = TEXT,
    growth: float = GROWTH,
) -> TextLines:
    """The lines that the map is at least this sure of.

    Raises:
        ValueError: no output is a map.
    """
    found = [values for values in outputs.values() if _is_map(values.shape)]
    if not found:
        shapes = described({name: values.shape for name, values in outputs.items()})
        raise ValueError(f"the model gave no map of text, but {shapes}")
    sure = np.nan_to_num(np.asarray(found[0][0, 0], np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    corners, confidences = _rectangles(sure, text, confidence, growth)
    if not len(corners):
        return TextLines(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.float32))
    to_input = np.array(place.size) / (sure.shape[1], sure.shape[0])
    in_frame = _inside(place.points(corners * to_input), place)
    order = _reading_order(in_frame)
    return TextLines(in_frame[order], confidences[order])


def _is_map(shape: Shape) -> bool:
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] > 1):
        return False
    return shape[1] == 1 and shape[2] != 1 and shape[3] != 1


def _rectangles(sure: Values, text: float, bar: float, growth: float) -> tuple[Values, Values]:
    """Corners (N, 4, 2) in pixels of the map, and how sure it is of each."""
    # Two strokes with one pixel between them belong together.
    binary = cv2.dilate((sure >= text).astype(np.uint8), np.ones((2, 2), np.uint8))
    regions = cv2.findContours(binary, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]
    corners, confidences = [], []
    for region in regions[:MOST_LINES]:
        centre, (wide, high), angle = cv2.minAreaRect(region)
        # From the middles of the outer pixels to their edges.
        wide, high = wide + 1, high + 1
        if min(wide, high) < SHORTEST:
            continue
        confidence = _mean_inside(sure, cv2.boxPoints((centre, (wide - 1, high - 1), angle)))
        if confidence < bar:
            continue
        out = growth * wide * high / (2 * (wide + high))
        grown = (centre, (wide + 2 * out, high + 2 * out), angle)
        corners.append(_ordered(np.asarray(cv2.boxPoints(grown), np.float32) + 0.5))
        confidences.append(confidence)
    return np.array(corners, np.float32), np.array(confidences, np.float32)


def _mean_inside(sure: Values, corners: Any) -> float:
    """The mean of the map inside a rectangle, (4, 2)."""
    edge = np.array([sure.shape[1], sure.shape[0]]) - 1
    low = np.clip(np.floor(corners.min(axis=0)), 0, edge).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, edge).astype(int)
    part = sure[low[1] : high[1] + 1, low[0] : high[0] + 1]
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(corners - low).astype(np.int32)], 1)
    return float(cv2.mean(part, mask)[0])


def _ordered(corners: Values) -> Values:
    """Top left first and then clockwise: the left two are told from the right two first."""
    from_left = corners[np.argsort(corners[:, 0], kind="stable")]
    top_left, bottom_left = from_left[:2][np.argsort(from_left[:2, 1], kind="stable")]
    top_right, bottom_right = from_left[2:][np.argsort(from_left[2:, 1], kind="stable")]
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)


def _inside(corners: Values, place: Fitted) -> Values:
    """Corners moved onto the image's edges where they lie outside of it."""
    image = place.image
    low = np.array(image.offset)
    return np.clip(corners, low, low + np.array([image.width, image.height]) * image.scale).astype(
        np.float32
    )


def _reading_order(corners: Values) -> NDArray[np.intp]:
    """Rows from the top; a line whose middle is above the lower edge of a row's first is of it."""
    middles = corners.mean(axis=1)
    halves = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1) / 2
    rows: list[list[int]] = []
    for line in np.argsort(middles[:, 1], kind="stable").tolist():
        if rows and middles[line, 1] < middles[rows[-1][0], 1] + halves[rows[-1][0]]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return np.array([i for row in rows for i in sorted(row, key=lambda i: middles[i, 0])], np.intp)
