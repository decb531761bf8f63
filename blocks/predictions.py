"""What models say that is not boxes: frozen, like all that flows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What an image shows.

    `scores`: (C,) float32 in 0..1 of all labels, in their order. `class_id`: (K,) int64 of those
    that are sure enough, the surest first; `confidence`: (K,) float32 and `label`: (K,) of them.
    """

    scores: NDArray[np.float32]
    class_id: NDArray[np.int64]
    confidence: NDArray[np.float32]
    label: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """`vector`: (D,) float32 of length 1, or all 0 where the model gave nothing of use."""

    vector: NDArray[np.float32]

    def similarity(self, other: "Embedding") -> float:
        """The cosine of the angle between both: 1 the same, 0 nothing in common.

        Raises:
            ValueError: the vectors are not equally long.
        """
        if self.vector.shape != other.vector.shape:
            raise ValueError(
                f"vectors of {len(self.vector)} and {len(other.vector)} numbers are of two models"
            )
        return float(self.vector @ other.vector)


@dataclass(frozen=True, slots=True, eq=False)
class Anomaly:
    """How unlike the good ones a picture is.

    `score` is a distance in 0..2, and `anomalous` says that it is above `threshold`. `distances`:
    (h, w) float32 of the patches, (1, 1) where the picture is one embedding. `seen` is the
    rectangle x1, y1, x2, y2 that they cover, in pixels of the frame, if that is known.
    """

    score: float
    threshold: float
    distances: NDArray[np.float32]
    seen: tuple[float, float, float, float] | None = None

    @property
    def anomalous(self) -> bool:
        """Whether it is farther away than good pictures are. A score that is no number is."""
        return not self.score <= self.threshold


@dataclass(frozen=True, slots=True, eq=False)
class TextLine:
    """A line of text that was read.

    `corners`: (4, 2) float32 in pixels of the frame, top left first and then clockwise, as seen
    upright. `confidence` in 0..1 is of the reading: the mean of its characters.
    """

    text: str
    confidence: float
    corners: NDArray[np.float32]


class Segmentation(Protocol):
    """Which class is where in a frame."""

    @property
    def labels(self) -> Sequence[str]:
        """The classes, in the model's order."""
        ...

    @property
    def shares(self) -> NDArray[np.float32]:
        """(C,) float32: the part of what the model saw that each class takes, in 0..1."""
        ...

    @property
    def class_map(self) -> NDArray[np.int16]:
        """(height, width) of the frame, read-only: an index of `labels`, -1 where there is none."""
        ...

    def mask(self, label: str) -> NDArray[np.bool_]:
        """(height, width) of the frame: where this class is; nowhere if it knows no such name."""
        ...
