"""One step of a file against its block: settings validated, wires found and checked by type."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from appliance.engine.annotations import (
    fits,
    holds_image,
    is_of,
    optional,
    takes_images,
    words,
    writable,
)
from appliance.engine.definition import STEP_KEYS, Definition, StepSpec
from appliance.engine.document import Document, Path
from appliance.engine.errors import Mark, Problem, nearest, suggestion
from appliance.engine.expressions import Condition, ExpressionError, compile_condition
from appliance.engine.names import KnownNames
from appliance.engine.selectors import is_selector
from appliance.engine.validation import problems_of, shown, strict
from appliance.engine.wiring import FRAME_SLOT, Build, Wiring, literal, selectors_in
from blocks.block import BlockType, Names, Parameter
from blocks.data import Image


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A checked step. Numbers are slots of the turn; arguments stand in the order of `run`."""

    index: int
    name: str
    block: BlockType
    settings: Mapping[str, Any]
    arguments: tuple[int, ...]
    required: tuple[int, ...]
    fallbacks: tuple[tuple[int, Any], ...]
    built: tuple[tuple[int, Build], ...]
    condition: Condition | None
    condition_slots: tuple[int, ...]
    outputs: tuple[int, ...]
    after: frozenset[str]
    stops: bool

    @property
    def names_outside(self) -> dict[str, str]:
        """The settings that name a model or a connection: the field, and the kind."""
        return {
            name: mark.kind
            for name, field in self.block.manifest.model_fields.items()
            for mark in (*field.metadata, *_inner_metadata(field.annotation))
            if isinstance(mark, Names)
        }


class StepReader:
    """Reads the steps of one definition; what is wrong is added to `problems`."""

    def __init__(
        self,
        definition: Definition,
        document: Document,
        blocks: Mapping[str, BlockType],
        wiring: Wiring,
        problems: list[Problem],
    ) -> None:
        self._definition = definition
        self._document = document
        self._blocks = blocks
        self._wiring = wiring
        self._problems = problems
        self._names = KnownNames(definition, blocks)
        self._known = self._names.types

    @property
    def types(self) -> dict[str, Any]:
        """The Python type behind every selector that may be written."""
        return {f"${name}": kind for name, kind in self._known.items()}

    def read(self, index: int, spec: StepSpec) -> PlannedStep | None:
        """Check one step; None where it cannot be used."""
        path: Path = ("steps", index)
        where = f"steps.{spec.name}"
        block = self._blocks.get(spec.type)
        if block is None:
            what = unknown_block(spec.type, self._blocks)
            self._refuse(self._document.mark((*path, "type")), f"{where}.type", what)
            return None
        settings = {k: v for k, v in spec.given.items() if k in block.manifest.model_fields}
        self._check_keys(spec, block, path)
        self._check_settings(settings, block, path, where)
        arguments = _Arguments()
        for name in block.arguments:
            if name in block.inputs:
                self._wire(spec, block.inputs[name], arguments, path)
            else:
                arguments.slots.append(FRAME_SLOT)
        condition, condition_names = self._condition(spec, path)
        names = [*arguments.names, *condition_names]
        return PlannedStep(
            index=index,
            name=spec.name,
            block=block,
            settings=settings,
            arguments=tuple(arguments.slots),
            required=tuple(dict.fromkeys(arguments.required)),
            fallbacks=tuple(arguments.fallbacks),
            built=tuple(arguments.built),
            condition=condition,
            condition_slots=tuple(self._wiring.slot(name) for name in condition_names),
            outputs=tuple(self._wiring.slot(f"steps.{spec.name}.{name}") for name in block.outputs),
            after=frozenset(name.split(".")[1] for name in names if name.startswith("steps.")),
            stops=spec.on_error == "stop",
        )

    def output(self, name: str, value: Any) -> Build:
        """Check one of the workflow's outputs."""
        for inner, text in selectors_in(value):
            self._find(text, ("outputs", name, *inner), f"outputs.{name}")
        try:
            return self._wiring.build(value)
        except ValueError:
            return lambda _slots: None  # already refused above: the plan will not be made

    def _check_keys(self, spec: StepSpec, block: BlockType, path: Path) -> None:
        known = {*block.manifest.model_fields, *block.inputs}
        for key in spec.given:
            if key not in known:
                what = f"unknown key '{key}'{suggestion(key, known | set(STEP_KEYS))}"
                mark = self._document.key_mark((*path, key))
                self._refuse(mark, f"steps.{spec.name}.{key}", what)

    def _check_settings(
        self, settings: Mapping[str, Any], block: BlockType, path: Path, where: str
    ) -> None:
        unset: set[str] = set()
        defaults = {
            name: spec.default
            for name, spec in self._definition.inputs.items()
            if spec.has_default and is_of(spec.default, spec.annotation)
        }
        for name, value in settings.items():
            for inner, text in selectors_in(value):
                place = (*path, name, *inner)
                source = self._find(text, place, f"{where}.{name}")
                if source is not None and self._changes(source):
                    what = (
                        f"'{name}' is a setting, fixed when the pipeline starts: "
                        f"it takes a value or $inputs.x, not {text}, which changes with each frame"
                    )
                    self._refuse(self._document.mark(place), f"{where}.{name}", what)
                if source is None or source.removeprefix("inputs.") not in defaults:
                    unset.add(name)
        known = {n: literal(v, defaults) for n, v in settings.items() if n not in unset}
        try:
            strict(block.manifest, known)
        except ValidationError as error:
            # A setting whose input has no default yet is looked at when the pipeline starts.
            self._problems += problems_of(error, self._document, block.manifest, path, unset)

    def _changes(self, source: str) -> bool:
        return not source.startswith("inputs.") or self._known[source] is Image

    def _wire(
        self, spec: StepSpec, parameter: Parameter, arguments: "_Arguments", path: Path
    ) -> None:
        name, place = parameter.name, (*path, parameter.name)
        where = f"steps.{spec.name}.{name}"
        if name not in spec.given:
            if _is_required(parameter):
                what = f"the input '{name}' is missing; it takes {words(parameter.annotation)}"
                self._refuse(self._document.mark(path), f"steps.{spec.name}", what)
            arguments.slots.append(self._wiring.constant(parameter.default))
            return
        value = spec.given[name]
        if is_selector(value):
            found = self._find(value, place, where)
            if found is not None:
                self._check_type(value, self._known[found], parameter, place, where)
                arguments.wire(self._wiring.slot(found), found, parameter)
            return
        inside = list(selectors_in(value))
        if not inside:
            self._literal(value, parameter, arguments, place, where)
            return
        names = [self._find(text, (*place, *inner), where) for inner, text in inside]
        if None in names:
            return
        kind = dict if isinstance(value, dict) else list
        self._check_type(None, kind, parameter, place, where)
        if not takes_images(parameter.annotation):
            self._refuse_images(inside, parameter.name, place, where)
        slot = self._wiring.constant(None)
        arguments.slots.append(slot)
        arguments.built.append((slot, self._wiring.build(value)))
        arguments.names += [found for found in names if found is not None]

    def _refuse_images(
        self, inside: Iterable[tuple[Path, str]], name: str, place: Path, where: str
    ) -> None:
        for inner, text in inside:
            if holds_image(self._known[text[1:]]):
                what = f"'{name}' cannot hold an image; {text} is one: leave it out"
                self._refuse(self._document.mark((*place, *inner)), where, what)

    def _literal(
        self, value: Any, parameter: Parameter, arguments: "_Arguments", place: Path, where: str
    ) -> None:
        annotation = parameter.annotation
        plain = literal(value, {})
        if plain is None and optional(annotation):
            arguments.slots.append(self._wiring.constant(None))
        elif is_of(plain, annotation):
            kind = TypeAdapter(writable(annotation))
            arguments.slots.append(self._wiring.constant(kind.validate_python(plain)))
        elif writable(annotation) is None:
            what = f"'{parameter.name}' takes {words(annotation)}: wire it, as $steps.step.output"
            self._refuse(self._document.mark(place), where, what)
        else:
            what = f"'{parameter.name}' takes {words(annotation)}, not {shown(value)}"
            self._refuse(self._document.mark(place), where, what)

    def _check_type(
        self, text: str | None, given: Any, parameter: Parameter, place: Path, where: str
    ) -> None:
        if not fits(given, parameter.annotation):
            source = f"{text} is {words(given)}" if text else f"this is {words(given)}"
            what = f"'{parameter.name}' takes {words(parameter.annotation)}, but {source}"
            self._refuse(self._document.mark(place), where, what)

    def _condition(self, spec: StepSpec, path: Path) -> tuple[Condition | None, tuple[str, ...]]:
        if spec.when is None:
            return None, ()
        try:
            condition = compile_condition(spec.when, self._known)
        except ExpressionError as error:
            if self._names.leaves_open(str(error)):
                return None, ()
            mark = self._document.mark((*path, "when"))
            self._refuse(
                _inside(mark, spec.when, error.column), f"steps.{spec.name}.when", str(error)
            )
            return None, ()
        return condition, condition.names

    def _find(self, text: str, place: Path, where: str) -> str | None:
        """The dotted name a selector stands for; None, and a problem, if there is none."""
        try:
            return self._names.find(text)
        except ValueError as error:
            self._refuse(self._document.mark(place), where, str(error))
            return None

    def _refuse(self, mark: Mark, where: str, what: str) -> None:
        self._problems.append(Problem(mark, where, what))


class _Arguments:
    """What is gathered about the arguments of one step."""

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.required: list[int] = []
        self.fallbacks: list[tuple[int, Any]] = []
        self.built: list[tuple[int, Build]] = []
        self.names: list[str] = []

    def wire(self, slot: int, name: str, parameter: Parameter) -> None:
        """An argument that is the value of another step, an input or the frame."""
        if _is_required(parameter):
            self.required.append(slot)
        else:
            self.fallbacks.append((len(self.slots), parameter.default))
        self.slots.append(slot)
        self.names.append(name)


def _is_required(parameter: Parameter) -> bool:
    """Whether the step does not run where this argument is absent."""
    return parameter.required and not optional(parameter.annotation)


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    """What `Annotated` adds to the alternatives of a union, such as `ModelName | None`."""
    for part in get_args(annotation):
        yield from getattr(part, "__metadata__", ())


def _inside(mark: Mark, text: str, column: int) -> Mark:
    """The place of a character of a text that stands on one line at `mark`."""
    start = mark.excerpt.find(text, mark.column - 1)
    return Mark(mark.path, mark.line, start + column, mark.excerpt) if start >= 0 else mark


def unknown_block(type_: str, blocks: Mapping[str, BlockType]) -> str:
    """The sentence for a block type that does not exist."""
    name, _, version = type_.partition("@")
    versions = sorted(b.version for b in blocks.values() if b.name == name)
    if versions:
        there = " and ".join(f"{name}@{v}" for v in versions)
        if not version:
            return f"'{type_}' lacks its version: write {there}"
        return f"block '{name}' has no version '{version}' (there is {there})"
    near = nearest(name, {block.name for block in blocks.values()})
    if near is None:
        return f"unknown block '{type_}' (`appliance blocks` lists what there is)"
    latest = max(b.version for b in blocks.values() if b.name == near)
    return f"unknown block '{type_}' (did you mean '{near}@{latest}'?)"
