"""Models as blocks are lent them: each as what a block wants of it, on a session that is shared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.families.anomaly import Bank
from appliance.inference.families.anomaly import decode as inspected
from appliance.inference.families.fitting import Fitted
from appliance.inference.loading import Opened, Patience, SharedSession
from appliance.inference.resolution import Resolved
from blocks.data import Detections, Image
from blocks.predictions import Anomaly, Classification, Embedding, Segmentation

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A detector on its session. Threads may use it at the same time, and nobody is waited for."""

    resolved: Resolved
    opened: Opened

    @property
    def session(self) -> Any:
        """What runs it."""
        return self.opened.session

    @property
    def provider(self) -> str:
        """What of onnxruntime runs it."""
        return self.opened.session.provider

    def fit(self, image: Image) -> tuple[NDArray[Any], Fitted]:
        """The tensor of an image as the session takes it, and where in it the image lies."""
        return self.opened.fit(image)

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the card's own bar), in the frame's pixels."""
        with self.opened.fitted(image) as (tensor, place):
            outputs = self.opened.session.run(tensor)
        return self.decode(outputs, place, confidence)

    def decode(
        self, outputs: Outputs, place: Fitted, confidence: float | None = None
    ) -> Detections:
        """The boxes in what the session gave for an image that lies in its input so."""
        return decoded_boxes(self.resolved, outputs, place, confidence)


def decoded_boxes(
    resolved: Resolved, outputs: Outputs, place: Fitted, confidence: float | None
) -> Detections:
    """The boxes in a model's outputs, at least this sure or as sure as its card wants."""
    card = resolved.card
    bar = card.confidence if confidence is None else confidence
    more = {} if card.overlap is None else {"overlap": card.overlap}
    found: Detections = resolved.family.decode(outputs, place, resolved.labels, bar, **more)
    return found


class LentModel:
    """A model that is lent to one user, such as a lane."""

    def __init__(self, resolved: Resolved, shared: SharedSession, patience: Patience) -> None:
        self.resolved = resolved
        self.shared = shared
        self._patience = patience

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes it knows."""
        return self.resolved.labels

    @property
    def loaded(self) -> LoadedModel:
        """The model itself, once it is loaded.

        Raises:
            ModelError: it cannot be loaded.
        """
        return LoadedModel(self.resolved, self.shared.use(self._patience))

    @property
    def is_offline(self) -> bool:
        """Whether it is on a server that is away."""
        opened = self.shared.opened
        return opened is not None and opened.elsewhere is not None and opened.elsewhere.is_offline

    def run(self, image: Image) -> tuple[Outputs, Fitted]:
        """The outputs for an image, and where in the model's input it lies.

        Raises:
            ModelError: the model cannot be loaded.
            LateError: they would have come too late.
        """
        opened = self.shared.use(self._patience)
        with opened.fitted(image) as (tensor, place):
            return self._run(opened, tensor), place

    def run_tensor(self, tensor: NDArray[Any]) -> Outputs:
        """The outputs for a tensor that is as the session takes it. Raises as `run` does."""
        return self._run(self.shared.use(self._patience), tensor)

    def run_many(self, images: Sequence[Image]) -> Iterable[tuple[Outputs, Fitted]]:
        """The same for several images, some at once where that is faster."""
        opened = self.shared.use(self._patience)
        size = opened.batch
        if size == 1 or len(images) == 1:
            for image in images:
                yield self.run(image)
            return
        for begin in range(0, len(images), size):
            fitted = [opened.fit(image) for image in images[begin : begin + size]]
            outputs = self._run(opened, np.concatenate([tensor for tensor, _ in fitted]))
            for row, (_, place) in enumerate(fitted):
                yield {name: values[row : row + 1] for name, values in outputs.items()}, place

    def _run(self, opened: Opened, tensor: NDArray[Any]) -> Outputs:
        until_s = self._patience.until()
        if opened.elsewhere is not None:
            with self._patience.waiting():
                return opened.elsewhere.run(tensor, until_s)
        return self.shared.streams.run(
            opened.session, tensor, until_s, opened.batch, self._patience.waiting
        )

    def _bar(self, confidence: float | None) -> float:
        return self.resolved.card.confidence if confidence is None else confidence


class LentDetector(LentModel):
    """A model that finds boxes."""

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the card's own bar), in the frame's pixels."""
        outputs, place = self.run(image)
        return decoded_boxes(self.resolved, outputs, place, confidence)

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        """The same of several images, in one call of the model where that is faster."""
        return [
            decoded_boxes(self.resolved, outputs, place, confidence)
            for outputs, place in self.run_many(images)
        ]


class LentClassifier(LentModel):
    """A model that says what an image shows."""

    def classify(
        self, image: Image, confidence: float | None = None, *, multi_label: bool = False
    ) -> Classification:
        """Its scores, one label of many or, with `multi_label`, each by itself."""
        outputs, place = self.run(image)
        found: Classification = self.resolved.family.decode(
            outputs, place, self.labels, self._bar(confidence), multi_label=multi_label
        )
        return found


class LentSegmenter(LentModel):
    """A model that says what each place of an image shows."""

    def segment(self, image: Image, confidence: float | None = None) -> Segmentation:
        """The class of each place that is sure enough."""
        outputs, place = self.run(image)
        found: Segmentation = self.resolved.family.decode(
            outputs, place, self.labels, self._bar(confidence)
        )
        return found


class LentEmbedder(LentModel):
    """A model that gives a vector for what an image shows."""

    def embed(self, image: Image) -> Embedding:
        """The vector, of length 1."""
        outputs, place = self.run(image)
        found: Embedding = self.resolved.family.decode(outputs, place, self.labels, 0.0)
        return found


class LentInspector(LentModel):
    """A model, with good pictures it was fitted to."""

    def __init__(
        self, resolved: Resolved, shared: SharedSession, patience: Patience, bank: Bank
    ) -> None:
        super().__init__(resolved, shared, patience)
        self._inspected = partial(inspected, bank=bank)

    def inspect(self, image: Image) -> Anomaly:
        """How unlike the good ones the image is."""
        outputs, place = self.run(image)
        return self._inspected(outputs, place, self.labels, 0.0)
