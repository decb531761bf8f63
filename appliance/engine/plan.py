"""From a definition to a plan: every name found, every wire checked by type, the steps in order.

A plan knows no camera and no model; `start` binds it to a host and gives a `Run` for one lane.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from appliance.engine.advice import shared_steps, warnings_of
from appliance.engine.annotations import many_of
from appliance.engine.axes import Axes
from appliance.engine.binding import Misfit, misfits_of_inputs, misfits_of_settings
from appliance.engine.definition import Definition, parse_definition
from appliance.engine.document import Document
from appliance.engine.drafts import Drafts
from appliance.engine.errors import (
    MOST_PROBLEMS,
    DefinitionError,
    InputError,
    Mark,
    Problem,
    Problems,
    TooManyProblemsError,
    in_file_order,
)
from appliance.engine.order import in_order
from appliance.engine.rows import axis_name
from appliance.engine.run import Run, Slotted, no_time
from appliance.engine.scopes import Scope
from appliance.engine.shared import Shared
from appliance.engine.sources import NOTHING_OUTSIDE, Sources
from appliance.engine.state import basis_of_all
from appliance.engine.steps import PlannedStep, StepPlanner
from appliance.engine.turn import Output, Timer
from appliance.engine.validation import strict
from appliance.engine.values import OPEN, fixed
from appliance.engine.wiring import MOMENT_FIELDS, Wiring
from blocks.block import BlockType, Origin
from blocks.data import Image
from blocks.host import Host


@dataclass(frozen=True, slots=True)
class Need:
    """Something outside the workflow that it names: a model, a connection; and where it does."""

    kind: str
    name: str
    mark: Mark
    where: str


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """An output of the workflow: its slot, its type (of one element), its axes, and its step."""

    slot: int
    annotation: Any
    axes: Axes
    step: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked workflow, ready to be started once for each lane.

    `documents` are all files it was read from, its own the first, and that of the settings.
    `warnings` are what is probably not meant. `held` are the trees of what does not change in the
    workflows that run as steps, by full name. `shared` are the names of the steps that stand for
    all cameras of a pipeline.
    """

    definition: Definition
    document: Document
    documents: tuple[Document, ...]
    steps: tuple[PlannedStep, ...]
    outputs: Mapping[str, PlannedOutput]
    wiring: Wiring
    held: Mapping[str, Any]
    warnings: tuple[Problem, ...]
    shared: frozenset[str]

    @property
    def name(self) -> str:
        """The workflow's own name."""
        return self.definition.name

    def told(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems as they may be told: without what is hidden in any of its files."""
        found = list(problems)
        for document in self.documents:
            found = document.discreet(found)
        return found

    @property
    def output_types(self) -> dict[str, Any]:
        """The Python type of each of the workflow's outputs, as far as it is known beforehand.

        A value that is many is a tuple, of tuples where it is many of many.
        """
        types = {}
        for name, output in self.outputs.items():
            types[name] = many_of(output.annotation, len(output.axes))
        return types

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs that a pipeline fixes: what is given, and the defaults. Images are left out.

        Raises:
            InputError: every unknown input, missing one, and value of the wrong type.
        """
        wrong = list(misfits_of_inputs(self.definition, self.document, given))
        if wrong:
            told = self.told(misfit.problem for misfit in wrong)
            raise InputError("\n".join(problem.what for problem in told))
        return self._fitting(given)

    def misfits(self, given: Mapping[str, Any]) -> list[Misfit]:
        """All that does not fit with these inputs: the inputs, and the settings they go to."""
        wrong = list(misfits_of_inputs(self.definition, self.document, given))
        refused = {misfit.problem.where for misfit in wrong}
        usable = {name: v for name, v in given.items() if f"inputs.{name}" not in refused}
        values = self._fitting(usable)
        for step in self.steps:
            wrong += misfits_of_settings(step, values, usable)
        return wrong

    def _fitting(self, given: Mapping[str, Any]) -> dict[str, Any]:
        specs = {n: s for n, s in self.definition.inputs.items() if s.annotation is not Image}
        # What goes out to callers must not be the plan's own.
        values = {name: deepcopy(spec.default) for name, spec in specs.items() if spec.has_default}
        return values | {name: value for name, value in given.items() if name in specs}

    def needs(self, given: Mapping[str, Any] | None = None) -> tuple[Need, ...]:
        """What the workflow names outside of itself, with inputs as given or by default."""
        values = {n: s.default for n, s in self.definition.inputs.items() if s.has_default}
        values |= given or {}
        found = []
        for step in self.steps:
            for field, kind in step.names_outside.items():
                default = step.block.manifest.model_fields[field].default
                try:
                    name = fixed(step.settings.get(field, default), values)
                except InputError:
                    continue  # told by `misfits`
                # What only an input will name, and nobody has set, cannot be asked for yet.
                if isinstance(name, str):
                    mark = step.document.mark((*step.path, field))
                    found.append(Need(kind, name, mark, f"{step.where}.{field}"))
        return tuple(found)

    def share(
        self,
        given: Mapping[str, Any],
        host: Host,
        origin: Origin,
        lock: AbstractContextManager[Any] | None = None,
    ) -> Shared:
        """Make the blocks that stand for all cameras of a pipeline, to be given to each `start`.

        `lock` is held while they run. Raises as `start` does.
        """
        values = self._checked(given)
        steps = [step for step in self.steps if step.name in self.shared]
        blocks = self._blocks(steps, values, host, replace(origin, camera="*"))
        return Shared(blocks, basis_of_all(steps, self.steps, values), lock or nullcontext())

    def start(
        self,
        given: Mapping[str, Any],
        host: Host,
        origin: Origin,
        timer: Timer = no_time,
        outputs: Collection[str] | None = None,
        *,
        shared: Shared | None = None,
    ) -> Run:
        """Make the blocks, with their settings, for one lane.

        `outputs` are those of the workflow's outputs that somebody takes, all by default. A step
        that only makes pictures at which nobody would look is left out. `shared` are the blocks
        that stand for all cameras; without them the lane gets its own.

        Raises:
            InputError: the given inputs do not fit.
            DefinitionError: a setting does not fit, or a block refuses it.
        """
        values = self._checked(given)
        if shared is None:
            shared = self.share(given, host, origin)
        taken = {name: o for name, o in self.outputs.items() if outputs is None or name in outputs}
        looked_at = list(self.steps) if outputs is None else self._looked_at(taken)
        own = [step for step in looked_at if step.name not in self.shared]
        blocks = self._blocks(own, values, host, origin)
        basis = basis_of_all(own, self.steps, values)
        hidden = {value for document in self.documents for value in document.hidden}
        return Run(blocks, basis, shared, self._slotted(values, taken), timer, hidden)

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = self.values(given)
        problems = [misfit.problem for misfit in self.misfits(given)]
        if problems:
            raise DefinitionError(self.told(problems))
        return values

    def _blocks(
        self, steps: Iterable[PlannedStep], values: Mapping[str, Any], host: Host, origin: Origin
    ) -> list[tuple[PlannedStep, Any]]:
        blocks, problems = [], []
        for step in steps:
            place = replace(origin, workflow=self.name, step=step.name)
            try:
                blocks.append((step, _make_block(step, values, host, place)))
            except (ValueError, LookupError) as error:
                problems.append(Problem(step.document.mark(step.path), step.where, _text(error)))
        if problems:
            raise DefinitionError(self.told(problems))
        return blocks

    def _looked_at(self, outputs: Mapping[str, PlannedOutput]) -> list[PlannedStep]:
        """All steps but those that only make pictures, which no step and no output here takes."""
        taken = {output.step for output in outputs.values()}
        steps = []
        for step in reversed(self.steps):
            only_seen = set(step.block.outputs.values()) == {Image} or step.internal
            if not only_seen or step.name in taken:
                steps.append(step)
                taken |= step.after
        return steps[::-1]

    def _entered(self, values: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
        """What stands in slots in a turn without a frame, as if all workflows were entered."""
        for step in self.steps:
            if step.enters and not step.axes:
                yield step.outputs[-1], True
        for name, tree in self.held.items():
            try:
                value = fixed(tree, values)
            except InputError:
                continue  # as absent as with a frame
            if value is not OPEN and value is not None:
                yield self.wiring.slot(name), value

    def _slotted(self, values: Mapping[str, Any], outputs: Mapping[str, PlannedOutput]) -> Slotted:
        inputs = self.wiring.named("inputs")
        specs = self.definition.inputs
        frame = self.wiring.named("frame")
        # Before the template, since it may add slots to it.
        entered = tuple(self._entered(values))
        return Slotted(
            template=self.wiring.template({f"inputs.{n}": v for n, v in values.items()}),
            images=tuple(i for n, i in inputs.items() if specs[n].annotation is Image),
            moment_fields=tuple((n, i) for n, i in frame.items() if n in MOMENT_FIELDS),
            frame_fields=tuple((n, i) for n, i in frame.items() if n not in MOMENT_FIELDS),
            entered=entered,
            outputs=tuple(
                Output(
                    name,
                    o.slot,
                    tuple(self.wiring.slot(axis_name(a)) for a in o.axes),
                    # An input: an image is not among those that anybody could change.
                    copied=not o.step and o.annotation is not Image,
                )
                for name, o in outputs.items()
            ),
        )


def _make_block(step: PlannedStep, values: Mapping[str, Any], host: Host, origin: Origin) -> Any:
    settings = {name: fixed(tree, values) for name, tree in step.settings.items()}
    manifest = strict(step.block.manifest, {n: v for n, v in settings.items() if v is not OPEN})
    lent: dict[Any, Any] = {Host: host, Origin: origin}
    return step.block.cls(manifest, **{n: lent[k] for n, k in step.block.constructor.items()})


def _text(error: Exception) -> str:
    # A KeyError shows its argument in quotes.
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)


def load_plan(
    text: str, path: str, blocks: Mapping[str, BlockType], sources: Sources = NOTHING_OUTSIDE
) -> Plan:
    """Read and check a workflow text that is called `path` in messages.

    Raises:
        DefinitionError: everything that is wrong with it.
    """
    problems: list[Problem] = []
    definition, document = parse_definition(text, path, sources, problems)
    return make_plan(definition, document, blocks, sources, problems)


def make_plan(
    definition: Definition,
    document: Document,
    blocks: Mapping[str, BlockType],
    sources: Sources = NOTHING_OUTSIDE,
    problems: list[Problem] | None = None,
) -> Plan:
    """Check a definition against the blocks there are; `problems` are those it has already.

    Raises:
        DefinitionError: everything that is wrong with it.
    """
    problems = Problems(problems or ())
    drafts = Drafts(blocks, sources, problems)
    try:
        scope = drafts.read(definition, document)
        planner = StepPlanner(Wiring(), drafts, problems)
        steps = [planner.plan(draft) for draft in in_order(drafts.all, problems)]
        outputs = _outputs(scope, planner, drafts)
        shared = shared_steps(steps, problems)
    except TooManyProblemsError:
        if len(problems) >= MOST_PROBLEMS:
            what = f"of all that is wrong only the first {MOST_PROBLEMS} problems are told"
            problems.insert(0, Problem(document.mark(()), "", what))
    # A file that runs as a step several times is wrong once.
    found = list(dict.fromkeys(problems))
    for read in drafts.documents:
        found = read.discreet(found)
    if found:
        raise DefinitionError(found)
    taken = {output.step for output in outputs.values()}
    taken |= {drafts.producers[name] for name in drafts.offered if name in drafts.producers}
    advice = in_file_order(dict.fromkeys(warnings_of(steps, taken, drafts.all)))
    ordered = [s for s in steps if s.name not in shared] + [s for s in steps if s.name in shared]
    return Plan(
        definition,
        document,
        tuple(drafts.documents),
        tuple(ordered),
        outputs,
        planner.wiring,
        planner.held,
        tuple(advice),
        shared,
    )


def _outputs(scope: Scope, planner: StepPlanner, drafts: Drafts) -> dict[str, PlannedOutput]:
    found: dict[str, PlannedOutput] = {}
    exits = {draft.step.name: draft for draft in drafts.all if draft.exits and draft.scope is scope}
    for name, written in scope.definition.outputs.items():
        leaving = exits.get(name)
        if leaving is not None:
            full = leaving.output("value")
        else:
            known = drafts.find(scope, written, ("outputs", name), f"outputs.{name}")
            if known is None:
                continue
            full = scope.full(known)
        value = planner.values.get(full)
        if value is not None:
            step = drafts.producers.get(full, "")
            found[name] = PlannedOutput(value.slot, value.annotation, value.axes, step)
    return found
