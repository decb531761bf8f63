"""A model on another machine, and one here that takes its place while that one is away."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from appliance.inference.remote import OfflineError
from blocks.data import Detections, Image
from blocks.host import Classifier, Detector, Embedder, Inspector, Reader, Segmenter
from blocks.predictions import Anomaly, Classification, Embedding, Segmentation, TextLine

R = TypeVar("R")


class _Lent(Detector, Classifier, Segmenter, Reader, Embedder, Inspector, Protocol):
    """Whatever is asked of it: it is one of these, and only that is asked."""


class Fallback:
    """A lent model of any kind that is two: for each call, the remote one unless it is offline.

    `remote()` is that one; None, if to ask it would fail at once. A request that came too late
    there is not made again here: it would only come later.
    """

    def __init__(self, remote: Callable[[], Any], local: Any) -> None:
        self._remote: Callable[[], _Lent | None] = remote
        self._local: _Lent = local
        self._here = 0

    @property
    def local_calls(self) -> int:
        """How many calls the local model took."""
        return self._here

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes of the model that the next call would ask."""
        return (self._remote() or self._local).labels

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the model's own bar), in the frame's pixels."""
        return self._ask(lambda model: model.detect(image, confidence))

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        """The same of several images."""
        return self._ask(lambda model: model.detect_many(images, confidence))

    def classify(
        self, image: Image, confidence: float | None = None, *, multi_label: bool = False
    ) -> Classification:
        """Its scores, one label of many or, with `multi_label`, each by itself."""
        return self._ask(lambda model: model.classify(image, confidence, multi_label=multi_label))

    def segment(self, image: Image, confidence: float | None = None) -> Segmentation:
        """The class of each place that is sure enough."""
        return self._ask(lambda model: model.segment(image, confidence))

    def read(self, image: Image, confidence: float | None = None) -> tuple[TextLine, ...]:
        """The lines of text, in reading order."""
        return self._ask(lambda model: model.read(image, confidence))

    def embed(self, image: Image) -> Embedding:
        """The vector, of length 1."""
        return self._ask(lambda model: model.embed(image))

    def inspect(self, image: Image) -> Anomaly:
        """How unlike the good ones the image is."""
        return self._ask(lambda model: model.inspect(image))

    def _ask(self, call: Callable[[_Lent], R]) -> R:
        remote = self._remote()
        if remote is not None:
            try:
                return call(remote)
            except OfflineError:
                pass
        self._here += 1
        return call(self._local)
