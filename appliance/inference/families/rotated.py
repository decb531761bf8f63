"""Boxes that are turned: their corners, how far they overlap, and which say the same thing twice.

A turned box is centre x, centre y, width, height and an angle in radians, clockwise as seen (y is
downward). Overlap is taken between the Gaussians that have the boxes' means and covariances, one
minus their Hellinger distance: Llerena et al., Gaussian Bounding Boxes and Probabilistic
Intersection-over-Union for Object Detection, 2021. It is 1 for equal boxes and goes to 0 with
distance, as the share of areas does, and is computed for all pairs at once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.fitting import Values

# In square pixels, so that boxes without width or height have a Gaussian.
_LEAST_VARIANCE = 1e-3


def corners(box: Values, angle: Values) -> Values:
    """The corners (N, 4, 2) of boxes (N, 4) turned by angles (N,).

    They begin where the top left corner goes to, and follow clockwise.
    """
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * box[:, 2:3] / 2
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * box[:, 3:4] / 2
    places = [-along - across, along - across, along + across, across - along]
    return np.asarray(box[:, None, :2] + np.stack(places, axis=1), np.float32)


def overlaps(box: Values, angle: Values) -> NDArray[np.float64]:
    """How far each two of the boxes (N, 4) turned by angles (N,) overlap, (N, N) in 0..1."""
    wide, high = np.maximum(box[:, 2:].T.astype(np.float64) ** 2 / 12, _LEAST_VARIANCE)
    xx, yy, xy = _covariances(wide, high, angle.astype(np.float64))
    roots = np.sqrt(wide * high)
    xx, yy, xy = (part[:, None] + part for part in (xx, yy, xy))
    x, y = (np.subtract.outer(place, place) for place in box[:, :2].T.astype(np.float64))
    # Never less (Minkowski); the difference alone loses its digits where a box is very long.
    both = np.maximum(xx * yy - xy**2, np.add.outer(roots, roots) ** 2)
    distance = (yy * x**2 - 2 * xy * x * y + xx * y**2) / both / 4
    distance += np.log(both / (4 * np.outer(roots, roots))) / 2
    return np.asarray(1 - np.sqrt(1 - np.exp(-np.maximum(distance, 0))), np.float64)


def kept(
    box: Values, angle: Values, group: NDArray[np.integer[Any]], overlap: float
) -> NDArray[np.intp]:
    """The rows of boxes, given the surest first, that stay.

    Of two of one group that overlap more than `overlap`, the later goes: greedy.
    """
    repeats = (overlaps(box, angle) > overlap) & (group[:, None] == group)
    stays = np.ones(len(box), np.bool_)
    for row in range(len(box)):
        if stays[row]:
            stays[row + 1 :] &= ~repeats[row, row + 1 :]
    return np.flatnonzero(stays)


def _covariances(
    wide: NDArray[np.float64], high: NDArray[np.float64], angle: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of x with x, y with y, x with y, of these variances along the sides of a turned box."""
    cos, sin = np.cos(angle), np.sin(angle)
    xx = wide * cos**2 + high * sin**2
    yy = wide * sin**2 + high * cos**2
    return xx, yy, (wide - high) * cos * sin
