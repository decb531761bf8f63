"""What `appliance blocks` prints, read from the blocks themselves."""

import inspect
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from appliance.engine.annotations import words
from appliance.engine.errors import InputError
from appliance.engine.steps import unknown_block
from blocks.block import BlockType, Parameter


def block_list(blocks: Mapping[str, BlockType]) -> str:
    """One line for each block."""
    return "\n".join(f"{type_:22} {_first_line(block.cls)}" for type_, block in blocks.items())


def block_page(name: str, blocks: Mapping[str, BlockType]) -> str:
    """All there is to know of one block; without a version, of its newest.

    Raises:
        InputError: there is no such block.
    """
    newest = {block.name: block for block in sorted(blocks.values(), key=lambda b: b.version)}
    block = blocks.get(name) or newest.get(name)
    if block is None:
        raise InputError(unknown_block(name, blocks))
    lines = [block.type, "", inspect.cleandoc(block.cls.__doc__ or ""), "", "Settings"]
    lines += [_setting(key, field) for key, field in block.manifest.model_fields.items()] or [_NONE]
    lines += ["", "Inputs"]
    lines += [_input(parameter) for parameter in block.inputs.values()] or [_NONE]
    lines += ["", "Outputs"]
    lines += [f"  {key:14} {words(kind)}" for key, kind in block.outputs.items()]
    if block.emits:
        lines.append("  an event, to its connection")
    return "\n".join(lines)


_NONE = "  none"


def _first_line(cls: type[object]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def _setting(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "required"
    else:
        value = field.get_default(call_default_factory=True)
        default = f"default {getattr(value, 'value', value)}"
    return f"  {name:14} {field.description or ''} ({default})"


def _input(parameter: Parameter) -> str:
    optional = "" if parameter.required else " (may be left out)"
    return f"  {parameter.name:14} {words(parameter.annotation)}{optional}"
