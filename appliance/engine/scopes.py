"""Workflow files in a plan, each with its own names, and their steps before they are wired."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import Field

from appliance.engine.definition import Definition, Step
from appliance.engine.document import Document, Path
from appliance.engine.expressions import ExpressionError, Language
from appliance.engine.names import KnownNames
from appliance.engine.selectors import is_selector, references_in
from appliance.engine.wiring import CAPTURED_AT
from blocks.block import BlockType, Manifest, Parameter

WORKFLOW = "workflow"
# What no input can be called.
ENTERED = "entered!"


class WorkflowManifest(Manifest):
    """Which file runs as this step."""

    workflow: str = Field(min_length=1, description="The file, as seen from the one it stands in.")


class Outside(NamedTuple):
    """What a workflow file is given from outside.

    `held` are the inputs that do not change from frame to frame, as trees over the inputs of the
    whole plan; `varying` those that do; `times` those that are the time of the frame. `gate` is
    what must be there for any step of the file to run; `chain` are the files that led to it.
    """

    prefix: str
    held: Mapping[str, Any]
    varying: frozenset[str]
    gate: str | None
    chain: tuple[str, ...]
    stops: bool = False
    times: frozenset[str] = frozenset()


@dataclass(eq=False)
class Scope:
    """One workflow file in a plan. Its names are its own; a value's full name is unique.

    `aliases` are the full names of values that are those of another file, or of the frame.
    """

    definition: Definition
    document: Document
    outside: Outside
    faces: Mapping[str, BlockType | None]
    aliases: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = KnownNames(self.definition, self.faces)
        self.language = Language(self.names.types, self.names.steps)
        self.aliases |= {f"inputs.{name}": CAPTURED_AT for name in self.outside.times}

    @property
    def prefix(self) -> str:
        """What stands before the names of its steps in the whole plan."""
        return self.outside.prefix

    @property
    def gate(self) -> str | None:
        """The full name of what must be there for any step of the file to run."""
        return self.outside.gate

    def full(self, name: str) -> str:
        """The full name of a value with a dotted name of this file."""
        if name.startswith("frame."):
            return name
        return self.aliases.get(name, f"{self.prefix}{name}")


@dataclass(eq=False)
class Draft:
    """A step whose block is known, before its wires are looked at.

    `path` is where it stands in its file; `exits` says that it makes an output of the file.
    """

    scope: Scope
    step: Step
    block: BlockType
    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    after: frozenset[str] = frozenset()
    exits: bool = False

    @property
    def name(self) -> str:
        """Its name in the whole plan."""
        return f"{self.scope.prefix}{'outputs.' if self.exits else ''}{self.step.name}"

    @property
    def stops(self) -> bool:
        """Whether an error of it ends the whole pipeline."""
        return self.step.on_error == "stop" or self.scope.outside.stops

    @property
    def ran(self) -> str:
        """The full name of the value that is there where the step ran and gave something."""
        kind = "outputs" if self.exits else "steps"
        return f"{self.scope.prefix}{kind}.{self.step.name}"

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"{'outputs' if self.exits else 'steps'}.{self.step.name}"

    def place(self, key: str) -> Path:
        """Where the value of a key stands in the file."""
        return self.path if self.exits else (*self.path, key)

    def where_of(self, key: str) -> str:
        """What messages call the value of a key."""
        return self.where if self.exits else f"{self.where}.{key}"

    def output(self, name: str) -> str:
        """The full name of one of its outputs."""
        return f"{self.name}/inputs.{name}" if self.block.cls is Entrance else f"{self.ran}.{name}"

    def mentioned(self) -> tuple[set[str], set[str]]:
        """The full names of all that it names, and of all that it asks present() of.

        Of what is wrong nothing is said here.
        """
        texts = [t for key in self.block.inputs for _, t in references_in(self.step.given.get(key))]
        texts += [f"={self.step.when}"] if self.step.when is not None else []
        named: set[str] = set()
        asked: set[str] = set()
        for text in texts:
            if is_selector(text):
                name = self.scope.names.named(text)
                named |= {self.scope.full(name)} if name else set()
                continue
            with suppress(ExpressionError):
                names, presences = self.scope.language.names(text[1:])
                named.update(map(self.scope.full, names))
                asked.update(map(self.scope.full, presences))
        return named, asked


class Entrance:
    """Where values enter a workflow that runs as a step: passes on what it is given.

    Its last output, `ENTERED`, is there where the workflow runs.
    """

    def __init__(self, manifest: Manifest) -> None:
        del manifest

    def run(self, *values: Any) -> tuple[Any, ...]:
        """The values as they came."""
        return *values, True


class Exit(Entrance):
    """Where a value that is made of others leaves a workflow."""

    def run(self, *values: Any) -> tuple[Any, ...]:
        """The value as it came."""
        return values


class Sub(NamedTuple):
    """A workflow file that was read."""

    definition: Definition
    document: Document


def made_block(
    name: str, cls: type[Any], inputs: Mapping[str, Parameter], outputs: Mapping[str, Any]
) -> BlockType:
    """A block that stands for something in the file itself."""
    return BlockType(
        name=name,
        version=1,
        manifest=WorkflowManifest if cls is Entrance else Manifest,
        cls=cls,
        inputs=inputs,
        outputs=outputs,
        arguments=tuple(inputs),
        given={},
        constructor={},
        emits=False,
    )


def exit_draft(scope: Scope, name: str, value: Any, annotation: Any = Any) -> Draft:
    """The step that makes an output of a file which is more than a selector.

    `annotation` is its type, as far as it is known.
    """
    outputs = {"value": annotation}
    block = made_block("output", Exit, {"value": Parameter("value", Any, True)}, outputs)
    step = Step(-1, name, "output", None, "skip", {"value": value})
    return Draft(scope, step, block, ("outputs", name), exits=True)
