"""The JSON Schema of workflow files, which editors complete and check by; made from the blocks."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

from appliance.engine.definition import STEP_KEYS, DefinitionModel, InputSpec, StepSpec
from appliance.engine.json_schema import (
    DEFINITIONS,
    NAME_PATTERN,
    Schema,
    required_settings,
    schema_of_input,
    schema_of_settings,
    schemas_of_input_types,
)
from appliance.engine.scopes import WORKFLOW, WorkflowManifest
from appliance.engine.selectors import WORKFLOW_NAME
from blocks.block import BlockType

SCHEMA_FILE = "workflows/workflow.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT = (
    "A graph of blocks that runs on camera streams. `appliance check FILE` checks more than an "
    "editor can: every wire by its type, every condition, every model and connection. An editor "
    "that does not know the tags !secret and !include is to be told of them (for yaml-language-"
    'server: "yaml.customTags": ["!secret", "!include"]); what they stand for it cannot check.'
)
# Neither an expression with its sign, nor a selector or a variable: a dollar stands only in texts
# and comments, and those begin with a quote or a slash.
_CONDITION = r"""^(?!\s*=)(?![^'"/]*\$)[\s\S]*\S"""
SUB_WORKFLOW = (
    "Runs another workflow file as this step. Its inputs are given beside the key `workflow`, and "
    "its outputs are those of the step."
)


def schema_text(blocks: Mapping[str, BlockType]) -> str:
    """The schema as it is shipped: JSON, with a line break at its end."""
    return json.dumps(workflow_schema(blocks), indent=1, ensure_ascii=False) + "\n"


def workflow_schema(blocks: Mapping[str, BlockType]) -> Schema:
    """The JSON Schema (draft 2020-12) of a workflow file, with one branch for each block.

    What cannot be known from the blocks alone is left open: whether a name exists, whether types of
    wires fit, what stands behind `!secret` and `!include`.
    """
    branches = {WORKFLOW: _sub_workflow()}
    branches |= {type_: _branch(block) for type_, block in blocks.items()}
    return {
        "$schema": _DIALECT,
        "title": "Workflow",
        "description": _ABOUT,
        "type": "object",
        "properties": {
            "version": _or_environment({"const": 1}, "The version of the workflow language."),
            "name": _or_environment(
                {"type": "string", "pattern": f"^{WORKFLOW_NAME}$"},
                "The workflow's own name, which events and messages tell.",
            ),
            "description": {"type": "string", "description": "What it is for, for people."},
            "inputs": _named(_ref("input"), "What is given from outside: the image, and settings."),
            "steps": {
                "type": "array",
                "minItems": 1,
                "items": _ref("step"),
                "description": "The blocks, and how they are set and wired; in any order.",
            },
            "outputs": _named(
                _ref("wire_value"),
                "What the workflow gives: selectors, expressions, or both made "
                "into lists and mappings.",
            ),
        },
        "required": [n for n, f in DefinitionModel.model_fields.items() if f.is_required()],
        "additionalProperties": False,
        "$defs": {
            **DEFINITIONS,
            "input": _input(),
            "step": _step(branches, blocks),
            **branches,
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _or_environment(written: Schema, description: str = "") -> Schema:
    """What is written, or a variable of the environment in its place."""
    told = {"description": description} if description else {}
    return {"anyOf": [written, _ref("environment")], **told}


def _named(value: Schema, description: str) -> Schema:
    return {
        "type": "object",
        "patternProperties": {NAME_PATTERN: value},
        "additionalProperties": False,
        "description": description,
    }


def _input() -> Schema:
    """An input of the workflow: its type decides on its default."""
    types = schemas_of_input_types()
    rules = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"default": False if default is None else default}},
        }
        for name, default in types.items()
        if default != {}
    ]
    fields = InputSpec.model_fields
    return {
        "type": "object",
        "properties": {
            "type": _or_environment({"enum": list(types)}, "What its values are."),
            "default": {"description": fields["default"].description},
            "description": {"type": "string", "description": "What it is for, for people."},
        },
        "required": ["type"],
        "additionalProperties": False,
        "allOf": rules,
    }


def _step(branches: Mapping[str, Schema], blocks: Mapping[str, BlockType]) -> Schema:
    """A step: whichever block its type names decides on all other keys."""
    choices = [
        {
            "const": type_,
            "description": SUB_WORKFLOW if type_ == WORKFLOW else about(blocks[type_]),
        }
        for type_ in branches
    ]
    return {
        "type": "object",
        "properties": {"type": {"oneOf": choices, "description": _field("type")}},
        "required": ["name", "type"],
        "allOf": [
            {
                "if": {"properties": {"type": {"const": type_}}, "required": ["type"]},
                "then": _ref(type_),
            }
            for type_ in branches
        ],
    }


def _branch(block: BlockType) -> Schema:
    inputs = {name: schema_of_input(p.annotation) for name, p in block.inputs.items()}
    required = required_settings(block.manifest)
    required += [name for name, parameter in block.inputs.items() if parameter.required]
    return {
        "description": about(block),
        "type": "object",
        "properties": {
            **_step_keys(block.type),
            **schema_of_settings(block.manifest),
            **inputs,
        },
        "required": ["name", "type", *required],
        "additionalProperties": False,
    }


def _sub_workflow() -> Schema:
    file: dict[str, Any] = {"type": "string", "minLength": 1}
    file["description"] = WorkflowManifest.model_fields["workflow"].description
    return {
        "description": SUB_WORKFLOW,
        "type": "object",
        "properties": {**_step_keys(WORKFLOW), "workflow": file},
        "required": ["name", "type", "workflow"],
        # The inputs of the other file, which only `appliance check` reads.
        "additionalProperties": _ref("wire_value"),
    }


def _step_keys(type_: str) -> dict[str, Schema]:
    own: dict[str, Schema] = {
        "name": _ref("name"),
        "type": {"const": type_},
        "when": {"type": "string", "pattern": _CONDITION},
        "on_error": _or_environment({"enum": ["skip", "stop"]}) | {"default": "skip"},
    }
    return {key: own[key] | {"description": _field(key)} for key in STEP_KEYS}


def _field(key: str) -> str:
    return StepSpec.model_fields[key].description or ""


def about(block: BlockType) -> str:
    """What a block says of itself in its first line."""
    return inspect.cleandoc(block.cls.__doc__ or "").partition("\n")[0]
