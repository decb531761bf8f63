"""Python annotations as JSON Schema (draft 2020-12), for what is written in a workflow file.

Wherever a value is written, a reference may stand for it: `#/$defs/setting` for what is fixed when
the pipeline starts, `#/$defs/wire` for what may change with each frame. `DEFINITIONS` are these.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import model_json_schema

from appliance.engine.annotations import INPUT_TYPES, element, optional, words, writable
from appliance.engine.selectors import FRAME_FIELDS, NAME, RESERVED
from blocks.block import Manifest

Schema = dict[str, Any]

NAME_PATTERN = f"^(?!(?:{'|'.join(RESERVED)})$){NAME}$"
_SETTING = "setting"
_WIRE = "wire"
_VALUES = {_SETTING: "setting_value", _WIRE: "wire_value"}
_TOLD = ("description", "default")


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _text(pattern: str, description: str) -> Schema:
    return {"type": "string", "pattern": pattern, "description": description}


def _any_value(references: str) -> Schema:
    """Any value of a file, with references in it at any depth."""
    itself = _ref(_VALUES[references])
    return {
        "anyOf": [
            {"type": ["null", "boolean", "number"]},
            _ref("text"),
            {"type": "array", "items": itself},
            {"type": "object", "additionalProperties": itself},
            _ref(references),
        ]
    }


DEFINITIONS: Mapping[str, Schema] = {
    "name": {"type": "string", "pattern": NAME_PATTERN},
    "text": {
        "type": "string",
        "not": {"pattern": r"^(?:\$(?![${])|=(?!=))"},
        "description": "A text as it stands; `$$` at its beginning is one dollar, `==` one sign.",
    },
    "environment": _text(
        r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::[-?][^}]*)?\}",
        "From the environment: ${NAME}, ${NAME:-default} or ${NAME:?message}.",
    ),
    "expression": _text(
        r"^=(?!=)[\s\S]*\S", "An expression in CEL, such as = inputs.limit * 2; `==` is one sign."
    ),
    "input_selector": _text(r"^\$inputs\.\w+$", "An input of the workflow: $inputs.name"),
    "selector": _text(
        rf"^\$(?:inputs\.\w+|steps\.\w+\.\w+|frame\.(?:{'|'.join(FRAME_FIELDS)}))$",
        "A value: $inputs.name, $steps.step.output, or of the frame "
        + ", ".join(f"$frame.{name}" for name in FRAME_FIELDS),
    ),
    _SETTING: {"anyOf": [_ref("input_selector"), _ref("expression"), _ref("environment")]},
    _WIRE: {"anyOf": [_ref("selector"), _ref("expression"), _ref("environment")]},
    _VALUES[_SETTING]: _any_value(_SETTING),
    _VALUES[_WIRE]: _any_value(_WIRE),
}
"""What the schemas made here refer to."""


def schema_of_settings(manifest: type[Manifest]) -> dict[str, Schema]:
    """Each setting of a block: its value, or `$inputs.x`, or an expression of inputs."""
    whole = model_json_schema(manifest)
    found = {}
    for name, plain in whole.get("properties", {}).items():
        field = manifest.model_fields[name]
        told = {key: plain[key] for key in _TOLD if plain.get(key) not in (None, "", [], {})}
        written = {key: value for key, value in plain.items() if key not in _TOLD}
        found[name] = _referable(written, whole.get("$defs", {}), _SETTING) | told
        # Where only one of several may be given, `default` would be put there by an editor.
        if field.is_required():
            found[name].pop("default", None)
    return found


def required_settings(manifest: type[Manifest]) -> list[str]:
    """The settings that have no default."""
    return [name for name, field in manifest.model_fields.items() if field.is_required()]


def schema_of_input(annotation: Any) -> Schema:
    """What may be written for an input of a block: a value, if it can be written, or a wire."""
    written, one = writable(annotation), element(annotation)
    said = {"description": _sentence(words(annotation))}
    if written is None:
        # An empty list is nothing that is wired.
        listed = {"type": "array", "items": _ref(_WIRE), "minItems": 1}
        many = [listed] if one is not None else []
        nothing = [{"type": "null"}] if optional(annotation) else []
        return _alternatives([*many, *nothing, _ref(_WIRE)]) | said
    plain = TypeAdapter(written).json_schema()
    return _referable(plain, plain.get("$defs", {}), _WIRE) | said


def schema_of_value(annotation: Any) -> Schema:
    """What may be written for a workflow's input, such as its default: no references in it."""
    written = writable(annotation)
    plain: Schema = {} if written is None else TypeAdapter(written).json_schema()
    return {"anyOf": [plain, _ref("environment")]} if plain else plain


def schemas_of_input_types() -> dict[str, Schema | None]:
    """The schema of the default of each type of input; None where there can be none."""
    return {
        name: None if writable(kind) is None else schema_of_value(kind)
        for name, kind in INPUT_TYPES.items()
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _referable(plain: Schema, known: Mapping[str, Schema], references: str) -> Schema:
    """A schema with a reference allowed for the value, and for every value within it."""
    if "$ref" in plain:
        target = known[plain["$ref"].rpartition("/")[2]]
        return _referable(
            target | {k: v for k, v in plain.items() if k != "$ref"}, known, references
        )
    plain = {key: value for key, value in plain.items() if key not in ("title", "$defs")}
    if not plain.keys() - {"description"}:
        return _ref(_VALUES[references])

    def within(inner: Any) -> Any:
        if inner is True:
            return _ref(_VALUES[references])
        return _referable(inner, known, references) if isinstance(inner, dict) else inner

    if "anyOf" in plain:
        return _alternatives([within(part) for part in plain["anyOf"]])
    changes: dict[str, Callable[[Any], Any]] = {
        "items": within,
        "additionalProperties": within,
        "prefixItems": lambda parts: [within(part) for part in parts],
        "properties": lambda parts: {name: within(part) for name, part in parts.items()},
    }
    made = {key: changes[key](value) if key in changes else value for key, value in plain.items()}
    if made.get("type") == "string" and not made.keys() & {"enum", "const"}:
        made = {"allOf": [_ref("text"), made]} if len(made) > 1 else _ref("text")
    if made.get("type") == "array" and "prefixItems" in made:
        made["items"] = False
    return _alternatives([made, _ref(references)])


def _alternatives(parts: list[Schema]) -> Schema:
    """Whatever fits one of them, in one list without repeats."""
    found: list[Schema] = []
    for part in parts:
        inner = part["anyOf"] if part.keys() == {"anyOf"} else [part]
        found += [alternative for alternative in inner if alternative not in found]
    # The references last: what is written most often stands first.
    found.sort(key=lambda part: bool(re.search(r"/(setting|wire)$", part.get("$ref", ""))))
    return {"anyOf": found} if len(found) > 1 else found[0]
