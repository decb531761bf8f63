"""The models that are measured, each with its card, and what a block would ask of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from appliance.inference.catalog import ModelCard, find, load_catalog, model_cards
from appliance.inference.families.fitting import Form
from appliance.inference.fetch import pull
from appliance.inference.metadata import read
from appliance.inference.resolution import resolve
from appliance.inference.store import Store, digest
from benchmarks import inference_nets
from benchmarks.machine import ROOT
from blocks.data import Image
from blocks.host import Host

MODEL = "people-ssdlite"
# The state directory of a checkout, where the model of the catalog may be already.
STATE_DIR = ROOT / ".appliance"
PICTURES = 6
Use = Callable[[Image], Any]
# Nets with random weights: their family, and what writes one. The usual input of YOLO is 640.
NETS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    "yolo-net": ("yolo", inference_nets.yolo),
    "yolo-net-640": ("yolo", partial(inference_nets.yolo, size=640)),
    "detr-net": ("detr", inference_nets.detr),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model file, its card, what it gives, and the form of its input."""

    card: ModelCard
    path: Path
    task: str
    form: Form

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return self.card.name

    def use(self, host: Host) -> Use:
        """What a block does with an image of a model lent by this host."""
        if self.task == "classes":
            return host.classifier(self.name).classify
        if self.task == "map":
            return host.segmenter(self.name).segment
        if self.task == "vector":
            return host.embedder(self.name).embed
        return host.detector(self.name).detect


def subjects(
    wanted: Sequence[str], folder: Path, more: Path | None, say: Callable[[str], None]
) -> Iterator[Subject]:
    """Those of these names: of the catalog, made in `folder`, and found in the folder `more`."""
    if MODEL in wanted:
        store = Store(STATE_DIR)
        card = find(model_cards(load_catalog()), MODEL)
        pull(card, store, say)
        yield _subject(card.model_copy(update={"package": None, "file": store.path(card)}))
    for name, (family, write) in NETS.items():
        path = folder / f"{name}.onnx"
        if name in wanted:
            write(path)
            yield _subject(ModelCard(name=name, file=path, family=family))
    for path in found_in(more):
        if path.stem in wanted:
            yield _subject(_card(path))


def names(more: Path | None) -> Sequence[str]:
    """What the subjects are called, before there are any."""
    return [
        MODEL,
        *NETS,
        *(path.stem for path in found_in(more)),
    ]


def found_in(more: Path | None) -> Sequence[Path]:
    """The ONNX files of a folder."""
    return sorted(more.glob("*.onnx")) if more is not None else []


def _card(path: Path) -> ModelCard:
    beside = path.with_suffix(".yaml")
    said = yaml.safe_load(beside.read_text("utf-8")) if beside.is_file() else {}
    return ModelCard.model_validate({**said, "name": path.stem, "file": path})


def _subject(card: ModelCard) -> Subject:
    assert card.file is not None
    resolved = resolve(card, card.file, digest(card.file), read(card.file))
    return Subject(card, card.file, resolved.family.task, resolved.form)


def pictures() -> list[tuple[NDArray[np.uint8], ...]]:
    """The planes of some pictures of 1280 x 720, as a decoder gives them: clouds of colour."""
    chance = np.random.default_rng(seed=4)

    def plane(width: int, height: int) -> NDArray[np.uint8]:
        few = chance.integers(16, 235, (9, 16), np.uint8)
        return np.asarray(cv2.resize(few, (width, height)), np.uint8)

    return [(plane(1280, 720), plane(640, 360), plane(640, 360)) for _ in range(PICTURES)]


def fresh(planes: tuple[NDArray[np.uint8], ...]) -> Image:
    """An image of these planes that nobody has looked at before, as HD cameras send them."""
    return Image(planes, "yuv420p", matrix="bt709")
