"""Small blocks made here, and what most tests of the engine do with a workflow text."""

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import Field

from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from blocks.block import (
    BlockType,
    ConnectionName,
    Detector,
    Host,
    Manifest,
    ModelName,
    Origin,
    ShapeManifest,
    block,
)
from blocks.data import Detections, Event, Frame, Image
from blocks.geometry import Polygon

ORIGIN = Origin(workflow="", pipeline="yard", camera="gate", step="")


class Nothing(Manifest):
    """No settings."""


class Value(NamedTuple):
    value: float


class MaybeValue(NamedTuple):
    value: float | None
    again: float | None


class Total(NamedTuple):
    total: int
    text: str


class Found(NamedTuple):
    detections: Detections
    image: Image


class Row(NamedTuple):
    row: Any
    ok: bool


class ConstantManifest(Manifest):
    value: float = Field(default=1.0, ge=0, le=100)
    kind: Literal["warm", "cold"] = "warm"
    whole: int = 0
    texts: tuple[str, ...] = Field(default=(), max_length=2)
    on: bool = True


@block("constant@1", ConstantManifest)
class Constant:
    """Gives its setting."""

    def __init__(self, manifest: ConstantManifest) -> None:
        self._value = manifest.value

    def run(self) -> Value:
        return Value(self._value)


@block("add@1", Nothing)
class Add:
    """Adds what it is given; `more` may be absent."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, a: float, b: float = 10.0, more: float | None = None) -> Value:
        return Value(a + b + (more or 0.0))


@block("add@3", Nothing)
class AddAll:
    """Another version."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, many: list[float]) -> Value:
        return Value(sum(many))


@block("odd@1", Nothing)
class Odd:
    """Gives the frame's number if it is odd, and else nothing."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, frame: Frame) -> MaybeValue | None:
        odd = float(frame.sequence) if frame.sequence % 2 else None
        return MaybeValue(odd, odd) if frame.sequence else None


@block("count@1", Nothing)
class Count:
    """Counts its runs."""

    def __init__(self, manifest: Nothing) -> None:
        self._total = 0

    def run(self) -> Total:
        self._total += 1
        return Total(self._total, f"run {self._total}")


@block("row@1", Nothing)
class GiveRow:
    """Gives whatever it is given, as a value of no known type."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, row: Any) -> Row:
        return Row(row, ok=True)


class FailManifest(Manifest):
    how: Literal["raise", "short", "number"] = "raise"


@block("fail@1", FailManifest)
class Fail:
    """Raises, or breaks what a block promises."""

    def __init__(self, manifest: FailManifest) -> None:
        self._how = manifest.how

    def run(self) -> Total:
        if self._how == "raise":
            raise RuntimeError("it is broken")
        return (1,) if self._how == "short" else 5  # type: ignore[return-value]  # on purpose


class FindManifest(ShapeManifest):
    zone: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    model: ModelName
    labels: tuple[str, ...] = ()


@block("find@1", FindManifest)
class Find:
    """Asks a model of the host."""

    def __init__(self, manifest: FindManifest, host: Host) -> None:
        self._detector = host.detector(manifest.model)

    def run(self, image: Image, confidence: float = 0.5) -> Found:
        return Found(self._detector.detect(image, confidence), image)


class SendManifest(Manifest):
    connection: ConnectionName = "local"
    spare: ConnectionName | None = None
    topic: str = "site"


@block("send@1", SendManifest)
class Send:
    """A sink."""

    def __init__(self, manifest: SendManifest, origin: Origin) -> None:
        self._manifest = manifest
        self._subject = origin.fill("{workflow}/{pipeline}/{camera}/{step}")

    def run(self, frame: Frame, data: Mapping[str, Any] | None = None) -> Event:
        made = Event(
            self._manifest.connection, "sent", self._subject, frame.captured_at, data or {}
        )
        return made if "wrong" not in made.data else made.data  # type: ignore[return-value]  # on purpose


class RefuseManifest(Manifest):
    kind: Literal["value", "lookup"] = "value"


@block("refuse@1", RefuseManifest)
class Refuse:
    """Never starts."""

    def __init__(self, manifest: RefuseManifest) -> None:
        if manifest.kind == "value":
            raise ValueError("this kind of block is refused")
        raise LookupError("there is no such thing")

    def run(self) -> Value:
        return Value(0.0)


class FixedDetector:
    """Finds one person, sure of what it was asked for."""

    labels = ("person",)

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        return Detections.of([[1, 1, 5, 5]], confidence=[confidence], label=["person"])


class OneModel:
    """A host that knows the model `people`."""

    def detector(self, model: str) -> Detector:
        if model != "people":
            raise LookupError(f"there is no model '{model}' (there is people)")
        return FixedDetector()


CLASSES = (Constant, Add, AddAll, Odd, Count, GiveRow, Fail, Find, Send, Refuse)


@pytest.fixture(scope="session")
def blocks() -> Mapping[str, BlockType]:
    """The blocks of this file by their type."""
    found: list[BlockType] = [vars(cls)["block_type"] for cls in CLASSES]
    return {made.type: made for made in found}


@pytest.fixture(scope="session")
def plan(blocks: Mapping[str, BlockType]) -> Callable[[str], Plan]:
    """Plans an indented text, which is called w.yaml."""
    return lambda text: load_plan(dedent(text).lstrip("\n"), "w.yaml", blocks)


@pytest.fixture(scope="session")
def refusal(plan: Callable[[str], Plan]) -> Callable[[str], str]:
    """The whole text with which a workflow is refused."""

    def refuse(text: str) -> str:
        with pytest.raises(DefinitionError) as caught:
            plan(text)
        return str(caught.value)

    return refuse


@pytest.fixture(scope="session")
def start(plan: Callable[[str], Plan]) -> Callable[..., Run]:
    """Plans a text and starts it with inputs, on a host that knows one model."""

    def start_it(text: str, **inputs: Any) -> Run:
        return plan(text).start(inputs, OneModel(), ORIGIN)

    return start_it


@pytest.fixture(scope="session")
def steps() -> Callable[[str], str]:
    """A whole workflow around the lines of its steps and what follows them."""
    return lambda lines: f"version: 1\nname: w\nsteps:\n{dedent(lines).strip(chr(10))}\n"
