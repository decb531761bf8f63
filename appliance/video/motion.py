"""Whether anything moves before a camera: frames of a still scene need not be computed.

The way is a running average per cell of a small luma picture, as in C. Stauffer and W. Grimson,
"Adaptive background mixture models for real-time tracking" (1999), with one mode in place of many,
and, as in M. Hofmann et al., "Background Segmentation with Feedback: The Pixel-Based Adaptive
Segmenter" (2012), with a limit for each cell that follows how restless the cell is.

All times are on the source's own line, in seconds; nothing counts frames, since skipping changes
their rate.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.data import Image

Why = Literal["first", "motion", "awake", "linger", "look", "still"]
Polygon = tuple[tuple[float, float], ...]

# A small luma picture has at least this many lines: a cell is then about 1 % of the height.
_LEAST_LINES = 90
# How fast the background follows: cells that are as usual, and cells that are not.
_USUAL_S, _CHANGED_S = 10.0, 120.0
_FOLLOW_EVERY_S = 0.1
# At first it follows all cells: the first pictures of a stream are often poor, and light wavers.
_CALIBRATED_S = 5.0
# How fast the restlessness of a cell is learnt, and at first: a coded picture hardly changes
# between two key frames, so that several are needed to know it.
_RESTLESS_S, _RESTLESS_AT_FIRST_S = 30.0, 5.0
# What has changed and then stays as it is becomes background after this time.
_SETTLED_S = 15.0
# A change counts above 8 mean deviations (6.4 sigma of a normal noise), but a cell never grows
# blind: it takes at most three times the threshold. A deviation counts up to half the limit.
_DEVIATIONS, _MOST_THRESHOLDS, _CUT_OFF = 8.0, 3.0, np.float32(0.5)
# More of the picture than this is no object: the light, the exposure or the view has changed.
_WHOLE = 0.5
# The brightness of the whole is taken from every sixth cell of every sixth line: 400 or more.
_SAMPLE = 6
# No difference of 8 bits exceeds it.
_NEVER = np.float32(255)
_MEAN = cv2.INTER_AREA


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What counts as motion, and how long the gate stays open.

    With the defaults an object is seen from about 1 % of the picture's height on, if it differs by
    60 steps from what is behind it: a person of 11 pixels in 1080 lines. For some ten seconds
    after the first frame, and after a change of the light, it takes up to three times as much.

    `look_every_s` is the longest time without a frame. It bounds how late is seen what motion
    cannot tell: what hardly differs from what is behind it, or stands where a mask lies. At 10 s
    a still camera of 25 frames/s costs 0.4 % of its frames.

    Raises:
        ValueError: a value out of its range; the message names it.
    """

    masks: tuple[Polygon, ...] = ()
    """Polygons in 0..1 of the picture, (x, y), in which motion does not count."""
    threshold: float = 8.0
    """How much brighter or darker a place must become, in steps of 0..255."""
    area_percent: float = 0.005
    """How much of the picture outside the masks must change, in percent."""
    linger_s: float = 2.0
    """How long the gate stays open after the last motion."""
    look_every_s: float = 10.0
    """One frame is let through at least this often, even if all is still."""

    def __post_init__(self) -> None:
        _require(1 <= self.threshold <= 100, f"threshold is 1 to 100 steps, not {self.threshold}")
        area = self.area_percent
        _require(0 <= area <= 100, f"area_percent is 0 to 100 percent, not {area}")
        _require(self.linger_s >= 0, f"linger_s is not below 0 seconds, not {self.linger_s}")
        _require(self.look_every_s > 0, f"look_every_s is above 0 seconds, not {self.look_every_s}")
        for number, mask in enumerate(self.masks, 1):
            _require(len(mask) >= 3, f"mask {number} has {len(mask)} corners; give at least 3")
            for x, y in mask:
                inside = 0 <= x <= 1 and 0 <= y <= 1
                _require(inside, f"mask {number} has a corner at ({x:g}, {y:g}), outside 0..1")


@dataclass(frozen=True, slots=True)
class Motion:
    """What the gate says of one frame.

    `share` is how much of the picture outside the masks has changed, 0..1; `why` the first reason
    that holds, in the order of `Why`.
    """

    open: bool
    share: float
    why: Why


def small_luma(image: Image) -> NDArray[np.uint8]:
    """The brightness of an image, (height, width) divided by the same power of two.

    It is the greatest power that leaves 90 lines, so that the cost grows slowly with the picture:
    240x135 for 1080 lines, 160x90 for 720. Each cell is the mean of two of its lines. Up to
    seven (4K: fifteen) pixels at the right and at the bottom that fill no cell are left out.
    """
    plane = image.planes[0]
    height, width = plane.shape[:2]
    shrink = 1 << max(0, int(math.log2(max(1, min(height, width) / _LEAST_LINES))))
    rows = plane[: height // shrink * shrink : max(1, shrink // 2), : width // shrink * shrink]
    small: NDArray[Any] = rows
    if shrink > 1:
        # Halving both ways is quick in cv2, and makes the rest a quarter as long.
        small = cv2.resize(
            small, (width // shrink * (shrink // 2), height // shrink), interpolation=_MEAN
        )
    if shrink == 8 and small.ndim == 2:
        small = _quartered(small)
    elif shrink > 2:
        small = cv2.resize(small, (width // shrink, height // shrink), interpolation=_MEAN)
    if image.pixel_format == "bgr24":
        small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return np.asarray(small, np.uint8)


def _quartered(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The means of four in a row, rounded: four bytes of a word at once, cv2 takes twice as long.

    Their sum has ten bits: it is made of two sums of 16 bits each, in the upper half of the word.
    """
    words = luma.view(np.uint32)
    sums = np.right_shift(words, 8)
    np.bitwise_and(sums, 0x00FF00FF, out=sums)
    np.add(sums, np.bitwise_and(words, 0x00FF00FF), out=sums)
    np.multiply(sums, 0x00010001, out=sums)
    np.add(sums, 0x00020000, out=sums)
    np.right_shift(sums, 18, out=sums)
    return sums.astype(np.uint8)


class MotionGate:
    """Decides, frame by frame of one camera, whether a pipeline needs to see it.

    A place has changed if it differs from its background by more than its limit, after what is
    common to the whole picture (the exposure, a key frame) has been taken off. It counts if a
    neighbour has changed too, now or in the look before: noise does neither.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._scene: _Scene | None = None
        self._moved_s = -math.inf
        self._opened_s = -math.inf

    def look(
        self, luma: NDArray[np.uint8], at_s: float, awake_until_s: float = -math.inf
    ) -> Motion:
        """Judge one frame by its `small_luma`; `at_s` never steps back.

        Open until `awake_until_s`, whatever is seen: for blocks that track something. A picture of
        another size begins anew.
        """
        share, why = self._seen(luma, at_s, awake_until_s)
        if why != "still":
            self._opened_s = at_s
        return Motion(why != "still", share, why)

    def _seen(
        self, luma: NDArray[np.uint8], at_s: float, awake_until_s: float
    ) -> tuple[float, Why]:
        scene, settings = self._scene, self._settings
        if scene is None or scene.size != luma.shape:
            self._scene = _Scene(settings, luma, at_s)
            return 1.0, "first"
        share = scene.changed(luma, at_s)
        if share > 0 and share * 100 >= settings.area_percent:
            self._moved_s = at_s
            return share, "motion"
        if at_s < awake_until_s:
            return share, "awake"
        if at_s - self._moved_s < settings.linger_s:
            return share, "linger"
        if at_s - self._opened_s >= settings.look_every_s:
            return share, "look"
        return share, "still"


class _Scene:
    """The background of pictures of one size; arrays of (height, width)."""

    def __init__(self, settings: MotionSettings, luma: NDArray[np.uint8], at_s: float) -> None:
        self.size = luma.shape
        self._least = settings.threshold
        self._most = settings.threshold * _MOST_THRESHOLDS
        masked = _masked(settings.masks, *luma.shape)
        self._floor = np.where(masked, _NEVER, np.float32(self._least))
        self._cells = max(1, int(np.count_nonzero(~masked)))
        sampled = np.zeros(luma.shape, np.bool_)
        sampled[::_SAMPLE, ::_SAMPLE] = True
        self._sample = np.flatnonzero(sampled & ~masked)
        self._begin(luma, at_s)

    def _begin(self, luma: NDArray[np.uint8], at_s: float) -> None:
        self._began_s = self._last_s = at_s
        self._background = luma.astype(np.float32)
        # Unsure of everything at first: every cell starts at its greatest limit.
        self._restless = np.full(self.size, self._most / _DEVIATIONS, np.float32)
        self._before: NDArray[np.uint8] | None = None
        self._anchor = luma.copy()
        self._moved_s = np.full(self.size, at_s)
        self._set_limits()

    def changed(self, luma: NDArray[np.uint8], at_s: float) -> float:
        """The share of the cells that have changed, 0..1; the background follows."""
        common = self._common(luma)
        usual = cv2.inRange(_without(luma, round(common)), self._lowest, self._highest)
        changed = np.equal(usual, 0)
        share = self._counted(changed)
        if abs(common) > self._least or share > _WHOLE:
            self._begin(luma, at_s)
            return 1.0
        # Less often than frames come: this is the dearer half, and nothing here is in a hurry.
        if at_s - self._last_s >= _FOLLOW_EVERY_S:
            self._background += common
            residual = cv2.absdiff(luma.astype(np.float32), self._background)
            self._follow(luma, changed, at_s)
            self._settle(luma, changed, at_s)
            self._learn(np.minimum(residual, self._limit * _CUT_OFF), at_s)
            self._last_s = at_s
        return share

    def _common(self, luma: NDArray[np.uint8]) -> float:
        # The median: an object moves it only if it covers half of the picture.
        if not self._sample.size:
            return 0.0
        middle = self._sample.size // 2
        difference = luma.take(self._sample) - self._sampled
        return float(np.partition(difference, middle)[middle])

    def _counted(self, changed: NDArray[np.bool_]) -> float:
        now = changed.view(np.uint8)
        if not cv2.countNonZero(now):
            self._before = None
            return 0.0
        both = now if self._before is None else cv2.add(now, self._before)
        self._before = now
        # Each cell counts itself: two are a cell and a neighbour, or the same twice.
        seen = cv2.boxFilter(both, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return cv2.countNonZero(((seen >= 2) & changed).view(np.uint8)) / self._cells

    def _follow(self, luma: NDArray[np.uint8], changed: NDArray[np.bool_], at_s: float) -> None:
        passed_s = at_s - self._last_s
        usual = _weight(passed_s, min(at_s - self._began_s, _USUAL_S))
        changed_cells, usual_cells = changed.view(np.uint8), (~changed).view(np.uint8)
        cv2.accumulateWeighted(luma, self._background, usual, usual_cells)
        calibrating = at_s - self._began_s < _CALIBRATED_S
        slow = usual if calibrating else _weight(passed_s, _CHANGED_S)
        cv2.accumulateWeighted(luma, self._background, slow, changed_cells)

    def _settle(self, luma: NDArray[np.uint8], changed: NDArray[np.bool_], at_s: float) -> None:
        """Take into the background what has come and not moved since."""
        if not cv2.countNonZero(changed.view(np.uint8)):
            self._moved_s.fill(at_s)
            return
        moved = ~changed | (cv2.absdiff(luma, self._anchor) > self._step)
        cv2.copyTo(luma, moved.view(np.uint8), self._anchor)
        np.copyto(self._moved_s, at_s, where=moved)
        if self._moved_s.min() <= at_s - _SETTLED_S:
            np.copyto(self._background, luma, where=self._moved_s <= at_s - _SETTLED_S)

    def _learn(self, residual: NDArray[np.float32], at_s: float) -> None:
        # Cut off, a cell that objects cross for a tenth of the time keeps its limit; one that
        # changes for more than a quarter of it (leaves, water, rain) raises it.
        learnt_s = min(max(at_s - self._began_s, _RESTLESS_AT_FIRST_S), _RESTLESS_S)
        weight = _weight(at_s - self._last_s, learnt_s)
        cv2.accumulateWeighted(residual, self._restless, weight)
        self._set_limits()

    def _set_limits(self) -> None:
        """The limits of each cell; frames are compared with them in 8 bits, in whole steps."""
        limit = self._restless * np.float32(_DEVIATIONS)
        np.minimum(limit, np.float32(self._most), out=limit)
        self._limit = np.maximum(limit, self._floor, out=limit)
        self._step = limit.astype(np.uint8)
        # Cut off at 0 and 255, which nothing exceeds.
        self._lowest = cv2.subtract(self._background, limit, dtype=cv2.CV_8U)
        self._highest = cv2.add(self._background, limit, dtype=cv2.CV_8U)
        self._sampled = self._background.take(self._sample)


def _without(luma: NDArray[np.uint8], common: int) -> NDArray[np.uint8]:
    """The luma darker by `common` steps, cut off at black and white."""
    if not common:
        return luma
    return np.asarray(cv2.subtract(luma, np.array([common], np.float64)), np.uint8)


def _weight(passed_s: float, constant_s: float) -> float:
    """The weight of what is new in an average over a time constant."""
    return 1 - math.exp(-passed_s / constant_s) if constant_s > 0 else 1.0


def _masked(masks: tuple[Polygon, ...], height: int, width: int) -> NDArray[np.bool_]:
    """True for the cells that a mask touches."""
    masked = np.zeros((height, width), np.uint8)
    for mask in masks:
        # 256 steps a cell; cv2 counts from the middle of the first cell.
        corners = np.rint((np.array(mask) * (width, height) - 0.5) * 256).astype(np.int32)
        cv2.fillPoly(masked, [corners], 1, shift=8)
    return np.not_equal(masked, 0)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 — it is the condition itself
    if not holds:
        raise ValueError(otherwise)
