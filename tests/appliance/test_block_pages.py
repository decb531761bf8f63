"""What is printed of the blocks there are, and of hand-made ones."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from appliance.block_pages import WIDTH, block_list, block_page, page_of
from appliance.engine.annotations import words
from appliance.engine.errors import InputError
from blocks.block import RESETS, BlockType, Manifest, Names, State, block
from blocks.data import Columns, Detections, Event, Frame, Image, Moment
from blocks.geometry import Point
from blocks.loading import load_blocks

THERE_ARE = load_blocks()


class Side(Enum):
    """A side."""

    LEFT = "left"
    RIGHT = "right"


class WeighManifest(Manifest):
    """Settings of every kind."""

    table: Annotated[str, Names("table")] = Field(description="The table.")
    most_kg: float = Field(
        default=2.5, gt=0, description="More than this is left out, in kilograms."
    )
    side: Side = Field(default=Side.LEFT, description="Where it stands.")
    labels: Annotated[tuple[str, ...], RESETS] = Field(default=(), description="Only these.")
    corner: Point = Field(default=(0.0, 0.5), description="A point.")
    bar: float | None = Field(default=None, ge=0, le=1, description="A bar.")
    loud: bool = Field(default=False, description="Says everything.")
    tries: int = Field(
        default=0,
        ge=0,
        lt=9,
        description="How often it is tried again: a long text, which does not fit on one line of a "
        "terminal and goes on below.",
    )


class Weights(NamedTuple):
    """All in kilograms."""

    total_kg: float
    heavy: Annotated[Detections, Columns(kg=float, side=str)]


@block("weigh@1", WeighManifest)
class Weigh:
    """Guesses how heavy things are.

    By their size.

    Raises:
        ValueError: never.
    """

    example = """
        - name: scales
          type: weigh@1
    """

    def __init__(self, manifest: WeighManifest) -> None: ...

    def run(self, frame: Frame, detections: Detections, extra_kg: float = 0.0) -> Weights | None:
        """`extra_kg` is added to each."""


class BareManifest(Manifest):
    """Nothing."""


class Blank(NamedTuple):
    """What it gives."""

    image: Image


@block("weigh@2", BareManifest)
class Weigh2:
    """Guesses better."""

    def __init__(self, manifest: BareManifest) -> None: ...

    def run(self, image: Image) -> Blank:
        """Look."""
        return Blank(image)


@block("shout@1", BareManifest)
class Shout:
    """Tells an outside system."""

    def __init__(self, manifest: BareManifest) -> None: ...

    def run(self) -> Event | None:
        """Tell."""


def described(*classes: type[Any]) -> dict[str, BlockType]:
    return {found.type: found for found in (vars(cls)["block_type"] for cls in classes)}


BLOCKS: Mapping[str, BlockType] = described(Weigh, Weigh2, Shout)


def test_the_list_has_one_line_for_each() -> None:
    assert block_list(BLOCKS) == (
        "weigh@1   Guesses how heavy things are.\n"
        "weigh@2   Guesses better.\n"
        "shout@1   Tells an outside system.\n"
        "workflow  Runs another workflow file as this step."
    )


def test_a_workflow_has_a_page_like_a_block() -> None:
    page = block_page("workflow", {})
    assert page.startswith("workflow\n\nRuns another workflow file as this step.\n\n")
    assert "\n  workflow  The file, as seen from the one it stands in. (a text; required)" in page
    assert "\n  - name: faces\n    type: workflow\n" in page
    assert max(map(len, page.splitlines())) <= WIDTH


def test_a_page_says_all_of_a_block() -> None:
    assert block_page("weigh@1", BLOCKS) == (
        "weigh@1\n"
        "\n"
        "Guesses how heavy things are.\n"
        "\n"
        "By their size.\n"
        "\n"
        "- It runs once for each where it is given many.\n"
        "\n"
        "Settings\n"
        "  table    The table. (the name of a table; required)\n"
        "  most_kg  More than this is left out, in kilograms. (a number above 0; default 2.5)\n"
        "  side     Where it stands. (one of left, right; default left)\n"
        "  labels   Only these. (a list, each a text; may be left out; a change makes it "
        "begin anew)\n"
        "  corner   A point. (a point [x, y]; default [0.0, 0.5])\n"
        "  bar      A bar. (a number 0..1; may be left out)\n"
        "  loud     Says everything. (true or false; default false)\n"
        "  tries    How often it is tried again: a long text, which does not fit on one line of a "
        "terminal\n"
        "           and goes on below. (a whole number from 0 on, below 9; default 0)\n"
        "\n"
        "Inputs\n"
        "  `extra_kg` is added to each.\n"
        "  detections  detections\n"
        "  extra_kg    a number; may be left out\n"
        "\n"
        "Outputs\n"
        "  All in kilograms.\n"
        "  total_kg  a number\n"
        "  heavy     detections; with the columns kg (a number), side (a text)\n"
        "\n"
        "Example\n"
        "  version: 1\n"
        "  name: weigh\n"
        "  inputs:\n"
        "    image: {type: image}\n"
        "  steps:\n"
        "    - name: scales\n"
        "      type: weigh@1\n"
        "\n"
        f"{every_step()}"
    )


def test_a_block_without_settings_and_inputs_has_none() -> None:
    assert block_page("shout", BLOCKS) == (
        "shout@1\n"
        "\n"
        "Tells an outside system.\n"
        "\n"
        "Settings\n"
        "  none\n"
        "\n"
        "Inputs\n"
        "  Tell.\n"
        "\n"
        "Outputs\n"
        "  An event, which goes to its connection.\n"
        "\n"
        f"{every_step()}"
    )


class Kept(State):
    """How often."""

    times: int = 0


@block("bell@1", BareManifest, scope="pipeline")
class Bell:
    """Rings."""

    state: Kept

    def __init__(self, manifest: BareManifest) -> None:
        self.state = Kept()

    @property
    def awake_until(self) -> float | None:
        return None

    def run(self, image: Image | None = None) -> Blank | None:
        """Look."""

    def next_at(self, now: Moment) -> float | None:
        return None

    def tick(self, now: Moment) -> Blank | None:
        return None

    def command(self, now: Moment, name: Literal["arm", "reset"], value: Any) -> Blank | None:
        return None


@block("batch@1", BareManifest)
class Batch:
    """Takes many at once."""

    def __init__(self, manifest: BareManifest) -> None: ...

    def run(self, image: Image, level: float) -> Blank:
        """Look."""
        return Blank(image)

    def run_many(self, image: Sequence[Image], level: float) -> list[Blank]:
        return [Blank(one) for one in image]


@block("gather@1", BareManifest, remembers=True)
class Gather:
    """Puts many into one."""

    def __init__(self, manifest: BareManifest) -> None: ...

    def run(self, images: tuple[Image, ...]) -> Blank | None:
        """Take all."""


def test_a_page_tells_how_a_block_behaves_from_frame_to_frame() -> None:
    assert page_of(vars(Bell)["block_type"]).habits == (
        "One instance stands for all cameras of a pipeline; no model may come after it.",
        "What it knows survives a restart.",
        "It cannot run once for each of many: collect them first.",
        "It may have something to say while no frame comes.",
        "It may ask for every frame for some time, where others would be skipped.",
        "It takes the commands arm, reset.",
    )
    assert page_of(vars(Batch)["block_type"]).habits == (
        "It runs once for each of many, in one call for all `image`.",
    )
    assert page_of(vars(Gather)["block_type"]).habits == (
        "It remembers from frame to frame, and begins anew with a restart.",
        "It cannot run once for each of many: collect them first.",
    )


def test_an_input_that_may_be_absent_says_so_once_and_one_that_takes_many_says_so() -> None:
    (image,) = page_of(vars(Bell)["block_type"]).inputs
    (images,) = page_of(vars(Gather)["block_type"]).inputs
    assert image.facts == "an image; may be left out"
    assert images.facts == "many images"


def every_step() -> str:
    """The end of each page."""
    page = block_page("shout@1", BLOCKS)
    return page[page.index("Every step\n") :]


def test_a_page_ends_with_what_every_step_has_and_what_a_selector_is() -> None:
    keys, selectors = every_step().split("\n\n")
    assert [line.split()[0] for line in keys.splitlines() if re.match(r"  \w", line)] == [
        "name", "type", "when", "on_error",
    ]  # fmt: skip
    assert (
        "hangs on the step, or the whole\n            pipeline. ('skip' or 'stop'; default" in keys
    )
    for text in ("$inputs.name", "$steps.step.output", "$frame.camera", "workflow-language.md"):
        assert text in selectors


def test_without_a_version_the_newest_is_shown() -> None:
    assert block_page("weigh", BLOCKS).startswith("weigh@2\n")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wegh", "unknown block 'wegh' (did you mean 'weigh@2'?)"),
        ("weigh@7", "block 'weigh' has no version '7' (there is weigh@1 and weigh@2)"),
        ("xyz", "unknown block 'xyz' (`appliance blocks` lists what there is)"),
    ],
)
def test_an_unknown_block_is_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        block_page(name, BLOCKS)
    assert str(caught.value) == sentence


# The blocks that come with the program.


def test_every_block_has_one_sentence_that_fits() -> None:
    lines = block_list(THERE_ARE).splitlines()
    begun = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in begun] == [*THERE_ARE, "workflow"]
    assert max(map(len, lines)) <= WIDTH
    sentences = re.sub(r"\n +", " ", "\n".join(lines)).splitlines()
    assert [sentence for sentence in sentences if not sentence.endswith(".")] == []


@pytest.mark.parametrize("type_", THERE_ARE)
def test_the_page_of_a_block_has_all_its_names_and_fits(type_: str) -> None:
    found = THERE_ARE[type_]
    page = block_page(type_, THERE_ARE)
    _, settings, inputs, outputs = split(page)
    for name, field in found.manifest.model_fields.items():
        assert field.description, f"nothing is said of {name}"
        row = re.search(rf"^  {name} (.*?)(?=^  \S|\Z)", settings, re.MULTILINE | re.DOTALL)
        assert row
        shown = " ".join(row[1].split())
        assert field.description in shown
        assert bool(re.search(r"; required(; a change [^;]*)?\)$", shown)) == field.is_required()
    for name, parameter in found.inputs.items():
        assert f"\n  {name} " in inputs
        assert words(parameter.annotation).removesuffix(" or nothing") in inputs
    for name, kind in found.outputs.items():
        assert f"\n  {name} " in outputs
        assert words(kind) in outputs
    assert "Raises:" not in page
    assert max(map(len, page.splitlines())) <= WIDTH


def split(page: str) -> list[str]:
    """The head of a page, its settings, its inputs and its outputs."""
    page, found, _ = page.partition("\nExample\n")
    assert found
    parts = []
    for title in ("\nOutputs\n", "\nInputs\n", "\nSettings\n"):
        page, found, rest = page.rpartition(title)
        assert found
        parts.append(f"\n{rest}")
    return [page, *reversed(parts)]


@pytest.mark.parametrize("type_", THERE_ARE)
def test_a_setting_says_of_which_type_it_is(type_: str) -> None:
    for name, field in THERE_ARE[type_].manifest.model_fields.items():
        shown = " ".join(block_page(type_, THERE_ARE).split())
        kind = shown.partition(field.description or "?")[2].partition(";")[0]
        words = "a |any value|one of |two points |points |true or false|the name of "
        assert re.match(rf" \(({words})", kind), name


@pytest.mark.parametrize("type_", THERE_ARE)
def test_a_setting_in_seconds_says_so(type_: str) -> None:
    for name, field in THERE_ARE[type_].manifest.model_fields.items():
        if name.endswith("_s"):
            assert "second" in (field.description or "").lower(), f"{name} names no unit"
