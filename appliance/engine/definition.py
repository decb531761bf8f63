"""A workflow file as it is written: name, inputs, steps, outputs. Nothing is resolved yet."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from appliance.engine.annotations import INPUT_TYPES
from appliance.engine.document import Document, read_document
from appliance.engine.errors import DefinitionError, Problem
from appliance.engine.validation import validated

STEP_KEYS = ("name", "type", "when", "on_error")

# Keys of a settings file that no workflow has.
_OF_SETTINGS = frozenset({"cameras", "connections", "pipelines"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_WORKFLOW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# Words of CEL that cannot stand behind a dot: `steps.in.count` would not be read.
_RESERVED = frozenset({"in", "true", "false", "null"})


def _name(text: str) -> str:
    if text in _RESERVED:
        raise ValueError(f"'{text}' is a word of the conditions' language: take another name")
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name: a letter, then letters, digits and underscores")
    return text


def _workflow_name(text: str) -> str:
    if not _WORKFLOW_NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name of a workflow: a letter or digit, then also '_', '.' and '-'"
        )
    return text


def _version(number: int) -> int:
    if number != 1:
        raise ValueError(f"there is only version 1 of the workflow language, no {number}")
    return number


def _condition(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValueError("when is empty: write a condition, or delete the line")
    if isinstance(value, dict):
        raise ValueError("a condition needs no braces")  # noqa: TRY004 - pydantic takes no other
    return value


Name = Annotated[str, AfterValidator(_name)]


class InputSpec(BaseModel):
    """One input: bound to the camera (an image), or set per pipeline or request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["image", "number", "integer", "string", "boolean", "list", "object", "any"]
    default: Any = Field(default=None, description="What it is when nobody sets it.")
    description: str = ""

    @property
    def annotation(self) -> Any:
        """The Python type of its values."""
        return INPUT_TYPES[self.type]

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return "default" in self.model_fields_set


class StepSpec(BaseModel):
    """One step: its block, when it runs, and what it is set and wired to."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name = Field(description="Its own name, by which others are wired to it.")
    type: str = Field(description="Its block and the version of it: name@version.")
    when: Annotated[str | None, BeforeValidator(_condition)] = Field(
        default=None,
        description="A condition, such as steps.gate.total_in > 0: where it is false, the step "
        "does not run, and neither do those that are wired to it.",
    )
    on_error: Literal["skip", "stop"] = Field(
        default="skip",
        description="What an error of the step ends: this frame for all that hangs on the step, or "
        "the whole pipeline.",
    )

    @property
    def given(self) -> dict[str, Any]:
        """Settings and wires, as they stand in the file."""
        return dict(self.model_extra or {})


class Definition(BaseModel):
    """A whole workflow file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, AfterValidator(_version)]
    name: Annotated[str, AfterValidator(_workflow_name)]
    description: str = ""
    inputs: dict[Name, InputSpec] = Field(default_factory=dict)
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    outputs: dict[Name, Any] = Field(default_factory=dict)


def read_definition(text: str, path: str) -> tuple[Definition, Document]:
    """Read a workflow; `path` is what it is called in messages.

    Raises:
        DefinitionError: everything that is wrong with its outer form.
    """
    document = read_document(text, path)
    _refuse_settings(document)
    definition = validated(Definition, document)
    problems = _duplicate_names(definition, document)
    if problems:
        raise DefinitionError(problems)
    return definition, document


def _refuse_settings(document: Document) -> None:
    keys = document.data.keys() if isinstance(document.data, dict) else set()
    if keys & _OF_SETTINGS and "steps" not in keys:
        what = "this looks like a settings file: check it with --config"
        first = next(key for key in keys if key in _OF_SETTINGS)
        raise DefinitionError([Problem(document.key_mark((first,)), "", what)])


def _duplicate_names(definition: Definition, document: Document) -> list[Problem]:
    problems = []
    first: dict[str, int] = {}
    for i, step in enumerate(definition.steps):
        mark = document.mark(("steps", i, "name"))
        if step.name in first:
            what = f"duplicate step name '{step.name}' (first on line {first[step.name]})"
            problems.append(Problem(mark, f"steps.{step.name}", what))
        first.setdefault(step.name, mark.line)
    return problems
