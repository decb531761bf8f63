"""Small blocks made here, and what most tests of the engine do with a workflow text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from textwrap import dedent
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pytest
from pydantic import Field

from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.testing import FixedDetector, FixedHost
from blocks.block import (
    RESETS,
    BlockType,
    ConnectionName,
    Manifest,
    ModelName,
    Origin,
    ShapeManifest,
    State,
    block,
)
from blocks.data import Columns, Detections, Event, Frame, Image, Moment
from blocks.geometry import Polygon
from blocks.host import Detector, Gives, Host

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


class Pictured(NamedTuple):
    image: Image


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


class Parts(NamedTuple):
    values: tuple[float, ...]
    names: tuple[str, ...]
    total: int


class SplitManifest(Manifest):
    count: int = Field(default=3, ge=-1, le=50)
    holes: tuple[int, ...] = ()
    names: int | None = None


@block("split@1", SplitManifest)
class Split:
    """Gives many: `start`, `start` + 1, and so on, absent at `holes`; nothing at all for -1."""

    def __init__(self, manifest: SplitManifest) -> None:
        self._manifest = manifest

    def run(self, start: float = 0.0) -> Parts | None:
        count = self._manifest.count
        if count < 0:
            return None
        values = [None if i in self._manifest.holes else start + i for i in range(count)]
        named = count if self._manifest.names is None else self._manifest.names
        return Parts(tuple(values), tuple(f"n{i}" for i in range(named)), count)  # type: ignore[arg-type]  # holes are what a block may give


class Spread(NamedTuple):
    values: tuple[float, ...]


@block("list@1", Nothing)
class Unfold:
    """Gives as many values as it is given in a list; None gives nothing at all."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, values: list[float]) -> Spread:
        return Spread(None if values == [0] else tuple(values))  # type: ignore[arg-type]  # absent as a whole


@block("double@1", Nothing)
class Double:
    """Twice the value, and something added; cannot do thirteen, and gives nothing for seven."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, value: float, add: float = 0.0) -> Value | None:
        if value == 13:
            raise ValueError("thirteen")
        return None if value == 7 else Value(value * 2 + add)


@block("batch@1", Nothing)
class Batch:
    """The same in one call for all; `calls` are the values of each."""

    calls: list[tuple[list[float], float]]

    def __init__(self, manifest: Nothing) -> None:
        self.calls = []

    def run(self, value: float, add: float = 0.0) -> Value:
        return Value(value * 2 + add)

    def run_many(self, value: Sequence[float], add: float = 0.0) -> list[Value | None]:
        self.calls.append((list(value), add))
        if 13 in value:
            raise ValueError("thirteen")
        if 99 in value:
            return [Value(1.0)] * (len(value) + 1)
        if 98 in value:
            return "many"  # type: ignore[return-value]  # on purpose
        return [None if v == 7 else Value(v * 2 + add) for v in value]


@block("sum@1", Nothing)
class Sum:
    """Collects many."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, values: tuple[float, ...], add: float = 0.0) -> Value:
        return Value(sum(values) + add)


class Places(NamedTuple):
    holes: list[int]


@block("holes@1", Nothing)
class Holes:
    """Collects many, and says at which places there is nothing."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, values: tuple[float | None, ...]) -> Places:
        return Places([i for i, value in enumerate(values) if value is None])


class Looked(NamedTuple):
    detections: Annotated[Detections, Columns(direction=str)]


@block("look@1", Nothing)
class Look:
    """Gives one detection, of which a direction is known."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self) -> Looked:
        found = Detections.of([[0, 0, 4, 4]], label=["person"])
        columns = {**found.data, "direction": np.array(["in"])}
        return Looked(replace(found, data=columns))


@block("picture@1", Nothing)
class Picture:
    """Passes a picture on."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, image: Image) -> Pictured:
        return Pictured(image)


@block("note@1", Nothing)
class Note:
    """A sink that needs no frame."""

    def __init__(self, manifest: Nothing, origin: Origin) -> None:
        self._origin = origin

    def run(self, now: Moment, data: Mapping[str, Any]) -> Event:
        return Event("local", "noted", self._origin.step, now.captured_at, data)


class Kept(State):
    total: float = 0.0
    seen: int = 0


class KeepManifest(Manifest):
    every_s: float | None = None
    awake_s: float | None = None
    zone: Annotated[str, RESETS] = "all"
    label: str = ""
    raises: Literal["", "awake_until", "next_at", "tick", "command", "stop"] = ""


class Sums(NamedTuple):
    total: float
    seen: int


@block("keep@1", KeepManifest)
class Keep:
    """Adds up; tells at the next full `every_s`, when it is asked to, and at the stop."""

    state: Kept

    def __init__(self, manifest: KeepManifest) -> None:
        self._manifest = manifest
        self.state = Kept()

    @property
    def awake_until(self) -> float | None:
        self._may_raise("awake_until")
        return self._manifest.awake_s

    def run(self, value: float) -> Sums | None:
        self.state = Kept(total=self.state.total + value, seen=self.state.seen + 1)
        return self._told() if self._manifest.every_s is None else None

    def next_at(self, now: Moment) -> float | None:
        self._may_raise("next_at")
        every_s = self._manifest.every_s
        return None if every_s is None else (self.state.seen + 1) * every_s

    def tick(self, now: Moment) -> Sums | None:
        self._may_raise("tick")
        self.state = Kept(total=self.state.total, seen=self.state.seen + 1)
        return self._told()

    def command(self, now: Moment, name: Literal["reset", "tell"], value: Any) -> Sums | None:
        self._may_raise("command")
        if name == "reset":
            self.state = Kept(total=value or 0.0)
            return None
        return self._told()

    def stop(self, now: Moment) -> Sums | None:
        self._may_raise("stop")
        return self._told()

    def _told(self) -> Sums:
        return Sums(self.state.total, self.state.seen)

    def _may_raise(self, where: str) -> None:
        if self._manifest.raises == where:
            raise RuntimeError(f"{where} is broken")


@block("keep@2", KeepManifest)
class KeepOtherwise(Keep):
    """Another version, with the same state."""


@block("site@1", Nothing, scope="pipeline")
class Site:
    """Adds up over all cameras."""

    state: Kept

    def __init__(self, manifest: Nothing, origin: Origin) -> None:
        self.state = Kept()
        self.camera = origin.camera

    def run(self, value: float) -> Sums:
        self.state = Kept(total=self.state.total + value, seen=self.state.seen + 1)
        return Sums(self.state.total, self.state.seen)

    def next_at(self, now: Moment) -> float | None:
        return None if self.state.seen else 1.0

    def tick(self, now: Moment) -> Sums:
        return Sums(self.state.total, self.state.seen)

    def stop(self, now: Moment) -> Sums | None:
        return None


class RefuseManifest(Manifest):
    kind: Literal["value", "lookup"] = "value"
    level: float | tuple[float, ...] = 0.0


@block("refuse@1", RefuseManifest)
class Refuse:
    """Never starts."""

    def __init__(self, manifest: RefuseManifest) -> None:
        if manifest.kind == "value":
            raise ValueError("this kind of block is refused")
        raise LookupError("there is no such thing")

    def run(self) -> Value:
        return Value(0.0)


class Unsure(FixedDetector):
    """Finds one person, sure of what it was asked for."""

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        return Detections.of([[1, 1, 5, 5]], confidence=[confidence], label=["person"])


class OneModel(FixedHost):
    """A host that knows the model `people`."""

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        if model != "people":
            raise LookupError(f"there is no model '{model}' (there is people)")
        return Unsure(labels=["person"])


CLASSES = (
    *(Constant, Add, AddAll, Odd, Count, GiveRow, Fail, Find, Send, Refuse),
    *(Split, Unfold, Double, Batch, Sum, Holes, Look, Picture, Note, Keep, KeepOtherwise, Site),
)


class Files:
    """Sources that hold some files, and the variables of an environment."""

    def __init__(self, files: Mapping[str, str], variables: Mapping[str, str]) -> None:
        self._files = files
        self._variables = variables

    def secret(self, name: str) -> str:
        return f"the secret of {name}"

    def variable(self, name: str) -> str | None:
        return self._variables.get(name)

    def file(self, name: str, beside: str) -> tuple[str, str]:
        if name not in self._files:
            raise LookupError(f"there is no file '{name}' beside {beside}")
        return dedent(self._files[name]).lstrip("\n"), name


NO_FILES: Mapping[str, str] = MappingProxyType({})


@pytest.fixture(scope="session")
def blocks() -> Mapping[str, BlockType]:
    """The blocks of this file by their type."""
    found: list[BlockType] = [vars(cls)["block_type"] for cls in CLASSES]
    return {made.type: made for made in found}


@pytest.fixture(scope="session")
def plan(blocks: Mapping[str, BlockType]) -> Callable[..., Plan]:
    """Plans an indented text, called w.yaml, among other files and variables."""

    def plan_it(text: str, files: Mapping[str, str] = NO_FILES, **variables: str) -> Plan:
        return load_plan(dedent(text).lstrip("\n"), "w.yaml", blocks, Files(files, variables))

    return plan_it


@pytest.fixture(scope="session")
def refusal(plan: Callable[..., Plan]) -> Callable[..., str]:
    """The whole text with which a workflow is refused."""

    def refuse(text: str, files: Mapping[str, str] = NO_FILES, **variables: str) -> str:
        with pytest.raises(DefinitionError) as caught:
            plan(text, files, **variables)
        return str(caught.value)

    return refuse


@pytest.fixture(scope="session")
def start(plan: Callable[..., Plan]) -> Callable[..., Run]:
    """Plans a text and starts it with inputs, on a host that knows one model."""

    def start_it(text: str, files: Mapping[str, str] = NO_FILES, /, **inputs: Any) -> Run:
        return plan(text, files).start(inputs, OneModel(), ORIGIN)

    return start_it


@pytest.fixture(scope="session")
def steps() -> Callable[[str], str]:
    """A whole workflow around the lines of its steps and what follows them."""
    return lambda lines: f"version: 1\nname: w\nsteps:\n{dedent(lines).strip(chr(10))}\n"
