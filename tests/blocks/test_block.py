from typing import Any, NamedTuple

import pytest
from pydantic import Field, ValidationError

from blocks.block import Host, Manifest, Origin, ShapeManifest, Template, block
from blocks.data import Detections, Event, Frame, Image
from blocks.geometry import Line, Polygon


class Settings(Manifest):
    bar: float = Field(default=0.5, description="A bar.")


class Answer(NamedTuple):
    number: int
    detections: Detections


class Complete:
    def __init__(self, manifest: Settings, host: Host, origin: Origin) -> None: ...

    def run(self, frame: Frame, detections: Detections, extra: int = 3) -> Answer:
        return Answer(extra, detections)


def described(cls: type[Any], type_: str = "a_block@2", manifest: type[Manifest] = Settings) -> Any:
    return vars(block(type_, manifest)(cls))["block_type"]


def test_every_name_is_read_from_where_it_is_written() -> None:
    found = described(Complete)
    assert (found.name, found.version, found.type) == ("a_block", 2, "a_block@2")
    assert (found.manifest, found.cls) == (Settings, Complete)
    assert [(p.name, p.annotation, p.required, p.default) for p in found.inputs.values()] == [
        ("detections", Detections, True, None),
        ("extra", int, False, 3),
    ]
    assert found.arguments == ("frame", "detections", "extra")
    assert found.outputs == {"number": int, "detections": Detections}
    assert found.constructor == {"host": Host, "origin": Origin}
    assert not found.emits


def test_a_block_that_returns_an_event_emits() -> None:
    class Sink:
        def __init__(self, manifest: Settings) -> None: ...

        def run(self, image: Image) -> Event:
            return Event("c", "t", "s", 0.0, {})

    found = described(Sink)
    assert found.emits
    assert found.outputs == {}
    assert found.arguments == ("image",)


def test_a_block_may_have_nothing_to_say() -> None:
    class Sometimes:
        def __init__(self, manifest: Settings) -> None: ...

        def run(self, image: Image) -> Answer | None:
            raise NotImplementedError

    class SometimesSends:
        def __init__(self, manifest: Settings) -> None: ...

        def run(self, image: Image) -> Event | None:
            raise NotImplementedError

    assert described(Sometimes).outputs == {"number": int, "detections": Detections}
    assert described(SometimesSends).emits


class NoRun:
    def __init__(self, manifest: Settings) -> None: ...


class Untyped:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, image) -> Answer:  # type: ignore[no-untyped-def]  # the fault is tested
        raise NotImplementedError


class Anything:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, **inputs: int) -> Answer:
        raise NotImplementedError


class Clash:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, bar: float) -> Answer:
        raise NotImplementedError


class ReturnsNumber:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, image: Image) -> int:
        raise NotImplementedError


class ReturnsTuple:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, image: Image) -> tuple[int, int]:
        raise NotImplementedError


class ReturnsUnsaid:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, image: Image):  # type: ignore[no-untyped-def]  # the fault is tested
        raise NotImplementedError


class WantsMore:
    def __init__(self, manifest: Settings, path: str) -> None: ...

    def run(self, image: Image) -> Answer:
        raise NotImplementedError


class NoConstructor:
    def run(self, image: Image) -> Answer:
        raise NotImplementedError


class ByKeyword:
    def __init__(self, manifest: Manifest) -> None: ...

    def run(self, *, image: Image) -> Answer:
        raise NotImplementedError


class NoManifest:
    def __init__(self) -> None: ...

    def run(self, image: Image) -> Answer:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("cls", "what"),
    [
        (NoRun, "NoRun: a block has a method run"),
        (Untyped, "Untyped.run: the parameter image has no type"),
        (Anything, r"Anything.run: \*inputs names no input"),
        (ByKeyword, "ByKeyword.run: image may not be keyword-only"),
        (Clash, "Clash: bar is both a setting and an input"),
        (ReturnsNumber, "ReturnsNumber.run: returns a NamedTuple of outputs, or an Event"),
        (ReturnsTuple, "ReturnsTuple.run: returns a NamedTuple of outputs, or an Event"),
        (ReturnsUnsaid, "ReturnsUnsaid.run: returns a NamedTuple of outputs, or an Event"),
        (WantsMore, "WantsMore.__init__: path is neither a Host nor an Origin"),
        (NoConstructor, "NoConstructor.__init__: its first parameter is the manifest"),
        (NoManifest, "NoManifest.__init__: its first parameter is the manifest"),
    ],
)
def test_a_class_that_is_no_block_is_refused(cls: type[Any], what: str) -> None:
    with pytest.raises(TypeError, match=what):
        described(cls)


@pytest.mark.parametrize("type_", ["plain", "Upper@1", "a@0", "a@1.2", "@1", "a-b@1", "a@1 "])
def test_a_type_that_is_not_name_and_version_is_refused(type_: str) -> None:
    with pytest.raises(TypeError, match="Complete: a block's type is name@version, not "):
        described(Complete, type_)


def test_a_key_the_manifest_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"baar\n +Extra inputs are not permitted"):
        Settings.model_validate({"baar": 1})


def test_a_manifest_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().bar = 0.7


class Shapes(ShapeManifest):
    line: Line | None = Field(default=None, description="A line.")
    zones: tuple[Polygon, ...] = Field(default=(), description="Zones.")
    lines: tuple[Line, ...] = Field(default=(), description="Lines.")


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
BIG_SQUARE = [[0, 0], [90, 0], [90, 90], [0, 90]]


@pytest.mark.parametrize(
    "shape",
    [
        {"line": [[0, 0], [90, 0]]},
        {"lines": [[[0, 0], [1, 1]], [[0, 0], [90, 0]]]},
        {"zones": [SQUARE, BIG_SQUARE]},
    ],
)
def test_a_point_outside_the_frame_is_refused_unless_it_is_in_pixels(shape: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"the point \[90, 0\] is outside 0..1 of the frame"):
        Shapes.model_validate(shape)
    assert Shapes.model_validate({**shape, "units": "pixels"}).units == "pixels"


def test_points_inside_the_frame_are_taken() -> None:
    shapes = Shapes.model_validate({"line": [[0, 1], [1, 0.5]], "zones": [SQUARE]})
    assert shapes.line == ((0.0, 1.0), (1.0, 0.5))
    assert shapes.lines == ()


ORIGIN = Origin(workflow="gate-count", pipeline="gates", camera="north", step="crossed")


def test_the_places_of_a_text_are_filled() -> None:
    text = ORIGIN.fill("{camera}/{pipeline}/{workflow}/{step}/{label} {{x}}", label="person")
    assert text == "north/gates/gate-count/crossed/person {x}"


@pytest.mark.parametrize("text", ["{kamera}", "{}", "a { b", "a } b", "{camera"])
def test_a_text_with_an_unknown_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a place in a text; there are \{camera\}, "):
        ORIGIN.fill(text)


def test_a_template_is_checked_with_its_manifest() -> None:
    class Topic(Manifest):
        topic: Template = Field(description="A topic.")

    assert Topic(topic="site/{camera}").topic == "site/{camera}"
    with pytest.raises(ValidationError, match=r"\{kamera\} is not a place in a text"):
        Topic(topic="site/{kamera}")
