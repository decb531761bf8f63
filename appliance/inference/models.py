"""The models of the daemon: loaded when first asked for, then shared by all who use them."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import structlog

from appliance.inference.catalog import ModelCard, ModelError, find
from appliance.inference.families import ssd
from appliance.inference.providers import choose_provider
from appliance.inference.session import Session
from appliance.inference.store import Store, digest
from blocks.data import Detections, Image

INPUT_TYPE = "tensor(float)"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A detector on its provider. Threads may use it at the same time."""

    card: ModelCard
    session: Session

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes it knows."""
        return self.card.labels

    @property
    def provider(self) -> str:
        """What of onnxruntime runs it."""
        return self.session.provider

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Boxes at least this sure (by default the card's own bar), in the frame's pixels."""
        bar = self.card.confidence if confidence is None else confidence
        outputs = self.session.run(ssd.prepare(image, self.card.input))
        return ssd.decode(outputs, self.card, image, bar)


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
        choice = choose_provider(path, sha256, card.input.shape, self._store.probes)
        session = _open(card, path, choice.provider, self._callers.get(card.name, 1))
        log.info("model loaded", model=card.name, provider=choice.provider, reason=choice.reason)
        return LoadedModel(card, session)


def _open(card: ModelCard, path: Path, provider: str, callers: int) -> Session:
    try:
        session = Session(path, provider, callers)
    except Exception as error:
        raise ModelError(f"{card.name}: onnxruntime cannot load {path}: {error}") from error
    fits = len(session.input_shape) == 4 and all(
        isinstance(given, str) or given == wanted
        for given, wanted in zip(session.input_shape, card.input.shape, strict=True)
    )
    problem = ssd.mismatch(card, session.output_shapes)
    if session.input_type != INPUT_TYPE:
        problem = f"it takes {session.input_type}, where images are given as {INPUT_TYPE}"
    elif not fits:
        problem = f"it takes {session.input_shape}, where the card's input is {card.input.shape}"
    if problem:
        raise ModelError(f"{card.name}: the model card does not fit {path}: {problem}")
    return session
