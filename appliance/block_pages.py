"""What `appliance blocks` prints, read from the blocks themselves."""

import inspect
import json
import textwrap
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from appliance.engine.annotations import members, shape_words, words
from appliance.engine.definition import STEP_KEYS, StepSpec
from appliance.engine.errors import InputError
from appliance.engine.names import unknown_block
from appliance.engine.selectors import FRAME_FIELDS
from blocks.block import BlockType, Names, Parameter

WIDTH = 100
SELECTORS = (
    "What is set or wired is a value, or a selector that stands for one: $inputs.name, an input of "
    "the workflow; $steps.step.output, what another step gives; and of the frame "
    f"{', '.join(f'$frame.{name}' for name in FRAME_FIELDS)}. A setting takes values and "
    "$inputs.name only. docs/architecture.md, section 3, has the whole language."
)


def block_list(blocks: Mapping[str, BlockType]) -> str:
    """One line for each block."""
    width = max(map(len, blocks), default=0)
    return "\n".join(
        f"{type_:{width}}  {_described(block.cls).partition(chr(10))[0]}"
        for type_, block in blocks.items()
    )


def block_page(name: str, blocks: Mapping[str, BlockType]) -> str:
    """All there is to know of one block; without a version, of its newest.

    Raises:
        InputError: there is no such block.
    """
    newest = {block.name: block for block in sorted(blocks.values(), key=lambda b: b.version)}
    block = blocks.get(name) or newest.get(name)
    if block is None:
        raise InputError(unknown_block(name, blocks))
    settings = {key: _setting(field) for key, field in block.manifest.model_fields.items()}
    inputs = {key: _input(parameter) for key, parameter in block.inputs.items()}
    outputs = {key: words(kind) for key, kind in block.outputs.items()}
    parts = [
        block.type,
        _described(block.cls),
        _section("Settings", settings),
        _section("Inputs", inputs, _described(block.cls.run)),
        _section("Outputs", outputs, _result(block)),
        _section("Every step", {key: _setting(StepSpec.model_fields[key]) for key in STEP_KEYS}),
        _wrapped("", SELECTORS),
    ]
    return "\n\n".join(parts)


def _result(block: BlockType) -> str:
    """What is said of that which `run` returns."""
    if block.emits:
        return "An event, which goes to its connection."
    returned = members(get_type_hints(block.cls.run)["return"])
    return _described(next(part for part in returned if part is not type(None)))


def _described(thing: object) -> str:
    """The docstring, without the errors it names for those who call it from Python."""
    return inspect.cleandoc(thing.__doc__ or "").partition("\nRaises:")[0].strip()


def _section(head: str, rows: Mapping[str, str], text: str = "") -> str:
    width = max(map(len, rows), default=0)
    lines = [_wrapped("  ", text)] if text else []
    lines += [_wrapped(f"  {name:{width}}  ", about) for name, about in rows.items()]
    return "\n".join([head, *(lines or ["  none"])])


def _wrapped(head: str, text: str) -> str:
    text = " ".join(text.split())
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _setting(field: FieldInfo) -> str:
    kind = _named(field.metadata) or _kind(field.annotation) + _limits(field.metadata)
    about = [part for part in (kind, _default(field)) if part]
    return f"{field.description or ''} ({'; '.join(about)})".lstrip()


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


def _input(parameter: Parameter) -> str:
    optional = "" if parameter.required else " (may be left out)"
    return f"{words(parameter.annotation)}{optional}"
