"""Fitting an anomaly model to a folder of good pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.inference.catalog import ModelError
from appliance.inference.families import anomaly
from appliance.inference.families.anomaly import Bank
from appliance.inference.models import Models
from blocks.data import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# More say little more, and all their features are in memory at the same time.
MOST_PICTURES = 500
MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of it: the bank, the file it is in, and the pictures it was made of, and not."""

    bank: Bank
    path: Path
    used: int
    unreadable: tuple[Path, ...]


def fit_anomaly(
    models: Models, name: str, folder: Path, seen: Callable[[int, int], None] = lambda _n, _of: None
) -> Fitted:
    """Fit the model of that name to the pictures in a folder, and keep what they look like.

    Of too many it takes some, evenly. `seen` is told how many of how many are done.

    Raises:
        ModelError: the model has no features, there are too few pictures, or it cannot be kept.
    """
    lent = models.features(name)
    features: list[anomaly.Values] = []
    unreadable = []
    chosen = _spread(_pictures(folder), MOST_PICTURES)
    for number, path in enumerate(chosen, 1):
        picture = read_picture(path)
        if picture is None:
            unreadable.append(path)
            continue
        found, _ = anomaly.features(lent.run(picture)[0])
        features.append(found)
        seen(number, len(chosen))
        if (len(features) + 1) * found.nbytes > MOST_BYTES:
            break
    try:
        bank = anomaly.fit(features, model=lent.resolved.sha256)
    except ValueError as error:
        raise ModelError(f"{name} cannot be fitted to the pictures in {folder}: {error}") from None
    target = models.bank_of(lent.resolved)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        bank.save(target)
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error.strerror}") from None
    return Fitted(bank, target, len(features), tuple(unreadable))


def read_picture(path: Path) -> Image | None:
    """The picture in a file; None if there is none that can be read."""
    try:
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    return None if pixels is None else Image.from_bgr(np.asarray(pixels, np.uint8))


def _pictures(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise ModelError(f"the folder {folder} cannot be read: {error.strerror}") from None
    if not found:
        raise ModelError(f"there are no pictures in {folder}: it takes at least two, better fifty")
    return found


def _spread(paths: Sequence[Path], most: int) -> Sequence[Path]:
    return paths[:: -(-len(paths) // most)]
