"""The models of the daemon: loaded when first asked for, then shared by all who use them."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from numpy.typing import NDArray

from appliance.inference.catalog import ModelCard, ModelError, find
from appliance.inference.families.fitting import Fitted, Form, fit
from appliance.inference.metadata import Facts
from appliance.inference.providers import choose_provider
from appliance.inference.resolution import Resolved, resolve
from appliance.inference.session import Session
from appliance.inference.store import Store, digest
from blocks.data import Detections, Image

INPUT_TYPE = "tensor(float)"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A detector on its provider. Threads may use it at the same time."""

    resolved: Resolved
    session: Session

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes it knows."""
        return self.resolved.labels

    @property
    def provider(self) -> str:
        """What of onnxruntime runs it."""
        return self.session.provider

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the card's own bar), in the frame's pixels."""
        tensor, place = fit(image, self.resolved.form)
        return self.decode(self.session.run(tensor), place, confidence)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], place: Fitted, confidence: float | None = None
    ) -> Detections:
        """The boxes in what the session gave for an image that lies in its input so."""
        card = self.resolved.card
        bar = card.confidence if confidence is None else confidence
        found: Detections = self.resolved.family.decode(outputs, place, self.labels, bar)
        return found

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        """The same of several images."""
        return [self.detect(image, confidence) for image in images]


class Models:
    """Lends models to blocks by name: the Host of `blocks/block.py`.

    A model is loaded once. Others wait for that; who holds a model already does not. `callers` is
    how many threads will use each model at the same time, where that is known.
    """

    def __init__(
        self,
        store: Store,
        cards: Mapping[str, ModelCard],
        callers: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._callers = callers
        self._store = store
        self._cards = dict(cards)
        self._loaded: dict[str, LoadedModel] = {}
        self._loading = threading.Lock()

    def detector(self, model: str) -> LoadedModel:
        """The detection model of that name.

        Raises:
            ModelError: it is unknown, not on this machine, damaged, or cannot be run.
        """
        with self._loading:
            if model not in self._loaded:
                self._loaded[model] = self._load(find(self._cards, model))
            return self._loaded[model]

    def waiting(self) -> AbstractContextManager[None]:
        """Nothing: who asks the models themselves holds no permit of a lane."""
        return nullcontext()

    @property
    def providers(self) -> dict[str, str]:
        """What runs each model that is loaded, by the model's name."""
        return {name: model.provider for name, model in self._loaded.items()}

    def _load(self, card: ModelCard) -> LoadedModel:
        path = self._store.verified(card)
        sha256 = card.sha256 or digest(path)
        if card.input.size is None:
            raise ModelError(f"{card.name}: its card says no input size")
        shape = card.input.form(Form(card.input.size)).shape
        choice = choose_provider(path, sha256, shape, self._store.probes)
        session = _open(card, path, choice.provider, self._callers.get(card.name, 1))
        resolved = _resolved(card, path, sha256, session)
        log.info("model loaded", model=card.name, provider=choice.provider, reason=choice.reason)
        return LoadedModel(resolved, session)


def _open(card: ModelCard, path: Path, provider: str, callers: int) -> Session:
    try:
        return Session(path, provider, callers)
    except Exception as error:
        raise ModelError(f"{card.name}: onnxruntime cannot load {path}: {error}") from error


def _resolved(card: ModelCard, path: Path, sha256: str, session: Session) -> Resolved:
    if session.input_type != INPUT_TYPE:
        raise ModelError(
            f"{card.name}: the model card does not fit {path}: it takes {session.input_type}, "
            f"where images are given as {INPUT_TYPE}"
        )
    inputs = {"image": session.input_shape}
    facts = Facts(inputs=inputs, outputs=session.output_shapes)
    return resolve(card, path, sha256, facts)
