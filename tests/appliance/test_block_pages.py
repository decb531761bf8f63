"""What is printed of the blocks there are, and of hand-made ones."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import Field

from appliance.block_pages import WIDTH, block_list, block_page
from appliance.engine.annotations import words
from appliance.engine.errors import InputError
from blocks.block import BlockType, Manifest, Names, block
from blocks.data import Detections, Event, Frame, Image
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
    labels: tuple[str, ...] = Field(default=(), description="Only these.")
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
    heavy: Detections


@block("weigh@1", WeighManifest)
class Weigh:
    """Guesses how heavy things are.

    By their size.

    Raises:
        ValueError: never.
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
        "weigh@1  Guesses how heavy things are.\n"
        "weigh@2  Guesses better.\n"
        "shout@1  Tells an outside system."
    )


def test_a_list_of_nothing_is_empty() -> None:
    assert block_list({}) == ""


def test_a_page_says_all_of_a_block() -> None:
    assert block_page("weigh@1", BLOCKS) == (
        "weigh@1\n"
        "\n"
        "Guesses how heavy things are.\n"
        "\n"
        "By their size.\n"
        "\n"
        "Settings\n"
        "  table    The table. (the name of a table; required)\n"
        "  most_kg  More than this is left out, in kilograms. (a number above 0; default 2.5)\n"
        "  side     Where it stands. (one of left, right; default left)\n"
        "  labels   Only these. (a list, each a text; may be left out)\n"
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
        "  extra_kg    a number (may be left out)\n"
        "\n"
        "Outputs\n"
        "  All in kilograms.\n"
        "  total_kg  a number\n"
        "  heavy     detections\n"
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
    for text in ("$inputs.name", "$steps.step.output", "$frame.camera", "docs/architecture.md"):
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


def test_every_block_has_one_line_that_fits() -> None:
    lines = block_list(THERE_ARE).splitlines()
    assert [line.split()[0] for line in lines] == list(THERE_ARE)
    for line in lines:
        assert len(line) <= WIDTH, line
        assert line.endswith("."), line


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
        assert shown.endswith("required)") == field.is_required()
    for name, parameter in found.inputs.items():
        assert f"\n  {name} " in inputs
        assert words(parameter.annotation) in inputs
    for name, kind in found.outputs.items():
        assert f"\n  {name} " in outputs
        assert words(kind) in outputs
    assert "Raises:" not in page
    assert max(map(len, page.splitlines())) <= WIDTH


def split(page: str) -> list[str]:
    """The head of a page, its settings, its inputs and its outputs."""
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
