from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field, ValidationError

from blocks.block import (
    RESETS,
    Manifest,
    Origin,
    Scope,
    ShapeManifest,
    State,
    Template,
    block,
)
from blocks.data import Columns, Detections, Event, Frame, Image, Moment
from blocks.geometry import Line, Polygon
from blocks.host import Host


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


class Whole:
    """A block with nothing but `run`; the classes below add what they are about."""

    def __init__(self, manifest: Settings) -> None: ...

    def run(self, image: Image, extra: int = 3) -> Answer:
        raise NotImplementedError


class Counts(State):
    total: int = 0


class WithState(Whole):
    state: Counts

    def __init__(self, manifest: Settings) -> None:
        self.state = Counts()


class Ticks(Whole):
    def next_at(self, now: Moment) -> float | None:
        return now.at_s + 1

    def tick(self, now: Moment) -> Answer | None:
        raise NotImplementedError


class Stops(Whole):
    def stop(self, now: Moment) -> Answer | None:
        raise NotImplementedError


class Commanded(Whole):
    def command(self, now: Moment, name: Literal["reset", "arm"], value: Any) -> None:
        raise NotImplementedError


class Batched(Whole):
    def run_many(self, image: Sequence[Image], extra: int = 3) -> Sequence[Answer]:
        raise NotImplementedError


def test_a_moment_and_a_frame_are_given_by_the_engine() -> None:
    class Given:
        def __init__(self, manifest: Settings) -> None: ...

        def run(self, moment: Moment, image: Image, frame: Frame) -> Answer:
            raise NotImplementedError

    found = described(Given)
    assert found.given == {"moment": Moment, "frame": Frame}
    assert found.arguments == ("moment", "image", "frame")
    assert list(found.inputs) == ["image"]


def test_columns_are_part_of_an_output() -> None:
    class Marked(NamedTuple):
        detections: Annotated[Detections, Columns(direction=str)]

    class Marks:
        def __init__(self, manifest: Settings) -> None: ...

        def run(self, image: Image) -> Marked:
            raise NotImplementedError

    (kind,) = described(Marks).outputs.values()
    assert kind.__metadata__ == (Columns(direction=str),)


def test_a_plain_block_has_nothing_more() -> None:
    found = described(Whole)
    assert (found.batched, found.state, found.commands, found.example) == (None, None, (), "")
    assert (found.remembers, found.scope, found.ticks) == (False, "lane", False)


def test_a_state_is_found_by_its_type() -> None:
    assert described(WithState).state is Counts


@pytest.mark.parametrize("cls", [WithState, Ticks, Stops, Commanded])
def test_what_has_a_state_or_turns_without_a_frame_remembers(cls: type[Any]) -> None:
    assert described(cls).remembers


@pytest.mark.parametrize(("remembers", "scope"), [(True, "lane"), (False, "pipeline")])
def test_what_says_so_or_stands_for_all_cameras_remembers(remembers: bool, scope: Scope) -> None:
    class Says(Whole): ...

    found = vars(block("says@1", Settings, remembers=remembers, scope=scope)(Says))["block_type"]
    assert (found.remembers, found.scope) == (True, scope)


def test_a_block_that_ticks_is_known_by_it() -> None:
    assert described(Ticks).ticks
    assert not described(Stops).ticks


def test_the_commands_are_those_of_the_literal() -> None:
    assert described(Commanded).commands == ("reset", "arm")


def test_what_run_many_takes_as_a_sequence_is_batched() -> None:
    assert described(Batched).batched == {"image"}


def test_the_example_is_written_once_beside_the_block() -> None:
    class Shown(Whole):
        example = """
            - name: a
              type: a_block@2
        """

    assert described(Shown).example == "- name: a\n  type: a_block@2"


class OtherNames(Whole):
    def run_many(self, images: Sequence[Image], extra: int = 3) -> Sequence[Answer]:
        raise NotImplementedError


class NothingMany(Whole):
    def run_many(self, image: Image, extra: int = 3) -> Sequence[Answer]:
        raise NotImplementedError


class AlreadyMany:
    def __init__(self, manifest: Settings) -> None: ...

    def run(self, values: Sequence[int]) -> Answer:
        raise NotImplementedError

    def run_many(self, values: Sequence[int]) -> Sequence[Answer]:
        raise NotImplementedError


class PlainState(Whole):
    state: int


class TickOnly(Whole):
    def tick(self, now: Moment) -> Answer:
        raise NotImplementedError


class NextOnly(Whole):
    def next_at(self, now: Moment) -> float | None:
        raise NotImplementedError


class TicksBlindly(Whole):
    def next_at(self, now: Moment) -> float | None:
        raise NotImplementedError

    def tick(self) -> Answer:
        raise NotImplementedError


class AsksBlindly(Whole):
    def next_at(self) -> float | None:
        raise NotImplementedError

    def tick(self, now: Moment) -> Answer:
        raise NotImplementedError


class StopsBlindly(Whole):
    def stop(self) -> Answer:
        raise NotImplementedError


class CommandedBlindly(Whole):
    def command(self, now: Moment, name: Literal["reset"]) -> None:
        raise NotImplementedError


class CommandedAnyhow(Whole):
    def command(self, now: Moment, name: str, value: Any) -> None:
        raise NotImplementedError


class NoText(Whole):
    example = ("- name: a",)


@pytest.mark.parametrize(
    ("cls", "what"),
    [
        (OtherNames, "OtherNames.run_many: its parameters are called as those of run"),
        (NothingMany, r"NothingMany.run_many: at least one parameter is a Sequence\[…\]"),
        (AlreadyMany, r"AlreadyMany.run_many: at least one parameter is a Sequence\[…\]"),
        (PlainState, "PlainState.state: its type is a State"),
        (TickOnly, "TickOnly: tick and next_at go together"),
        (NextOnly, "NextOnly: tick and next_at go together"),
        (TicksBlindly, r"TicksBlindly.tick: takes \(now\)"),
        (AsksBlindly, r"AsksBlindly.next_at: takes \(now\)"),
        (StopsBlindly, r"StopsBlindly.stop: takes \(now\)"),
        (CommandedBlindly, r"CommandedBlindly.command: takes \(now, name, value\)"),
        (CommandedAnyhow, "CommandedAnyhow.command: `name` is a Literal of the commands"),
        (NoText, "NoText.example: is a text, the steps of a workflow file"),
    ],
)
def test_what_a_block_has_beside_run_keeps_to_its_form(cls: type[Any], what: str) -> None:
    with pytest.raises(TypeError, match=what):
        described(cls)


def test_a_state_is_replaced_and_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Counts().total = 1


def test_a_state_of_another_version_does_not_validate() -> None:
    with pytest.raises(ValidationError, match=r"sum\n +Extra inputs are not permitted"):
        Counts.model_validate_json('{"sum": 3}')


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


class MarkedShapes(ShapeManifest):
    line: Annotated[Line, RESETS] = Field(default=((0.0, 0.0), (1.0, 1.0)), description="A line.")
    zone: Annotated[Polygon | None, RESETS] = Field(default=None, description="A zone.")


def test_a_setting_that_resets_the_state_says_so() -> None:
    marked = {name for name, f in MarkedShapes.model_fields.items() if RESETS in f.metadata}
    assert marked == {"units", "line", "zone"}
    assert repr(RESETS) == "RESETS"


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ({"zone": [[0, 0], [1, 1]]}, "a zone takes at least three corners [x, y]; this has 2"),
        (
            {"zone": [[0, 0], [1, 1], [1, 0], [0, 1]]},
            "the zone crosses itself: the edge from corner 1 meets the edge from corner 3; give "
            "the corners in the order in which you walk round it",
        ),
        ({"line": [[0, 0]]}, "a line is its two ends: [[x, y], [x, y]]; this has 1"),
        ({"line": [[0, 0], [0, 0]]}, "the two ends of the line are the same point"),
        (
            {"line": [[0, 0], [90, 0]]},
            "the point [90, 0] is outside 0..1 of the frame (for pixels, set `units: pixels`)",
        ),
    ],
)
def test_a_shape_that_resets_is_checked_like_any(shape: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MarkedShapes.model_validate(shape)
    assert [str(e["ctx"]["error"]) for e in caught.value.errors()] == [sentence]


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
