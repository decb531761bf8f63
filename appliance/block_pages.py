"""What is told of blocks, read from the blocks themselves: what `appliance blocks` prints.

`block_book` makes pages of the same rows.
"""

import inspect
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from appliance.engine.annotations import (
    columns_of,
    element,
    members,
    optional,
    shape_words,
    words,
)
from appliance.engine.definition import STEP_KEYS, StepSpec
from appliance.engine.errors import InputError
from appliance.engine.names import unknown_block
from appliance.engine.scopes import WORKFLOW, WorkflowManifest
from appliance.engine.selectors import FRAME_FIELDS
from appliance.schema import SUB_WORKFLOW
from blocks.block import BlockType, Names, Parameter, Resets

WIDTH = 100
SELECTORS = (
    "What is set or wired is a value, or a selector that stands for one: $inputs.name, an input of "
    "the workflow; $steps.step.output, what another step gives; and of the frame "
    f"{', '.join(f'$frame.{name}' for name in FRAME_FIELDS)}; or an expression, a text that begins "
    "with =. A setting takes values, $inputs.name and expressions of inputs only. "
    "docs/workflow-language.md has the whole language."
)
_HEAD = "version: 1\nname: {}\ninputs:\n  image: {{type: image}}\nsteps:\n"
_AS_A_STEP = """\
- name: faces
  type: workflow
  workflow: faces.yaml
  picture: $steps.crops.images
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, input or output: its name, what is said of it, its type and more in words."""

    name: str
    about: str
    kind: str
    more: tuple[str, ...] = ()

    @property
    def facts(self) -> str:
        """The type and all else that is known, apart from what is said of it."""
        return "; ".join(part for part in (self.kind, *self.more) if part)


@dataclass(frozen=True, slots=True)
class Page:
    """All there is to know of one block. `example` is a whole workflow (of a workflow, a step)."""

    type: str
    about: str
    habits: tuple[str, ...]
    settings: tuple[Row, ...]
    takes: str
    inputs: tuple[Row, ...]
    gives: str
    outputs: tuple[Row, ...]
    example: str

    @property
    def summary(self) -> str:
        """Its first line."""
        return self.about.partition("\n")[0]


def block_list(blocks: Mapping[str, BlockType]) -> str:
    """A sentence for each block."""
    lines = {type_: _described(block.cls).partition("\n")[0] for type_, block in blocks.items()}
    lines[WORKFLOW] = SUB_WORKFLOW.partition(". ")[0] + "."
    width = max(map(len, lines))
    return "\n".join(_wrapped(f"{type_:{width}}  ", line) for type_, line in lines.items())


def block_page(name: str, blocks: Mapping[str, BlockType]) -> str:
    """All there is to know of one block; without a version, of its newest.

    Raises:
        InputError: there is no such block.
    """
    page = workflow_page() if name == WORKFLOW else page_of(_block(name, blocks))
    parts = [
        page.type,
        page.about,
        "\n".join(_wrapped("- ", habit) for habit in page.habits),
        _section("Settings", page.settings),
        _section("Inputs", page.inputs, page.takes),
        _section("Outputs", page.outputs, page.gives),
        f"Example\n{textwrap.indent(page.example.rstrip(), '  ')}" if page.example else "",
        _section("Every step", every_step()),
        _wrapped("", SELECTORS),
    ]
    return "\n\n".join(part for part in parts if part)


def _block(name: str, blocks: Mapping[str, BlockType]) -> BlockType:
    newest = {block.name: block for block in sorted(blocks.values(), key=lambda b: b.version)}
    block = blocks.get(name) or newest.get(name)
    if block is None:
        raise InputError(unknown_block(name, blocks))
    return block


def page_of(block: BlockType) -> Page:
    """The page of a block."""
    return Page(
        type=block.type,
        about=_described(block.cls),
        habits=tuple(_habits(block)),
        settings=tuple(_setting(n, f) for n, f in block.manifest.model_fields.items()),
        takes=_described(block.cls.run),
        inputs=tuple(map(_input, block.inputs.values())),
        gives=_result(block),
        outputs=tuple(
            Row(name, "", words(kind), tuple(_columns(kind)))
            for name, kind in block.outputs.items()
        ),
        example=example_of(block),
    )


def workflow_page() -> Page:
    """The page of `type: workflow`."""
    (field,) = WorkflowManifest.model_fields.items()
    return Page(
        type=WORKFLOW,
        about=SUB_WORKFLOW.replace(". ", ".\n\n", 1),
        habits=(
            "Its steps stand in the plan like those of the file itself, called STEP/INNER; where "
            "this step does not run, by its own when, none of them does.",
            "It runs once for each of many where a value that is many is given to an input that is "
            "one, unless a block in it remembers from frame to frame.",
        ),
        settings=(_setting(*field),),
        takes="The inputs of the other file, by their names; those with a default may be left out.",
        inputs=(),
        gives="The outputs of the other file, by their names.",
        outputs=(),
        example=_AS_A_STEP,
    )


def every_step() -> tuple[Row, ...]:
    """The keys that every step has."""
    return tuple(_setting(key, StepSpec.model_fields[key]) for key in STEP_KEYS)


def example_of(block: BlockType) -> str:
    """A whole workflow with the steps of a block's example; empty if it has none."""
    if not block.example:
        return ""
    name = block.name.replace("_", "-")
    return f"{_HEAD.format(name)}{textwrap.indent(block.example, '  ')}\n"


def family_of(block: BlockType) -> tuple[str, str]:
    """The package a block stands in: its name in words, and what it says of itself."""
    package = block.cls.__module__.rpartition(".")[0] or block.cls.__module__
    name = package.rpartition(".")[2].replace("_", " ")
    return f"{name[:1].upper()}{name[1:]}", _described(sys.modules[package])


def _habits(block: BlockType) -> Iterator[str]:
    """How it behaves from frame to frame, in sentences."""
    if block.scope == "pipeline":
        yield "One instance stands for all cameras of a pipeline; no model may come after it."
    if block.state is not None:
        yield "What it knows survives a restart."
    elif block.remembers:
        yield "It remembers from frame to frame, and begins anew with a restart."
    if block.remembers:
        yield "It cannot run once for each of many: collect them first."
    elif block.batched:
        given = " and ".join(f"`{name}`" for name in block.inputs if name in block.batched)
        yield f"It runs once for each of many, in one call for all {given}."
    elif any(element(p.annotation) is None for p in block.inputs.values()):
        yield "It runs once for each where it is given many."
    if block.ticks:
        yield "It may have something to say while no frame comes."
    if hasattr(block.cls, "awake_until"):
        yield "It may ask for every frame for some time, where others would be skipped."
    if block.commands:
        yield f"It takes the command{'s'[: len(block.commands) > 1]} {', '.join(block.commands)}."


def _columns(kind: Any) -> Iterator[str]:
    """The further columns of detections."""
    found = [f"{name} ({words(of)})" for name, of in columns_of(kind).items()]
    if found:
        yield f"with the column{'s'[: len(found) > 1]} {', '.join(found)}"


def _result(block: BlockType) -> str:
    """What is said of that which `run` returns."""
    if block.emits:
        return "An event, which goes to its connection."
    returned = members(get_type_hints(block.cls.run)["return"])
    return _described(next(part for part in returned if part is not type(None)))


def _described(thing: object) -> str:
    """The docstring, without the errors it names for those who call it from Python."""
    return inspect.cleandoc(thing.__doc__ or "").partition("\nRaises:")[0].strip()


def _section(head: str, rows: Iterable[Row], text: str = "") -> str:
    rows = list(rows)
    width = max((len(row.name) for row in rows), default=0)
    lines = [_wrapped("  ", text)] if text else []
    for row in rows:
        told = f"{row.about} ({row.facts})" if row.about else row.facts
        lines.append(_wrapped(f"  {row.name:{width}}  ", told))
    return "\n".join([head, *(lines or ["  none"])])


def _wrapped(head: str, text: str) -> str:
    text = " ".join(text.split())
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _setting(name: str, field: FieldInfo) -> Row:
    kind = _named(field.metadata) or _kind(field.annotation) + _limits(field.metadata)
    more = [_default(field)]
    if any(isinstance(mark, Resets) for mark in field.metadata):
        more.append("a change makes it begin anew")
    return Row(name, field.description or "", kind, tuple(more))


def _input(parameter: Parameter) -> Row:
    return Row(
        parameter.name,
        "",
        words(_there(parameter.annotation)),
        (*_columns(parameter.annotation), *(() if parameter.required else ("may be left out",))),
    )


def _there(annotation: Any) -> Any:
    """The type of a value that is there: that it may be absent is said in other words."""
    parts = [part for part in members(annotation) if part is not type(None)]
    return parts[0] if optional(annotation) and len(parts) == 1 else annotation


def _kind(annotation: Any) -> str:
    """The type of a setting in words; that it may be nothing, its default says."""
    kinds = []
    for part in members(annotation):
        if isinstance(part, type) and issubclass(part, Enum):
            kinds.append(f"one of {', '.join(str(choice.value) for choice in part)}")
        elif _is_list(part):
            kinds.append(f"a list, each {_kind(get_args(part)[0])}")
        elif part is not type(None):
            kinds.append(words(part))
    return " or ".join(kinds)


def _is_list(part: Any) -> bool:
    """Whether it is a list of any length, but for points, which have their own words."""
    inner = get_args(part)[1:]
    return get_origin(part) is tuple and inner == (Ellipsis,) and not shape_words(part)


def _named(metadata: Iterable[Any]) -> str:
    """`the name of a model`, for a setting that names something outside."""
    return next((f"the name of a {mark.kind}" for mark in metadata if isinstance(mark, Names)), "")


def _limits(metadata: Iterable[Any]) -> str:
    """` 0..1`, ` from 0 on`, ` above 0`: where the numbers of a setting may lie."""
    limits = {
        key: value
        for mark in metadata
        for key in ("ge", "gt", "le", "lt")
        if (value := getattr(mark, key, None)) is not None
    }
    if limits.keys() == {"ge", "le"}:
        return f" {limits['ge']:g}..{limits['le']:g}"
    told = {"ge": "from {:g} on", "gt": "above {:g}", "le": "up to {:g}", "lt": "below {:g}"}
    texts = [text.format(limits[key]) for key, text in told.items() if key in limits]
    return f" {', '.join(texts)}" if texts else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = to_jsonable_python(field.get_default(call_default_factory=True))
    if not value and not isinstance(value, int | float):
        return "may be left out"
    return f"default {value if isinstance(value, str) else json.dumps(value)}"
