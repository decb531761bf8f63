"""Drawing that is readable on bright and on dark ground, and grows with the picture."""

import colorsys
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.data import Pixels

Colour = tuple[int, int, int]
Points = NDArray[np.float64]

WHITE: Colour = (255, 255, 255)
DARK: Colour = (24, 20, 16)
# Further out than any picture, and small enough for OpenCV's fixed-point coordinates.
FAR = 30_000.0
FONT = "sans"
# Weights of the letters, of 100 to 1000.
BOLD, REGULAR = 650, 450


def colour_of(number: int) -> Colour:
    """A bright colour (blue, green, red) that is always the same for a number.

    Neighbours are far apart: the hue goes round by the golden ratio (M. Ankerl, "How to Generate
    Random Colors Programmatically", 2009).
    """
    red, green, blue = colorsys.hsv_to_rgb((number * 0.618034 + 0.08) % 1.0, 0.62, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


class Canvas:
    """A copy of a picture to draw on; `pixels` are (height, width, 3), blue first.

    All places are in its pixels. What lies outside is not drawn.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels.copy()
        self.height, self.width = pixels.shape[:2]
        self.stroke = max(1, round(self.height / 320))
        self.text_height = max(10, round(self.height / 42))
        self._plates: list[tuple[int, int, int, int]] = []
        self._font = cv2.FontFace(FONT)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """The outline of a box."""
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        self.path(corners, colour, closed=True)

    def path(self, points: Points, colour: Colour, *, closed: bool = False) -> None:
        """A line through the points (N, 2), with a dark rim that shows it on bright ground."""
        whole = [_whole(points)]
        for shade, width in ((DARK, self.stroke + 2), (colour, self.stroke)):
            cv2.polylines(self.pixels, whole, closed, shade, width, cv2.LINE_AA)

    def dot(self, x: float, y: float, colour: Colour) -> None:
        """A point."""
        at = _whole(np.array([[x, y]]))[0]
        for shade, radius in ((DARK, 2 * self.stroke + 1), (colour, 2 * self.stroke)):
            cv2.circle(self.pixels, (int(at[0]), int(at[1])), radius, shade, -1, cv2.LINE_AA)

    def area(self, corners: Points, colour: Colour) -> None:
        """An outline and a light tint inside."""
        whole = _whole(corners)
        size = (self.width, self.height)
        left, top = (int(v) for v in np.clip(whole.min(axis=0), 0, size))
        right, bottom = (int(v) for v in np.clip(whole.max(axis=0) + 1, 0, size))
        part = self.pixels[top:bottom, left:right]
        if part.size:
            mask = np.zeros(part.shape[:2], np.uint8)
            cv2.fillPoly(mask, [whole - (left, top)], 255)
            tinted = cv2.addWeighted(part, 0.8, np.full_like(part, colour), 0.2, 0)
            cv2.copyTo(tinted, mask, part)
        self.path(corners, colour, closed=True)

    def tint(self, mask: NDArray[np.bool_], colour: Colour) -> None:
        """A light tint where a mask (height, width) is, and a line round it."""
        marked = mask.astype(np.uint8)
        tinted = cv2.addWeighted(self.pixels, 0.65, np.full_like(self.pixels, colour), 0.35, 0)
        cv2.copyTo(tinted, marked, self.pixels)
        outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(self.pixels, outlines, -1, colour, self.stroke, cv2.LINE_AA)

    def arrow(self, start: Points, end: Points, colour: Colour) -> None:
        """A short arrow."""
        (x1, y1), (x2, y2) = _whole(np.stack([start, end])).tolist()
        for shade, width in ((DARK, self.stroke + 2), (colour, self.stroke)):
            cv2.arrowedLine(
                self.pixels, (x1, y1), (x2, y2), shade, width, cv2.LINE_AA, tipLength=0.4
            )

    def plate(self, text: str, x: float, above: float, below: float, colour: Colour) -> None:
        """A text on a plate that stands on (x, above), or hangs from (x, below) if that is taken.

        It is moved so that all of it is seen.
        """
        pad = max(2, self.text_height // 5)
        width, height = self._width(text, BOLD) + 2 * pad, self.text_height + 2 * pad
        left = int(np.clip(x, 0, max(0, self.width - width)))
        tops = [int(np.clip(y, 0, max(0, self.height - height))) for y in (above - height, below)]
        free = [top for top in tops if not self._is_taken(left, top, width, height)]
        top = (free or tops)[0]
        self._plates.append((left, top, width, height))
        cv2.rectangle(self.pixels, (left, top), (left + width, top + height), colour, -1)
        baseline = top + height - pad - self.text_height // 6
        self._write(text, left + pad, baseline, DARK if _is_bright(colour) else WHITE, BOLD)

    def _is_taken(self, left: int, top: int, width: int, height: int) -> bool:
        return any(
            left < x + w and x < left + width and top < y + h and y < top + height
            for x, y, w, h in self._plates
        )

    def legend(self, entries: Mapping[str, Any]) -> None:
        """Names and values on a dark panel in the top left corner."""
        names, values = list(entries), [_said(value) for value in entries.values()]
        gap, row = self.text_height, round(self.text_height * 1.6)
        name_width = max(self._width(name, REGULAR) for name in names)
        value_width = max(self._width(value, BOLD) for value in values)
        right = min(self.width, gap // 2 + name_width + value_width + 3 * gap)
        bottom = min(self.height, gap // 2 + row * len(names) + gap)
        panel = self.pixels[gap // 2 : bottom, gap // 2 : right]
        if panel.size:
            panel[:] = cv2.addWeighted(panel, 0.3, np.full_like(panel, DARK), 0.7, 0)
        for i, (name, value) in enumerate(zip(names, values, strict=True)):
            baseline = gap + row * (i + 1) - row // 4
            self._write(name, gap + gap // 2, baseline, (205, 205, 205), REGULAR)
            self._write(value, right - gap - self._width(value, BOLD), baseline, WHITE, BOLD)

    def _width(self, text: str, weight: int) -> int:
        return int(cv2.getTextSize((0, 0), text, (0, 0), self._font, self.text_height, weight)[2])

    def _write(self, text: str, x: int, baseline: int, colour: Colour, weight: int) -> None:
        cv2.putText(self.pixels, text, (x, baseline), colour, self._font, self.text_height, weight)


def _whole(points: Points) -> NDArray[np.int32]:
    return np.round(np.clip(points, -FAR, FAR)).astype(np.int32)


def _is_bright(colour: Colour) -> bool:
    blue, green, red = colour
    return 0.114 * blue + 0.587 * green + 0.299 * red > 130


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
