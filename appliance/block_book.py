"""The pages of all blocks as one Markdown file, docs/blocks.md."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.block_pages import (
    SELECTORS,
    Page,
    Row,
    every_step,
    family_of,
    page_of,
    workflow_page,
)
from blocks.block import BlockType

BOOK_FILE = "docs/blocks.md"
_ABOUT = (
    "What a step of a workflow may be. This page is made from the blocks themselves, by "
    "`appliance blocks --markdown`; `appliance blocks NAME` shows one of them on the terminal. "
    "[The workflow language](workflow-language.md) says how they are put together."
)
_WORKFLOWS = "Workflows as steps"
# In the order in which they come in most workflows; those of other packages follow.
_FAMILIES = (
    "Models", "Tracking", "Detections", "Zones", "Logic", "Aggregation", "Images", "Measuring",
    "Sinks",
)  # fmt: skip


def block_book(blocks: Mapping[str, BlockType]) -> str:
    """All blocks by families, with contents and an example of each."""
    families: dict[tuple[str, str], list[Page]] = {}
    for block in sorted(blocks.values(), key=_place):
        families.setdefault(family_of(block), []).append(page_of(block))
    families[_WORKFLOWS, ""] = [workflow_page()]
    parts = ["# Blocks", _ABOUT, *_contents(families)]
    parts += ["## Every step", _escaped(SELECTORS), _table("Key", every_step())]
    for (family, about), pages in families.items():
        parts += [f"## {family}", about]
        for page in pages:
            parts += _chapter(page)
    return "\n\n".join(part for part in parts if part) + "\n"


def _place(block: BlockType) -> tuple[int, str, str, int]:
    family, _ = family_of(block)
    known = _FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES)
    return known, family, block.name, block.version


def anchor(heading: str) -> str:
    """What a link to a heading is called: as GitHub does it."""
    kept = (c for c in heading.lower() if c.isalnum() or c in " -_")
    return "".join(kept).replace(" ", "-")


def _contents(families: Mapping[tuple[str, str], Sequence[Page]]) -> Iterator[str]:
    lines = ["- [Every step](#every-step)"]
    for (family, _), pages in families.items():
        lines.append(f"- [{family}](#{anchor(family)})")
        for page in pages:
            lines.append(f"  - [`{page.type}`](#{anchor(page.type)}) {_line(page.summary)}")
    yield "\n".join(lines)


def _chapter(page: Page) -> Iterator[str]:
    yield f"### `{page.type}`"
    yield _escaped(page.about)
    yield "\n".join(f"- {_line(habit)}" for habit in page.habits)
    yield from ("**Settings**", _table("Setting", page.settings)) if page.settings else ()
    yield from _ports("Inputs", page.takes, page.inputs)
    yield from _ports("Outputs", page.gives, page.outputs)
    if page.example:
        yield f"**Example**\n\n```yaml\n{page.example}```"


def _ports(head: str, about: str, rows: Iterable[Row]) -> Iterator[str]:
    lines = [f"- `{row.name}`: {_line(row.facts)}" for row in rows]
    if about or lines:
        yield f"**{head}**. {_line(about)}"
        yield "\n".join(lines)


def _table(head: str, rows: Iterable[Row]) -> str:
    lines = [f"| {head} | | |", "|---|---|---|"]
    lines += [f"| `{row.name}` | {_cell(row.about)} | {_cell(row.facts)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """A text of a docstring: its code is Markdown's own, but a tag or a star is neither."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        for sign in ("<", "*", "["):
            parts[i] = parts[i].replace(sign, f"\\{sign}")
    return "`".join(parts)
