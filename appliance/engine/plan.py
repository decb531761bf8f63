"""From a definition to a plan: every name found, every wire checked by type, the steps in order.

A plan knows no camera and no model; `start` binds it to a host and gives a `Run` for one lane.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from appliance.engine.annotations import is_of, words
from appliance.engine.binding import Misfit, misfits_of_inputs, misfits_of_settings
from appliance.engine.definition import Definition, read_definition
from appliance.engine.document import Document, Path
from appliance.engine.errors import DefinitionError, InputError, Mark, Problem
from appliance.engine.order import in_order
from appliance.engine.run import Run, Timer, Wires, no_time
from appliance.engine.selectors import parse_selector
from appliance.engine.steps import PlannedStep, StepReader
from appliance.engine.validation import shown, strict
from appliance.engine.wiring import Build, Wiring, is_open, literal, selectors_in
from blocks.block import BlockType, Host, Origin
from blocks.data import Image


@dataclass(frozen=True, slots=True)
class Need:
    """Something outside the workflow that it names: a model, a connection; and where it does."""

    kind: str
    name: str
    mark: Mark
    where: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked workflow, ready to be started once for each lane."""

    definition: Definition
    document: Document
    steps: tuple[PlannedStep, ...]
    outputs: Mapping[str, Build]
    wiring: Wiring
    types: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The workflow's own name."""
        return self.definition.name

    @property
    def output_types(self) -> dict[str, Any]:
        """The Python type of each of the workflow's outputs, as far as it is known beforehand."""
        return {name: self.types.get(str(value)) for name, value in self.definition.outputs.items()}

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs that a pipeline fixes: what is given, and the defaults. Images are left out.

        Raises:
            InputError: every unknown input, missing one, and value of the wrong type.
        """
        wrong = list(misfits_of_inputs(self.definition, self.document, given))
        if wrong:
            raise InputError("\n".join(misfit.problem.what for misfit in wrong))
        return self._fitting(given)

    def misfits(self, given: Mapping[str, Any]) -> list[Misfit]:
        """All that does not fit with these inputs: the inputs, and the settings they go to."""
        wrong = list(misfits_of_inputs(self.definition, self.document, given))
        refused = {misfit.problem.where for misfit in wrong}
        usable = {name: v for name, v in given.items() if f"inputs.{name}" not in refused}
        values = self._fitting(usable)
        for step in self.steps:
            wrong += misfits_of_settings(step, self.document, values, usable)
        return wrong

    def _fitting(self, given: Mapping[str, Any]) -> dict[str, Any]:
        specs = {n: s for n, s in self.definition.inputs.items() if s.annotation is not Image}
        values = {name: spec.default for name, spec in specs.items() if spec.has_default}
        return values | {name: value for name, value in given.items() if name in specs}

    def needs(self, given: Mapping[str, Any] | None = None) -> tuple[Need, ...]:
        """What the workflow names outside of itself, with inputs as given or by default."""
        values = {n: s.default for n, s in self.definition.inputs.items() if s.has_default}
        values |= given or {}
        found = []
        for step in self.steps:
            for field, kind in step.names_outside.items():
                default = step.block.manifest.model_fields[field].default
                name = literal(step.settings.get(field, default), values)
                # What only an input will name, and nobody has set, cannot be asked for yet.
                if isinstance(name, str) and not is_open(step.settings.get(field), values):
                    path: Path = ("steps", step.index, field)
                    mark = self.document.mark(path)
                    found.append(Need(kind, name, mark, f"steps.{step.name}.{field}"))
        return tuple(found)

    def start(
        self,
        given: Mapping[str, Any],
        host: Host,
        origin: Origin,
        timer: Timer = no_time,
        outputs: Collection[str] | None = None,
    ) -> Run:
        """Make the blocks, with their settings, for one lane.

        `outputs` are those of the workflow's outputs that somebody takes, all by default. A step
        that only makes pictures at which nobody would look is left out.

        Raises:
            InputError: the given inputs do not fit.
            DefinitionError: a setting does not fit, or a block refuses it.
        """
        values = self.values(given)
        problems = [misfit.problem for misfit in self.misfits(given)]
        if problems:
            raise DefinitionError(problems)
        blocks = []
        taken = {name: b for name, b in self.outputs.items() if outputs is None or name in outputs}
        for step in self.steps if outputs is None else self._looked_at(taken):
            place = replace(origin, workflow=self.name, step=step.name)
            try:
                blocks.append((step, _make_block(step, values, host, place)))
            except (ValueError, LookupError) as error:
                mark = self.document.mark(("steps", step.index))
                problems.append(Problem(mark, f"steps.{step.name}", _text(error)))
        if problems:
            raise DefinitionError(problems)
        return Run(blocks, self._wires(values, taken), timer)

    def _looked_at(self, outputs: Collection[str]) -> list[PlannedStep]:
        """All steps but those that only make pictures, which no step and no output here takes."""
        written = [self.definition.outputs[name] for name in outputs]
        taken = {parse_selector(text).step for _, text in selectors_in(written)}
        steps = []
        for step in reversed(self.steps):
            kinds = set(step.block.outputs.values())
            if kinds != {Image} or step.name in taken:
                steps.append(step)
                taken |= step.after
        return steps[::-1]

    def _wires(self, values: Mapping[str, Any], outputs: Mapping[str, Build]) -> Wires:
        inputs = self.wiring.named("inputs")
        specs = self.definition.inputs
        return Wires(
            template=self.wiring.template({f"inputs.{n}": v for n, v in values.items()}),
            images=tuple(i for n, i in inputs.items() if specs[n].annotation is Image),
            frame_fields=tuple(self.wiring.named("frame").items()),
            outputs=tuple(outputs.items()),
        )


def _make_block(step: PlannedStep, values: Mapping[str, Any], host: Host, origin: Origin) -> Any:
    settings = {name: literal(value, values) for name, value in step.settings.items()}
    manifest = strict(step.block.manifest, settings)
    lent: dict[Any, Any] = {Host: host, Origin: origin}
    return step.block.cls(manifest, **{n: lent[k] for n, k in step.block.constructor.items()})


def _text(error: Exception) -> str:
    # A KeyError shows its argument in quotes.
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)


def load_plan(text: str, path: str, blocks: Mapping[str, BlockType]) -> Plan:
    """Read and check a workflow text that is called `path` in messages.

    Raises:
        DefinitionError: everything that is wrong with it.
    """
    definition, document = read_definition(text, path)
    return make_plan(definition, document, blocks)


def make_plan(definition: Definition, document: Document, blocks: Mapping[str, BlockType]) -> Plan:
    """Check a definition against the blocks there are.

    Raises:
        DefinitionError: everything that is wrong with it.
    """
    problems = _wrong_defaults(definition, document)
    wiring = Wiring()
    reader = StepReader(definition, document, blocks, wiring, problems)
    steps = [reader.read(i, spec) for i, spec in enumerate(definition.steps)]
    outputs = {name: reader.output(name, v) for name, v in definition.outputs.items()}
    planned = [step for step in steps if step is not None]
    ordered = in_order(planned, document, problems)
    if problems:
        raise DefinitionError(sorted(problems, key=lambda p: (p.mark.line, p.mark.column)))
    return Plan(definition, document, tuple(ordered), outputs, wiring, reader.types)


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
            what += shown(spec.default)
            problems.append(Problem(mark, where, what))
    return problems
