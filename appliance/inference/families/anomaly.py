"""Anomalies: how far a picture lies from good ones.

After PatchCore (Roth et al., Towards Total Recall in Industrial Anomaly Detection, CVPR 2022): a
bank of features of good pictures, thinned to a greedy core set (their section 3.2; the farthest
point of Gonzalez, 1985); the score of a picture is the largest distance of its features to their
nearest in the bank. Features are the patches of a map (1, D, h, w), each the mean of its 3 x 3
neighbours, or the one embedding (1, D) of the whole picture. Left out of it are the weight for rare
neighbours, the random projection, and the maps of several layers put together.

Features are of length 1, so that a distance is in 0..2, whatever the model.
"""

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.inference.families import embedding
from appliance.inference.families.fitting import Fitted, Form
from appliance.inference.families.vectors import Shape, described
from blocks.predictions import Anomaly

Values = NDArray[np.float32]
# Of a bank: 4 MB per 1000 features of 1024 numbers, and a product of that size for each patch.
MOST_FEATURES = 2000
# Of the good pictures' own scores, so many lie below the threshold.
QUANTILE = 0.99
# How much farther than good pictures a picture must be, in units of the spread of their own scores;
# the spread counts as at least this part of a usual score, as few pictures may be alike by chance.
MARGIN = 3.0
LEAST_SPREAD = 0.1
# What the core set is chosen from at most, so that choosing takes bounded time and memory.
MOST_CANDIDATES = 50_000
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """What good pictures look like: `features` (M, D) float32 of length 1, and the `threshold`.

    `model` is the digest of the model that they come from: they say nothing to another.
    """

    features: Values
    threshold: float
    model: str = ""

    def save(self, path: Path) -> None:
        """Write it as .npz, in one piece or not at all."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            features=self.features,
            threshold=np.float64(self.threshold),
            model=np.str_(self.model),
        )
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Bank":
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no bank.
        """
        content = io.BytesIO(path.read_bytes())
        try:
            with np.load(content, allow_pickle=False) as file:
                features = np.asarray(file["features"], np.float32)
                threshold, model = float(file["threshold"]), str(file["model"])
        except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as e:
            raise ValueError(f"{path} holds no pictures fitted before; fit it again") from e
        if features.ndim != 2 or not features.size or not np.isfinite(features).all():
            raise ValueError(f"{path} holds no features of good pictures; fit it again")
        if not np.isfinite(threshold):
            raise ValueError(f"{path} holds no threshold; fit it again")
        return cls(features, threshold, model)


def form(size: tuple[int, int]) -> Form:
    """As the classifiers take an image that most features come from."""
    return embedding.form(size)


def mismatch(shapes: Mapping[str, Shape], labels: int | None = None) -> str:
    """Why outputs of these shapes hold no features, or nothing."""
    if any(_is_map(shape) for shape in shapes.values()):
        return ""
    if embedding.mismatch(shapes, labels):
        return (
            "an anomaly is scored by an embedding (1, D) or a map of features (1, D, height, "
            f"width), this model has {described(shapes)}"
        )
    return ""


def decode(
    outputs: Mapping[str, NDArray[Any]],
    place: Fitted | None,
    _labels: Sequence[str],
    _confidence: float,
    bank: Bank,
) -> Anomaly:
    """How far the picture lies from the good ones; `functools.partial` may hold the bank.

    A feature that holds a value which is no number has the largest distance there is.

    Raises:
        ValueError: the outputs hold no features, or of another length than the bank's.
    """
    found, grid = features(outputs)
    if found.shape[1] != bank.features.shape[1]:
        raise ValueError(
            f"the model gives features of {found.shape[1]} numbers, the good pictures have "
            f"{bank.features.shape[1]}: fit them with this model"
        )
    distances = nearest(found, bank.features).reshape(grid)
    return Anomaly(float(distances.max()), bank.threshold, distances, _seen(place))


def _seen(place: Fitted | None) -> tuple[float, float, float, float] | None:
    """The part of the frame that the model's input shows."""
    if place is None:
        return None
    (left, top), (right, bottom) = place.points(np.array([(0.0, 0.0), place.size])).tolist()
    return left, top, right, bottom


def features(outputs: Mapping[str, NDArray[Any]]) -> tuple[Values, tuple[int, int]]:
    """The features (h * w, D) of one picture, of length 1 each, and (h, w).

    Raises:
        ValueError: the outputs hold none.
    """
    for values in outputs.values():
        if _is_map(values.shape):
            places = np.ascontiguousarray(values[0].transpose(1, 2, 0), np.float32)
            height, width, depth = places.shape
            means = cv2.blur(places, (3, 3), borderType=cv2.BORDER_REPLICATE)
            return embedding.unit(means.reshape(-1, depth)), (height, width)
    return embedding.decode(outputs).vector[None], (1, 1)


def fit(
    pictures: Sequence[Values],
    most: int = MOST_FEATURES,
    quantile: float = QUANTILE,
    model: str = "",
    margin: float = MARGIN,
) -> Bank:
    """A bank of the features (P, D) of each of at least two good pictures.

    The threshold is a quantile of the good pictures' own scores: the smallest that at least this
    part of them does not exceed. Each is scored by the bank with what came from itself replaced by
    the nearest of another picture. To this comes the `margin`, times the spread of these scores:
    their standard deviation. Without it, the next good picture would exceed the threshold about
    once in their number, and much more often where they are nearly the same, as pictures taken one
    right after the other are. These say little of other hours: take good pictures at many.

    Raises:
        ValueError: fewer than two pictures, or features that are not equally long or no numbers.
    """
    if len(pictures) < 2:
        raise ValueError(f"it takes at least two good pictures to fit, not {len(pictures)}")
    if len({picture.shape[1:] for picture in pictures}) != 1 or pictures[0].ndim != 2:
        raise ValueError("the pictures' features are not equally long: fit them with one model")
    owner = np.repeat(np.arange(len(pictures)), [len(picture) for picture in pictures])
    everything = np.concatenate([np.asarray(picture, np.float32) for picture in pictures])
    usable = np.isfinite(everything).all(axis=1) & everything.any(axis=1)
    if not usable.all():
        number = int(owner[np.flatnonzero(~usable)[0]]) + 1
        raise ValueError(f"the model gives nothing of use for good picture {number}: leave it out")
    # Evenly over the pictures, as they come one after the other.
    step = -(-len(everything) // MOST_CANDIDATES)
    some, whose = everything[::step], owner[::step]
    rows = coreset(some, most)
    others = _stand_ins(some, whose, rows)
    scores = []
    for number, picture in enumerate(pictures):
        without = np.where(whose[rows] == number, others, rows)
        scores.append(float(nearest(np.asarray(picture, np.float32), some[without]).max()))
    threshold = float(np.quantile(scores, quantile, method="inverted_cdf"))
    spread = max(float(np.std(scores)), LEAST_SPREAD * float(np.median(scores)))
    # A picture that the model says nothing of is at 2, and stays above.
    threshold = min(threshold + margin * spread, float(np.nextafter(2.0, 0.0)))
    return Bank(some[rows], threshold, model)


def _stand_ins(
    candidates: Values, whose: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.intp]:
    """For each of these rows the candidate of another picture that is nearest to it."""
    found = np.empty_like(rows)
    lengths = np.einsum("nd,nd->n", candidates, candidates)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        distances = lengths - 2.0 * (candidates[part] @ candidates.T)
        distances[whose[part, None] == whose] = np.inf
        found[start : start + _AT_ONCE] = distances.argmin(axis=1)
    return found


def coreset(candidates: Values, most: int) -> NDArray[np.intp]:
    """The rows of at most `most` candidates (N, D), so that every other is close to one of them.

    Greedy: the next is always the one farthest from those chosen, the first being row 0. Ends early
    where all others are the same as chosen ones.
    """
    squares = np.einsum("nd,nd->n", candidates, candidates, dtype=np.float64)
    far = np.full(len(candidates), np.inf)
    chosen = np.zeros(min(most, len(candidates)), np.intp)
    row = 0
    for place in range(len(chosen)):
        chosen[place] = row
        new = squares + squares[row] - 2.0 * (candidates @ candidates[row])
        np.minimum(far, new, out=far)
        far[row] = 0.0
        row = int(far.argmax())
        # What is left is the rounding of products of 24 bits.
        if far[row] <= 1e-6 * squares[row]:
            return chosen[: place + 1]
    return chosen


def nearest(found: Values, bank: Values) -> Values:
    """The distance of each of (P, D) to the nearest of (M, D); 2 for what holds no number."""
    distances = np.empty(len(found), np.float32)
    lengths = np.einsum("md,md->m", bank, bank)
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        closest = (lengths - 2.0 * (part @ bank.T)).argmin(axis=1)
        # Subtracted, as the difference of products is inexact where it matters: close by.
        distances[start : start + _AT_ONCE] = np.linalg.norm(part - bank[closest], axis=1)
    # A picture the model can say nothing of has features of length 0.
    unusable = ~np.isfinite(distances) | ~found.any(axis=1)
    return np.where(unusable, np.float32(2.0), distances)


def _is_map(shape: Shape) -> bool:
    if len(shape) != 4 or (isinstance(shape[0], int) and shape[0] > 1):
        return False
    return shape[1] != 1 and (shape[2], shape[3]) != (1, 1)
