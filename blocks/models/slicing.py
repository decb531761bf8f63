"""Small things in large images: seen in slices of the image, and put together.

The idea is that of slicing aided hyper inference: F. C. Akyon, S. O. Altinuc, A. Temizel, "Slicing
Aided Hyper Inference and Fine-tuning for Small Object Detection", ICIP 2022, arXiv:2202.06934.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blocks.data import Detections, Image

# Two looks at one thing: its boxes overlap by this, intersection over union.
ALIKE = 0.4
# A thing that is cut off at the edge of a slice: another look's box holds this part of it.
COVERED = 0.5
# A box that ends so near to the edge of a slice is cut off there: a part of the slice's side.
NEAR_EDGE = 0.02
# Each is a run of the model: more are a mistake in the settings.
MOST_SLICES = 256
# Masks take a byte for each pixel of the frame; the least sure are left out beyond this.
MOST_MASK_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one look has found, in the frame's pixels.

    `cut` (N,) says which boxes end at an edge of the slice that is none of the image. Masks are
    those of the slice only, whose top left corner is `corner` in the frame.
    """

    found: Detections
    cut: NDArray[np.bool_]
    corner: tuple[int, int]


def slices(image: Image, size: int, overlap: float) -> tuple[Image, ...]:
    """Squares of `size` pixels that cover the image, evenly spread; none if it is no larger.

    Neighbours share at least the part `overlap` (0..1) of their side. Where the image is lower or
    narrower than a square, so are they.

    Raises:
        ValueError: there would be more than `MOST_SLICES`.
    """
    if image.width <= size and image.height <= size:
        return ()
    across, down = (_starts(side, size, overlap) for side in (image.width, image.height))
    if len(across) * len(down) > MOST_SLICES:
        raise ValueError(
            f"an image of {image.width} x {image.height} has {len(across) * len(down)} slices of "
            f"{size} pixels, and at most {MOST_SLICES} are computed: choose a larger slice_size, "
            "or a smaller slice_overlap"
        )
    places = np.array([[x, y, x + size, y + size] for y in down for x in across], np.float32)
    return tuple(image.crop(box) for box in image.to_frame(places))


def _starts(length: int, size: int, overlap: float) -> list[int]:
    if length <= size:
        return [0]
    step = max(1.0, size * (1.0 - overlap))
    count = int(np.ceil((length - size) / step)) + 1
    return [round(float(start)) for start in np.linspace(0, length - size, count)]


def look(found: Detections, piece: Image, whole: Image) -> Look:
    """What was found in a piece of the whole image, with what must be known to merge it."""
    place, limits = _place(piece), _place(whole)
    near = np.tile((place[2:] - place[:2]) * NEAR_EDGE, 2)
    outward = np.array([1.0, 1.0, -1.0, -1.0])
    at_edge = (found.xyxy - place) * outward <= near
    cut = (at_edge & (np.abs(place - limits) > 0.5)).any(axis=1)
    left, top = (max(0, int(v)) for v in np.floor(place[:2]))
    if found.mask is None:
        return Look(found, cut, (left, top))
    right, bottom = (int(v) for v in np.ceil(place[2:]))
    # A copy: else the masks of all slices would be held, each of the size of the frame.
    return Look(replace(found, mask=found.mask[:, top:bottom, left:right].copy()), cut, (left, top))


def _place(image: Image) -> NDArray[np.float64]:
    corners = np.array([[0, 0, image.width, image.height]], np.float32)
    return np.asarray(image.to_frame(corners)[0], np.float64)


def merged(looks: Sequence[Look], frame_size: tuple[int, int]) -> Detections:
    """The finds of all looks, each thing once, the surest first.

    Boxes of one class from two looks are of one thing if they overlap: the surer one is kept. What
    is cut off at the edge of a slice is left out if another look has it whole, or has more of it.
    """
    filled = [one for one in looks if len(one.found)]
    if not filled:
        return Detections.empty()
    found = _joined([replace(one.found, mask=None) for one in filled])
    cut = np.concatenate([one.cut for one in filled])
    of_look = np.repeat(np.arange(len(filled)), [len(one.found) for one in filled])
    kept = _distinct(found, cut, of_look)
    kept = kept[np.argsort(-found.confidence[kept], kind="stable")]
    if any(one.found.mask is None for one in filled):
        return found[kept]
    width, height = frame_size
    kept = kept[: max(1, MOST_MASK_BYTES // (width * height))]
    return replace(found[kept], mask=_masks(filled, kept, frame_size))


def _joined(parts: Sequence[Detections]) -> Detections:
    keypoints = [part.keypoints for part in parts if part.keypoints is not None]
    return Detections(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.class_id for part in parts]),
        np.concatenate([part.tracker_id for part in parts]),
        keypoints=np.concatenate(keypoints) if len(keypoints) == len(parts) else None,
        data={n: np.concatenate([part.data[n] for part in parts]) for n in parts[0].data},
    )


def _distinct(
    found: Detections, cut: NDArray[np.bool_], of_look: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows that stand for a thing each: greedily, the whole ones first, then large pieces."""
    boxes = found.xyxy.astype(np.float64)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.lexsort((np.where(cut, -areas, -found.confidence), cut))
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        # One look does not see a thing twice: of its own finds the model has made its choice.
        other = (of_look[order] != of_look[best]) & (found.class_id[order] == found.class_id[best])
        alike = shared > ALIKE * (areas[best] + areas[order] - shared)
        covered = cut[order] & (shared > COVERED * areas[order])
        order = order[~(other & (alike | covered))]
    return np.array(kept, np.int64)


def _masks(
    looks: Sequence[Look], rows: NDArray[np.int64], frame_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Masks of the size of the frame for rows of all looks together."""
    width, height = frame_size
    parts = [
        (mask, one.corner) for one in looks if one.found.mask is not None for mask in one.found.mask
    ]
    masks = np.zeros((len(rows), height, width), np.bool_)
    for full, row in zip(masks, rows.tolist(), strict=True):
        part, (left, top) = parts[row]
        full[top : top + part.shape[0], left : left + part.shape[1]] = part
    return masks
