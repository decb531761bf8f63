"""What the daemon lends to model blocks: models by name, each as what the block wants of it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from blocks.data import Detections, Image
from blocks.predictions import Anomaly, Classification, Embedding, Segmentation, TextLine

Gives = Literal["boxes", "masks", "keypoints"]
"""What a detector must give: boxes alone, or boxes and a mask, or keypoints, for each."""


class LateError(TimeoutError):
    """The answer of a model would have come too late for the frame, and was not computed."""


class Lent(Protocol):
    """A model that is lent. Threads may use it at the same time.

    It may still be loading: then its use waits, and others compute in the caller's place.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes it knows, in its order; of a text reader, its characters."""
        ...


class Detector(Lent, Protocol):
    """A model that finds boxes."""

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the model's own bar), in the frame's pixels."""
        ...

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        """The same of several images, in one call of the model where that is faster."""
        ...


class Classifier(Lent, Protocol):
    """A model that says what an image shows."""

    def classify(
        self, image: Image, confidence: float | None = None, *, multi_label: bool = False
    ) -> Classification:
        """Its scores, one label of many or, with `multi_label`, each by itself."""
        ...


class Segmenter(Lent, Protocol):
    """A model that says what each place of an image shows."""

    def segment(self, image: Image, confidence: float | None = None) -> Segmentation:
        """The class of each place that is sure enough."""
        ...


class Reader(Lent, Protocol):
    """A model that reads text."""

    def read(self, image: Image, confidence: float | None = None) -> tuple[TextLine, ...]:
        """The lines of text, in reading order, leaving out those read less surely than this."""
        ...


class Embedder(Lent, Protocol):
    """A model that gives a vector for what an image shows."""

    def embed(self, image: Image) -> Embedding:
        """The vector, of length 1."""
        ...


class Inspector(Lent, Protocol):
    """A model, with good pictures it was fitted to."""

    def inspect(self, image: Image) -> Anomaly:
        """How unlike the good ones the image is."""
        ...


class Host(Protocol):
    """What the daemon lends to model blocks.

    Each lends the model of a name, and raises LookupError with a sentence if there is none, or if
    it gives something else.
    """

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        """The detection model of that name."""
        ...

    def classifier(self, model: str) -> Classifier:
        """The classification model of that name."""
        ...

    def segmenter(self, model: str) -> Segmenter:
        """The semantic segmentation model of that name."""
        ...

    def reader(self, model: str) -> Reader:
        """The text reading model of that name."""
        ...

    def embedder(self, model: str) -> Embedder:
        """The embedding model of that name."""
        ...

    def inspector(self, model: str) -> Inspector:
        """The anomaly model of that name."""
        ...

    def waiting(self) -> AbstractContextManager[None]:
        """For a block that waits for something outside, as for a model on another machine.

        Inside of `with host.waiting():` others may compute in its place. There it must not.
        """
        ...
