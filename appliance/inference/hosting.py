"""What blocks ask for models by name: each is lent as what the block wants, or refused."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from appliance.inference.catalog import ModelError
from appliance.inference.families.anomaly import Bank
from appliance.inference.families.registry import Task
from appliance.inference.lending import (
    LentClassifier,
    LentDetector,
    LentEmbedder,
    LentInspector,
    LentModel,
    LentSegmenter,
)
from appliance.inference.loading import Patience, SharedSession, Start
from appliance.inference.reading import LentReader
from appliance.inference.remote_fallback import Fallback
from appliance.inference.remote_unseen import UnseenError
from appliance.inference.resolution import Resolved
from blocks.host import Gives

M = TypeVar("M", bound=LentModel)

# A model that gives more than boxes gives boxes, too.
_GIVING: Mapping[Gives, Sequence[Task]] = {
    "boxes": ("boxes", "masks", "keypoints"),
    "masks": ("masks",),
    "keypoints": ("keypoints",),
}
_ABOUT: Mapping[Task, str] = {
    "boxes": "an object detection model: use the block object_detection",
    "masks": "an instance segmentation model: use the block instance_segmentation",
    "keypoints": "a keypoint detection model: use the block keypoint_detection",
    "classes": "a classification model: use the block classification",
    "map": "a semantic segmentation model: use the block semantic_segmentation",
    "text": "a model that finds text: use the block ocr",
    "characters": "a model that reads a line of text: name it as `reads_with` on the card of one "
    "that finds text, and use that with the block ocr",
    "vector": "an embedding model: use the block embedding",
    "anomaly": "an anomaly model: use the block anomaly",
}


class LendingHost(ABC):
    """Lends models to blocks: the Host of `blocks/host.py`, without `waiting`.

    Each raises ModelError, with a sentence, if the model is unknown, not on this machine, damaged,
    or gives something else.
    """

    def __init__(self) -> None:
        # So that all steps of one user share what they are lent.
        self._handles: dict[tuple[str, type], LentModel | LentReader] = {}
        # What starts threads, if there is one.
        self.start: Start | None = None

    @abstractmethod
    def borrow(self, model: str, *, raw: bool = False) -> tuple[Resolved, SharedSession, Patience]:
        """The model of that name and its session; `raw` if it is given numbers, not pixels."""

    @abstractmethod
    def bank_of(self, resolved: Resolved) -> Path:
        """The file of the good pictures that a model was fitted to, whether it is there or not."""

    def detector(self, model: str, gives: Gives = "boxes") -> LentDetector:
        """The detection model of that name."""
        return self._lent(LentDetector, model, *_GIVING[gives])

    def classifier(self, model: str) -> LentClassifier:
        """The classification model of that name."""
        return self._lent(LentClassifier, model, "classes")

    def segmenter(self, model: str) -> LentSegmenter:
        """The semantic segmentation model of that name."""
        return self._lent(LentSegmenter, model, "map")

    def embedder(self, model: str) -> LentEmbedder:
        """The embedding model of that name."""
        return self._lent(LentEmbedder, model, "vector")

    def features(self, model: str) -> LentModel:
        """The model of that name as one whose features can be fitted to good pictures."""
        return self._lent(LentModel, model, "vector", "anomaly")

    def model(self, model: str) -> LentModel:
        """The model of that name, whatever it gives."""
        return self._lent(LentModel, model, *_ABOUT)

    def reader(self, model: str) -> LentReader:
        """The text reading model of that name, with those that its card names."""
        known = self._handles.get((model, LentReader))
        if isinstance(known, LentReader):
            return known
        finder = self._lent(LentModel, model, "text")
        card = finder.resolved.card
        if card.reads_with is None:
            raise ModelError(
                f"{model} finds where text is: name the model that reads it as `reads_with` on "
                "its card"
            )
        recogniser = self._lent(LentModel, card.reads_with, "characters", raw=True)
        direction = None
        if card.turns_with is not None:
            direction = self._lent(LentModel, card.turns_with, "classes", raw=True)
        reader = LentReader(finder, recogniser, direction)
        self._handles[model, LentReader] = reader
        return reader

    def inspector(self, model: str) -> LentInspector:
        """The anomaly model of that name."""
        known = self._handles.get((model, LentInspector))
        if isinstance(known, LentInspector):
            return known
        resolved, shared, patience = self._checked(model, ("anomaly", "vector"))
        bank = _bank(resolved, self.bank_of(resolved))
        inspector = LentInspector(resolved, shared, patience, bank)
        self._handles[model, LentInspector] = inspector
        return inspector

    def _lent(self, kind: type[M], model: str, *tasks: Task, raw: bool = False) -> M:
        known = self._handles.get((model, kind))
        try:
            borrowed = self._checked(model, tasks, raw=raw)
        except UnseenError as error:
            known = known or self._until_seen(kind, model, tasks, error)
        else:
            known = known or self._with_fallback(kind(*borrowed), tasks)
        self._handles[model, kind] = known
        return cast(M, known)

    def _with_fallback(self, lent: M, tasks: Sequence[Task]) -> M:
        """The model itself, or with the one that takes its place while its server is away."""
        remote = lent.resolved.card.remote
        # One that is used for its outputs, as by a reader, has no such twin.
        if remote is None or not remote.fallback or type(lent) is LentModel:
            return lent
        here = self._here(type(lent), remote.fallback, tasks)
        return cast(M, Fallback(lambda: None if lent.is_offline else lent, here))

    def _until_seen(
        self, kind: type[M], model: str, tasks: Sequence[Task], error: UnseenError
    ) -> M:
        """The one that takes the place of a model of which nothing is known until it is."""
        unseen, remote = error.unseen, error.unseen.card.remote
        if remote is None or not remote.fallback or kind is LentModel:
            raise error
        here = self._here(kind, remote.fallback, tasks)
        unseen.users.add(self)
        lent: M | None = None

        def there() -> M | None:
            nonlocal lent
            found = unseen.seen(self.start) if lent is None else None
            if found is not None and found.family.task not in tasks:
                unseen.refuse(f"{model} is {_ABOUT[found.family.task]}")
            elif found is not None:
                lent = kind(*self._checked(model, tasks))
            return None if lent is None or lent.is_offline else lent

        return cast(M, Fallback(there, here))

    def _here(self, kind: type[M], model: str, tasks: Sequence[Task]) -> M:
        """The model that takes the place of one on a server. It does all that blocks ask of it."""
        here = kind(*self._checked(model, tasks))
        if here.resolved.card.remote is not None:
            raise ModelError(f"{model} is on a server, too: it can take nobody's place")
        return here

    def _checked(
        self, model: str, tasks: Sequence[Task], *, raw: bool = False
    ) -> tuple[Resolved, SharedSession, Patience]:
        resolved, shared, patience = self.borrow(model, raw=raw)
        if resolved.family.task not in tasks:
            raise ModelError(f"{model} is {_ABOUT[resolved.family.task]}")
        return resolved, shared, patience


def _bank(resolved: Resolved, path: Path) -> Bank:
    name = resolved.card.name
    again = f"run `appliance models fit-anomaly {name} --samples FOLDER`"
    if not path.is_file():
        raise ModelError(f"{name} has not been fitted to good pictures yet: {again}")
    try:
        bank = Bank.load(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {error}") from None
    if bank.model not in ("", resolved.sha256):
        raise ModelError(f"{name}: {path} was fitted with another model file: {again}")
    return bank
