"""What `appliance blocks` prints, read from the blocks themselves."""

import inspect
import json
import textwrap
from collections.abc import Mapping
from enum import Enum
from typing import get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from appliance.engine.annotations import members, words
from appliance.engine.errors import InputError
from appliance.engine.steps import unknown_block
from blocks.block import BlockType, Parameter

WIDTH = 100


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
    about = [part for part in (_choices(field.annotation), _default(field)) if part]
    return f"{field.description or words(field.annotation)} ({'; '.join(about)})"


def _choices(annotation: object) -> str:
    values: list[str] = []
    for part in members(annotation):
        if isinstance(part, type) and issubclass(part, Enum):
            values += [str(choice.value) for choice in part]
    return f"one of {', '.join(values)}" if values else ""


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
