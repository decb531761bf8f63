"""Small things in large images: seen in slices of the image, and put together.

The idea is that of slicing aided hyper inference: F. C. Akyon, S. O. Altinuc, A. Temizel, "Slicing
Aided Hyper Inference and Fine-tuning for Small Object Detection", ICIP 2022, arXiv:2202.06934.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blocks.data import Detections, Image
from blocks.models.seams import NEAR_EDGE, Pieces, joined

# Two looks at one thing: its boxes overlap by this, intersection over union.
ALIKE = 0.4
# A thing that is cut off at the edge of a slice: another look's box holds this part of it.
COVERED = 0.5
# Each is a run of the model: more are a mistake in the settings.
MOST_SLICES = 256
# Masks take a byte for each pixel of the frame; the least sure are left out beyond this.
MOST_MASK_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one look has found, in the frame's pixels.

    `cut` (N, 4) says which boxes end at an edge of the slice that is none of the image: left, top,
    right, bottom. `place` (4,) is what the slice covers. Masks are those of the slice only.
    """

    found: Detections
    cut: NDArray[np.bool_]
    place: NDArray[np.float64]


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
    cut = np.asarray(at_edge & (np.abs(place - limits) > 0.5), np.bool_)
    if found.mask is None:
        return Look(found, cut, place)
    left, top = _corner(place)
    right, bottom = (int(v) for v in np.ceil(place[2:]))
    # A copy: else the masks of all slices would be held, each of the size of the frame.
    return Look(replace(found, mask=found.mask[:, top:bottom, left:right].copy()), cut, place)


def _corner(place: NDArray[np.float64]) -> tuple[int, int]:
    left, top = (max(0, int(v)) for v in np.floor(place[:2]))
    return left, top


def _place(image: Image) -> NDArray[np.float64]:
    corners = np.array([[0, 0, image.width, image.height]], np.float32)
    return np.asarray(image.to_frame(corners)[0], np.float64)


def merged(looks: Sequence[Look], frame_size: tuple[int, int]) -> Detections:
    """The finds of all looks, each thing once, the surest first.

    Boxes of one class from two looks are of one thing if they overlap: the surer one is kept. What
    is cut off at the edge of a slice is left out if another look has it whole. Else it is put
    together with what the neighbouring slices have of it, or left out if they have more.
    """
    filled = [one for one in looks if len(one.found)]
    if not filled:
        return Detections.empty()
    pieces = _pieces(filled)
    found = _together([replace(one.found, mask=None) for one in filled])
    things = _things(found, pieces)
    found, pieces = _of_things(found, pieces, things)
    kept = _distinct(found, pieces)
    kept = kept[np.argsort(-found.confidence[kept], kind="stable")]
    if any(one.found.mask is None for one in filled):
        return found[kept]
    width, height = frame_size
    kept = kept[: max(1, MOST_MASK_BYTES // (width * height))]
    return replace(found[kept], mask=_masks(filled, [things[row] for row in kept], frame_size))


def _pieces(looks: Sequence[Look]) -> Pieces:
    counts = [len(one.found) for one in looks]
    return Pieces(
        np.concatenate([one.found.xyxy for one in looks]).astype(np.float64),
        np.repeat([one.place for one in looks], counts, axis=0),
        np.concatenate([one.cut for one in looks]),
        np.repeat(np.arange(len(looks)), counts),
        np.concatenate([one.found.class_id for one in looks]),
    )


def _things(found: Detections, pieces: Pieces) -> list[NDArray[np.int64]]:
    """The rows of each thing, the surest first: one, or those of its pieces."""
    # A column beside the label, as of the corners of a turned box, is of the piece alone.
    if set(found.data) > {"label"}:
        return [np.array([row]) for row in range(len(found))]
    rows = _distinct(found, pieces, among_pieces=False)
    cut = rows[pieces.cut[rows].any(axis=1)]
    groups = [cut[group] for group in joined(pieces[cut])]
    single = np.setdiff1d(rows, np.concatenate(groups)) if groups else rows
    surest = [group[np.argsort(-found.confidence[group], kind="stable")] for group in groups]
    return [*(np.array([row]) for row in single.tolist()), *surest]


def _of_things(
    found: Detections, pieces: Pieces, things: Sequence[NDArray[np.int64]]
) -> tuple[Detections, Pieces]:
    """A row for each thing: the box round its pieces, and of each keypoint the surest."""
    first = np.array([rows[0] for rows in things])
    parts = pieces[first]
    boxes, cut, look = parts.boxes.copy(), parts.cut.copy(), parts.look.copy()
    keypoints = None if found.keypoints is None else found.keypoints[first].copy()
    for number, rows in enumerate(things):
        if len(rows) == 1:
            continue
        those = pieces.boxes[rows]
        boxes[number] = box = np.concatenate([those[:, :2].min(axis=0), those[:, 2:].max(axis=0)])
        # Where the thing ends as the piece does, it is still cut off.
        cut[number] = (pieces.cut[rows] & (np.abs(those - box) < 0.5)).any(axis=0)
        look[number] = len(found) + number
        if keypoints is not None and found.keypoints is not None:
            points = found.keypoints[rows]
            surest = points[..., 2].argmax(axis=0)
            keypoints[number] = points[surest, np.arange(points.shape[1])]
    whole = replace(found[first], xyxy=boxes.astype(np.float32), keypoints=keypoints)
    return whole, Pieces(boxes, parts.slices, cut, look, parts.class_id)


def _together(parts: Sequence[Detections]) -> Detections:
    keypoints = [part.keypoints for part in parts if part.keypoints is not None]
    return Detections(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.class_id for part in parts]),
        np.concatenate([part.tracker_id for part in parts]),
        keypoints=np.concatenate(keypoints) if len(keypoints) == len(parts) else None,
        data={n: np.concatenate([part.data[n] for part in parts]) for n in parts[0].data},
    )


def _distinct(found: Detections, pieces: Pieces, *, among_pieces: bool = True) -> NDArray[np.int64]:
    """The rows that stand for a thing each: greedily, the whole ones first, then large pieces.

    If not `among_pieces`, pieces are left out for what is whole only.
    """
    boxes, of_look = pieces.boxes, pieces.look
    cut: NDArray[np.bool_] = np.asarray(pieces.cut.any(axis=1), np.bool_)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    order = np.lexsort((np.where(cut, -areas, -found.confidence), cut))
    kept = []
    while len(order) and (among_pieces or not cut[order[0]]):
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
    return np.array([*kept, *order], np.int64)


def _masks(
    looks: Sequence[Look], things: Sequence[NDArray[np.int64]], frame_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Masks of the size of the frame for things, by the rows of all looks together."""
    width, height = frame_size
    parts = [
        (mask, _corner(one.place))
        for one in looks
        if one.found.mask is not None
        for mask in one.found.mask
    ]
    masks = np.zeros((len(things), height, width), np.bool_)
    for full, rows in zip(masks, things, strict=True):
        for row in rows.tolist():
            part, (left, top) = parts[row]
            full[top : top + part.shape[0], left : left + part.shape[1]] |= part
    return masks
