"""How a step asks a detector: about a part of the image, the whole of it, or slice by slice."""

from collections.abc import Sequence
from typing import NamedTuple

from blocks.data import Detections, Image
from blocks.host import Gives, Host
from blocks.models.filtering import DetectionManifest, Wanted
from blocks.models.slicing import look, merged, slices


class Found(NamedTuple):
    """What was found, in the frame's pixels."""

    detections: Detections


class Finder:
    """A detector, and what a step wants of it.

    Raises:
        LookupError: there is no such model, or it does not give what is wanted.
        ValueError: the model does not know one of the labels, or one has no bar.
    """

    def __init__(self, manifest: DetectionManifest, host: Host, gives: Gives = "boxes") -> None:
        self._manifest = manifest
        self._detector = host.detector(manifest.model, gives)
        self._wanted = Wanted(manifest, self._detector.labels)

    def find(self, image: Image) -> Found:
        """What is wanted of what the image shows."""
        part, bar = self._manifest.part_of(image), self._wanted.confidence
        if part is None:
            return Found(Detections.empty())
        if self._manifest.sliced:
            return Found(self._sliced(part))
        return Found(self._wanted.of(self._detector.detect(part, bar), image.frame_size))

    def find_many(self, images: Sequence[Image]) -> list[Found]:
        """The same of several images, in one call of the model where that is faster."""
        if self._manifest.sliced:
            return [self.find(image) for image in images]
        parts = [self._manifest.part_of(image) for image in images]
        shown = [part for part in parts if part is not None]
        answers = self._detector.detect_many(shown, self._wanted.confidence) if shown else []
        found = iter(answers)
        return [
            Found(
                Detections.empty()
                if part is None
                else self._wanted.of(next(found), image.frame_size)
            )
            for part, image in zip(parts, images, strict=True)
        ]

    def _sliced(self, whole: Image) -> Detections:
        pieces = [whole, *slices(whole, self._manifest.slice_size, self._manifest.slice_overlap)]
        found = self._detector.detect_many(pieces, self._wanted.confidence)
        looks = [look(finds, piece, whole) for finds, piece in zip(found, pieces, strict=True)]
        # First merged: what is cut off may have its centre in the region where the whole has not.
        return self._wanted.of(merged(looks, whole.frame_size), whole.frame_size)
