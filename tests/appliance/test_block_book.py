"""docs/blocks.md: complete, linked within itself, and as the blocks are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import Field

from appliance.block_book import BOOK_FILE, anchor, block_book
from appliance.engine.plan import load_plan
from blocks.block import BlockType, Manifest, block
from blocks.loading import load_blocks

ROOT = Path(__file__).parents[2]
OURS: Mapping[str, BlockType] = {
    type_: found
    for type_, found in load_blocks().items()
    if found.cls.__module__.startswith("blocks.")
}
BOOK = block_book(OURS)


class OddManifest(Manifest):
    """One setting."""

    odd: str = Field(default="a|b", description="Either <this> | *that*, or `<b>`.")


class Nothing(NamedTuple):
    """Nothing at all."""

    nothing: float


@block("odd@1", OddManifest)
class Odd:
    """Odd [words](x)."""

    def __init__(self, manifest: OddManifest) -> None: ...

    def run(self) -> Nothing | None:
        """Do nothing."""


def test_the_book_that_ships_is_that_of_the_blocks() -> None:
    shipped = (ROOT / BOOK_FILE).read_text("utf-8")
    assert shipped == BOOK, (
        f"renew it: make generated, or appliance blocks --markdown > {BOOK_FILE}"
    )


def test_every_block_has_a_chapter_with_all_its_names() -> None:
    chapters = dict(re.findall(r"^### `(\S+)`\n(.*?)(?=^##|\Z)", BOOK, re.M | re.S))
    assert chapters.keys() == {*OURS, "workflow"}
    for type_, found in OURS.items():
        for name in (*found.manifest.model_fields, *found.inputs, *found.outputs):
            assert f"`{name}`" in chapters[type_], (type_, name)


@pytest.mark.parametrize("type_", OURS)
def test_the_example_of_a_block_is_a_whole_workflow_that_has_the_block_in_it(type_: str) -> None:
    chapter = BOOK.partition(f"\n### `{type_}`\n")[2]
    example = re.search(r"^```yaml\n(.*?)^```$", chapter, re.M | re.S)
    assert example
    plan = load_plan(example[1], BOOK_FILE, OURS)
    assert type_ in {step.type for step in plan.definition.steps}


def test_the_contents_lead_to_every_heading() -> None:
    headings = [anchor(text) for text in re.findall(r"^###? (.*)$", BOOK, re.M)]
    assert re.findall(r"\]\(#([^)]+)\)", BOOK) == headings
    assert len(set(headings)) == len(headings)


def test_an_anchor_is_what_a_heading_is_called_in_a_link() -> None:
    assert anchor("`line_count@1`") == "line_count1"
    assert anchor("Workflows as steps") == "workflows-as-steps"


def test_families_come_in_the_order_of_a_workflow() -> None:
    families = re.findall(r"^## (.*)$", BOOK, re.M)
    assert families[:3] == ["Every step", "Models", "Tracking"]
    assert families[-2:] == ["Sinks", "Workflows as steps"]


def test_signs_of_markdown_in_a_text_are_no_markdown() -> None:
    odd = vars(Odd)["block_type"]
    book = block_book({odd.type: odd})
    assert r"| `odd` | Either \<this> \| \*that\*, or `<b>`. | a text; default a\|b |" in book
    assert r"Odd \[words](x)." in book
