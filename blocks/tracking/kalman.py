"""Where boxes are and will be: Kalman filters for many boxes at once, in real time.

Each of the four numbers of a box, its centre and its size, has a filter of its own. Its speed is an
Ornstein-Uhlenbeck process: it wanders, and is forgotten within some `MEMORY_S`. So a box that is
not seen does not fly off, and a step may be of any length: two of 0.1 s are the same as one of 0.2.

Sources: R. E. Kalman, "A New Approach to Linear Filtering and Prediction Problems", 1960. The model
of motion is that of R. A. Singer, "Estimating Optimal Tracking Filter Performance for Manned
Maneuvering Targets", 1970, with speed in the place of acceleration.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MEMORY_S = 3.0
# How far a detector is off in cx, cy, w, h: standard deviations, in box sizes.
SEEN_STD = np.array([0.07, 0.07, 0.11, 0.11])
# Sizes change more slowly than places do.
SHARE = np.array([1.0, 1.0, 0.1, 0.1])


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """N boxes and how they move; each part is (N, 4) of cx, cy, w, h, in pixels and seconds.

    `spread` and `speed_spread` are the variances of place and speed, `link` their covariance. All
    five lie in one array (5, N, 4), in this order: place, speed, spread, link, speed_spread. A
    usual speed is in box sizes a second, where the size of a box is the root of its area.
    """

    state: Values

    @classmethod
    def of(cls, xyxy: NDArray[np.float32], usual_speed: float) -> Self:
        """Boxes (N, 4) seen for the first time."""
        place = _centred(xyxy)
        size, zero = _size(place), np.zeros_like(place)
        speed_spread = (usual_speed * SHARE * size) ** 2
        return cls(np.array([place, zero, (SEEN_STD * size) ** 2, zero, speed_spread]))

    @property
    def place(self) -> Values:
        """Where they are."""
        return np.asarray(self.state[0])

    @property
    def speed(self) -> Values:
        """How they move, in pixels a second."""
        return np.asarray(self.state[1])

    @property
    def spread(self) -> Values:
        """The variance of the place."""
        return np.asarray(self.state[2])

    @property
    def link(self) -> Values:
        """The covariance of place and speed."""
        return np.asarray(self.state[3])

    @property
    def speed_spread(self) -> Values:
        """The variance of the speed."""
        return np.asarray(self.state[4])

    def __len__(self) -> int:
        return int(self.state.shape[1])

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        return type(self)(self.state[:, rows])

    def joined(self, other: Self) -> Self:
        """The boxes of both, these first."""
        return type(self)(np.concatenate([self.state, other.state], axis=1))

    def after(self, elapsed_s: float, usual_speed: float) -> Self:
        """What to expect `elapsed_s` later, if nothing is seen meanwhile."""
        place, speed, spread, link, speed_spread = self.state
        kept = math.exp(-elapsed_s / MEMORY_S)
        reach = MEMORY_S * (1 - kept)
        usual = (usual_speed * SHARE * _size(place)) ** 2
        wander = usual * (MEMORY_S**2 * (2 * elapsed_s / MEMORY_S - 3 + 4 * kept - kept**2))
        then = np.empty_like(self.state)
        then[0] = place + reach * speed
        then[1] = kept * speed
        then[2] = spread + 2 * reach * link + reach**2 * speed_spread + wander
        then[3] = kept * (link + reach * speed_spread) + usual * (reach * (1 - kept))
        then[4] = kept**2 * speed_spread + usual * (1 - kept**2)
        return type(self)(then)

    def seen(self, xyxy: NDArray[np.float32]) -> Self:
        """What is known once each of the boxes has been seen at (N, 4)."""
        place, speed, spread, link, speed_spread = self.state
        surprise = _centred(xyxy) - place
        expected = self._expected_spread()
        gain, speed_gain = spread / expected, link / expected
        rest = 1 - gain
        known = np.empty_like(self.state)
        known[0] = place + gain * surprise
        known[1] = speed + speed_gain * surprise
        known[2] = rest * spread
        known[3] = rest * link
        known[4] = speed_spread - speed_gain * link
        return type(self)(known)

    def surprises(self, xyxy: NDArray[np.float32]) -> Values:
        """How ill each of M boxes (M, 4) fits each of these: squared Mahalanobis distances (N, M).

        Where a box is only four numbers, a right one is beyond 13.3 once in a hundred times.
        """
        away = self.place[:, None] - _centred(xyxy)[None]
        return np.asarray((away**2 / self._expected_spread()[:, None]).sum(axis=-1))

    def overlaps(self, xyxy: NDArray[np.float32]) -> Values:
        """Intersection over union (N, M) with M boxes (M, 4)."""
        half = self.place[:, None, 2:] / 2
        centre, other = self.place[:, None, :2], np.asarray(xyxy, np.float64)[None]
        low = np.maximum(centre - half, other[..., :2])
        high = np.minimum(centre + half, other[..., 2:])
        common = np.clip(high - low, 0, None).prod(axis=-1)
        areas = (2 * half).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1)
        return np.asarray(common / np.maximum(areas - common, 1e-9))

    def _expected_spread(self) -> Values:
        """Variances (N, 4) of what the detector will say next of each box."""
        return np.asarray(self.spread + (SEEN_STD * _size(self.place)) ** 2, np.float64)


def _centred(xyxy: NDArray[np.float32]) -> Values:
    """Boxes (N, 4) of corners as centre, width and height."""
    corners = np.asarray(xyxy, np.float64)
    sides = corners[:, 2:] - corners[:, :2]
    return np.concatenate([corners[:, :2] + sides / 2, sides], axis=1)


def _size(place: Values) -> Values:
    """One length (N, 1) for each box; a pixel at least, so that no variance is zero."""
    return np.asarray(np.sqrt(np.maximum(place[:, 2:], 1).prod(axis=1, keepdims=True)))
