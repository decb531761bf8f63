"""A workflow file as it is written: name, inputs, steps, outputs. Nothing is resolved yet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from appliance.engine.annotations import INPUT_TYPES, is_of, words
from appliance.engine.document import Document, read_document
from appliance.engine.errors import MOST_PROBLEMS, DefinitionError, Problem
from appliance.engine.selectors import NAME, RESERVED, WORKFLOW_NAME
from appliance.engine.sources import NOTHING_OUTSIDE, Sources
from appliance.engine.validation import problems_of, shown, strict
from blocks.data import Image

STEP_KEYS = ("name", "type", "when", "on_error")

# Keys of a settings file that no workflow has.
_OF_SETTINGS = frozenset({"cameras", "connections", "pipelines"})


def _name(text: str) -> str:
    if text in RESERVED:
        raise ValueError(f"'{text}' is a word of the conditions' language: take another name")
    if not re.fullmatch(NAME, text):
        raise ValueError(f"{text!r} is no name: a letter, then letters, digits and underscores")
    return text


def _workflow_name(text: str) -> str:
    if not re.fullmatch(WORKFLOW_NAME, text):
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


@dataclass(frozen=True, slots=True)
class Step:
    """One step as the rest of the engine reads it; `index` is its place in the file's list.

    `given` are settings and wires as they stand in the file.
    """

    index: int
    name: str
    type: str
    when: str | None
    on_error: str
    given: Mapping[str, Any]


class DefinitionModel(BaseModel):
    """A whole workflow file, as pydantic checks its outer form."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Workflow")

    version: Annotated[int, AfterValidator(_version)]
    name: Annotated[str, AfterValidator(_workflow_name)]
    description: str = ""
    inputs: dict[Name, InputSpec] = Field(default_factory=dict)
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    outputs: dict[Name, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """A workflow, as far as it can be read.

    `unread` are the names of steps, and of inputs, that are there but cannot be understood: what
    others say of them is left open.
    """

    name: str
    description: str
    inputs: Mapping[str, InputSpec]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Any]
    unread_steps: frozenset[str] = frozenset()
    unread_inputs: frozenset[str] = frozenset()


def read_definition(
    text: str, path: str, sources: Sources = NOTHING_OUTSIDE
) -> tuple[Definition, Document]:
    """Read a workflow; `path` is what it is called in messages.

    Raises:
        DefinitionError: everything that is wrong with its outer form.
    """
    problems: list[Problem] = []
    definition, document = parse_definition(text, path, sources, problems)
    if problems:
        raise DefinitionError(document.discreet(problems))
    return definition, document


def parse_definition(
    text: str, path: str, sources: Sources, problems: list[Problem]
) -> tuple[Definition, Document]:
    """Read as much of a workflow as can be read; what is wrong is added to `problems`.

    Raises:
        DefinitionError: it is no YAML at all, or no workflow.
    """
    document = read_document(text, path, sources, problems)
    if len(problems) >= MOST_PROBLEMS:
        raise DefinitionError(document.discreet(problems))
    if not isinstance(document.data, dict):
        what = f"this must be a mapping, not {shown(document.data)}"
        raise DefinitionError(document.discreet([*problems, Problem(document.mark(()), "", what)]))
    _refuse_settings(document, problems)
    try:
        strict(DefinitionModel, document.data)
    except ValidationError as error:
        problems.extend(problems_of(error, document, DefinitionModel))
    definition = _readable(document.data)
    problems.extend(_duplicate_names(definition, document)[:MOST_PROBLEMS])
    problems.extend(_wrong_defaults(definition, document)[:MOST_PROBLEMS])
    return definition, document


def _refuse_settings(document: Document, problems: Sequence[Problem]) -> None:
    keys = document.data.keys()
    if keys & _OF_SETTINGS and "steps" not in keys:
        what = "this looks like a settings file: check it with --config"
        first = next(key for key in keys if key in _OF_SETTINGS)
        found = [*problems, Problem(document.key_mark((first,)), "", what)]
        raise DefinitionError(document.discreet(found))


def _readable(data: Mapping[str, Any]) -> Definition:
    """All parts that are right by themselves."""
    raw_inputs, raw_outputs = data.get("inputs"), data.get("outputs")
    inputs = {name: _input(raw) for name, raw in _mapping(raw_inputs).items()}
    raw_steps = data.get("steps")
    listed = list(enumerate(raw_steps if isinstance(raw_steps, list) else []))
    steps = [_step(i, raw) for i, raw in listed]
    read = {step.index for step in steps if step is not None}
    name, description = data.get("name"), data.get("description")
    return Definition(
        name=name if isinstance(name, str) else "",
        description=description if isinstance(description, str) else "",
        inputs={n: spec for n, spec in inputs.items() if spec is not None},
        steps=tuple(step for step in steps if step is not None),
        outputs={n: value for n, value in _mapping(raw_outputs).items() if re.fullmatch(NAME, n)},
        unread_steps=frozenset(_named(raw) for i, raw in listed if i not in read),
        unread_inputs=frozenset(n for n, spec in inputs.items() if spec is None),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _named(raw: Any) -> str:
    return str(raw.get("name", "")) if isinstance(raw, dict) else ""


def _input(raw: Any) -> InputSpec | None:
    try:
        return strict(InputSpec, raw)
    except ValidationError:
        return None


def _step(index: int, raw: Any) -> Step | None:
    """A step without those of its own keys that are wrong; None without a name or a type."""
    if not isinstance(raw, dict):
        return None
    own = {key: raw[key] for key in STEP_KEYS if key in raw}
    try:
        spec = strict(StepSpec, own)
    except ValidationError as error:
        wrong = {details["loc"][0] for details in error.errors()}
        if wrong & {"name", "type"}:
            return None
        spec = strict(StepSpec, {key: value for key, value in own.items() if key not in wrong})
    given = {key: value for key, value in raw.items() if key not in STEP_KEYS}
    return Step(index, spec.name, spec.type, spec.when, spec.on_error, given)


def _duplicate_names(definition: Definition, document: Document) -> list[Problem]:
    problems = []
    first: dict[str, int] = {}
    for step in definition.steps:
        mark = document.mark(("steps", step.index, "name"))
        if step.name in first:
            what = f"duplicate step name '{step.name}' (first on line {first[step.name]})"
            problems.append(Problem(mark, f"steps.{step.name}", what))
        first.setdefault(step.name, mark.line)
    return problems


def _wrong_defaults(definition: Definition, document: Document) -> list[Problem]:
    problems = []
    for name, spec in definition.inputs.items():
        if not spec.has_default:
            continue
        mark = document.mark(("inputs", name, "default"))
        where = f"inputs.{name}.default"
        if spec.annotation is Image:
            problems.append(Problem(mark, where, "an image has no default: it is the camera's"))
        elif not is_of(spec.default, spec.annotation):
            what = f"this must be {words(spec.annotation)}, as the input's type says, not "
            hidden = ("inputs", name, "default") in document.outside
            what += "a hidden value" if hidden else shown(spec.default)
            if isinstance(spec.default, str) and "${" in mark.excerpt:
                what += " (for a number write it without brackets on a line of its own: "
                what += "default: ${CONF:-0.4})"
            problems.append(Problem(mark, where, what))
    return problems
