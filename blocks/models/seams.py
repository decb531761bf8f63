"""Things that no slice of an image shows whole: their pieces on both sides of a seam.

A piece goes on beyond the edge of its slice, and the neighbour's piece on this side of its own
edge: where both are of one thing, each fills what the two slices share. Merging instead of leaving
out follows the greedy merging of slicing aided hyper inference (arXiv:2202.06934, section 3), which
asks for overlap only; here it is also asked on which side each piece was cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A box that ends so near to the edge of a slice is cut off there: a part of the slice's side.
NEAR_EDGE = 0.02
# Two pieces of one thing begin and end alike along the seam: intersection over union.
ALIKE_ALONG = 0.4
_SAME = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """N finds in slices, all in the frame's pixels.

    `boxes` and `slices` (N, 4) are where they lie and what the slice of each covers. `cut` (N, 4)
    says where they are cut off: left, top, right, bottom. `look` and `class_id` are (N,).
    """

    boxes: NDArray[np.float64]
    slices: NDArray[np.float64]
    cut: NDArray[np.bool_]
    look: NDArray[np.int64]
    class_id: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.int64]) -> "Pieces":
        columns = (self.boxes[rows], self.slices[rows], self.cut[rows])
        return Pieces(*columns, self.look[rows], self.class_id[rows])


def joined(pieces: Pieces) -> list[NDArray[np.int64]]:
    """The rows of each thing that has several pieces, at most one of each look."""
    pairs = sorted((*_pairs(pieces, 0), *_pairs(pieces, 1)), key=lambda pair: -pair[0])
    groups = {row: [row] for _, *both in pairs for row in both}
    for _, one, other in pairs:
        first, second = groups[one], groups[other]
        # What one look tells apart stays apart; a row that is in both already is, too.
        if set(pieces.look[first].tolist()).isdisjoint(pieces.look[second].tolist()):
            first += second
            groups |= dict.fromkeys(second, first)
    distinct = {id(group): group for group in groups.values() if len(group) > 1}
    return [np.array(sorted(group), np.int64) for group in distinct.values()]


def _pairs(pieces: Pieces, axis: int) -> Iterator[tuple[float, int, int]]:
    """How alike two pieces of one thing are, and their rows, across the seams of x (0) or y (1)."""
    boxes, slices = pieces.boxes, pieces.slices
    low, high, along = axis, axis + 2, [1 - axis, 3 - axis]
    near = (slices[:, high] - slices[:, low]) * NEAR_EDGE
    followers = np.flatnonzero(pieces.cut[:, low])
    for row in np.flatnonzero(pieces.cut[:, high]).tolist():
        next_slices, next_boxes = slices[followers], boxes[followers]
        fits = pieces.class_id[followers] == pieces.class_id[row]
        fits &= (np.abs(next_slices[:, along] - slices[row, along]) < _SAME).all(axis=1)
        fits &= next_slices[:, low] > slices[row, low] + _SAME
        fits &= next_slices[:, low] <= slices[row, high] + _SAME
        fits &= next_slices[:, high] > slices[row, high] + _SAME
        # Each fills all that both slices see.
        fits &= boxes[row, low] <= next_slices[:, low] + near[row]
        fits &= next_boxes[:, high] >= slices[row, high] - near[row]
        shared = np.minimum(boxes[row, along[1]], next_boxes[:, along[1]])
        shared -= np.maximum(boxes[row, along[0]], next_boxes[:, along[0]])
        lengths = next_boxes[:, along[1]] - next_boxes[:, along[0]]
        lengths += boxes[row, along[1]] - boxes[row, along[0]]
        fits &= shared > ALIKE_ALONG * (lengths - shared)
        for found in np.flatnonzero(fits).tolist():
            yield float(shared[found] / (lengths - shared)[found]), row, int(followers[found])
