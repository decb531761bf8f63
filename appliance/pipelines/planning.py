"""From settings to plans: every workflow read and checked, with all that it names outside."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.engine.annotations import words
from appliance.engine.document import Document, dotted
from appliance.engine.document import Path as Place
from appliance.engine.errors import DefinitionError, InputError, Problem, suggestion
from appliance.engine.plan import Need, Plan, load_plan
from appliance.settings import BUILT_IN, Settings, model_file, sources_for
from appliance.sources import SettingsError, read_text
from blocks.block import BlockType
from blocks.data import Image


def plan_file(
    path: Path, blocks: Mapping[str, BlockType], settings: Settings | None = None
) -> Plan:
    """Read and check one workflow file; with a settings file it may use the secrets beside that.

    Raises:
        SettingsError: the file cannot be read.
        DefinitionError: everything that is wrong in it.
    """
    text = read_text(path, "workflow file")
    return load_plan(text, str(path), blocks, sources_for(path, settings))


def plan_pipelines(
    settings: Settings, blocks: Mapping[str, BlockType], models: Collection[str]
) -> dict[str, Plan]:
    """The plan of each pipeline, by its name; `models` are the names of the models there are.

    Raises:
        DefinitionError: everything that is wrong in all of the workflows, and in their bindings.
        SettingsError, InputError: the same without a settings file, of the one workflow there is.
    """
    plans: dict[str, Plan] = {}
    problems: list[Problem] = []
    for name, pipeline in settings.pipelines.items():
        try:
            plan = _bound(plan_file(settings.workflow_path(name), blocks, settings), settings)
        except DefinitionError as error:
            problems += error.problems
        except SettingsError as error:
            # Without a settings file the user named the workflow himself.
            if settings.document is None:
                raise
            mark = settings.document.key_mark(("pipelines", name, "workflow"))
            problems.append(Problem(mark, f"pipelines.{name}.workflow", str(error)))
        else:
            plans[name] = plan
            problems += plan.told(unmet(plan.needs(pipeline.inputs), settings, models))
            wrong = _wrong_inputs(plan, pipeline.inputs)
            if wrong and settings.document is None:
                raise InputError("\n".join(map(str, wrong)))
            if settings.document is not None:
                problems += [value.placed(settings.document, name) for value in wrong]
    if problems:
        told = dict.fromkeys(problems)
        raise DefinitionError(settings.document.discreet(told) if settings.document else told)
    return plans


def _bound(plan: Plan, settings: Settings) -> Plan:
    """The plan that knows what else is hidden: its inputs come from the settings file."""
    if settings.document is None:
        return plan
    return replace(plan, documents=(*plan.documents, settings.document))


@dataclass(frozen=True, slots=True)
class _WrongInput:
    """Something wrong with the inputs of a pipeline; `place` is where in them, if it is there.

    `missing` is the name of an input that is not given, though it must be.
    """

    place: Place
    what: str
    unknown: bool
    missing: str
    in_steps: tuple[str, ...]
    workflow: str

    def __str__(self) -> str:
        """The sentence where there is no file that it stands in."""
        named = f"input '{dotted(self.place)}': " if self.place and self.in_steps else ""
        how = f"; give it as --set {self.missing}=…" if self.missing else ""
        return f"{named}{self.sentence}{how}"

    @property
    def sentence(self) -> str:
        """What is wrong, with the settings that the value goes to."""
        if not self.in_steps:
            return self.what
        return f"{self.what} (at {' and '.join(self.in_steps)} of workflow {self.workflow})"

    def placed(self, document: Document, pipeline: str) -> Problem:
        """The problem where the value stands in the settings file."""
        place = ("pipelines", pipeline, "inputs", *self.place)
        at_key = self.unknown or not self.place
        mark = document.key_mark(place) if at_key else document.mark(place)
        return Problem(mark, dotted(place), self.sentence)


def _wrong_inputs(plan: Plan, given: Mapping[str, Any]) -> list[_WrongInput]:
    # One value may go to several steps, and be wrong for all of them for the same reason.
    found: dict[tuple[Place, str, bool, str], list[str]] = {}
    for misfit in plan.misfits(given):
        (told,) = plan.told([misfit.problem])
        missing = "" if misfit.path or misfit.unknown else misfit.problem.where.partition(".")[2]
        in_steps = found.setdefault((misfit.path, told.what, misfit.unknown, missing), [])
        in_steps += [misfit.in_step] if misfit.in_step else []
    return [_WrongInput(*told, tuple(in_steps), plan.name) for told, in_steps in found.items()]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: lines for files that are right, and texts for what is refused."""

    lines: tuple[str, ...]
    refusals: tuple[str, ...]


def check_files(
    files: Sequence[Path],
    settings: Settings | None,
    blocks: Mapping[str, BlockType],
    models: Collection[str],
) -> Checked:
    """Check workflow files; with settings, also these and all their pipelines.

    Without settings nothing outside is known: what a workflow names there becomes a note. What is
    probably not meant becomes a warning; neither is refused.
    """
    lines: list[str] = []
    refusals: list[str] = []
    bound: set[str] = set()
    refused: set[str] = set()
    if settings is not None:
        bound = {_place(settings.workflow_path(name)) for name in settings.pipelines}
        try:
            plans = plan_pipelines(settings, blocks, models)
            where = settings.document.path if settings.document else "settings"
            lines.append(f"{where}: ok, {_count(plans, 'pipeline')}")
            # Two pipelines may be of one workflow.
            lines += dict.fromkeys(text for plan in plans.values() for text in _warnings(plan))
        except DefinitionError as error:
            refusals.append(str(error))
            refused = {_place(Path(problem.mark.path)) for problem in error.problems}
    for file in files:
        # What is wrong with the file of a pipeline has been told already.
        told = _place(file) in bound
        try:
            plan = plan_file(file, blocks, settings)
        except (SettingsError, DefinitionError) as error:
            if not told:
                refusals.append(str(error))
            continue
        missing = [] if settings is None or told else unmet(plan.needs(), settings, models)
        refusals += map(str, plan.told(missing))
        if not missing and _place(file) not in refused:
            lines.append(f"{file}: ok, {_count(plan.definition.steps, 'step')}")
        if settings is None:
            lines += map(str, plan.told(_notes(plan)))
        lines += () if told else _warnings(plan)
    return Checked(tuple(lines), tuple(refusals))


def _place(path: Path) -> str:
    """One text for one file, however it is named; it need not be there."""
    return os.path.realpath(path)


def _count(things: Sized, name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _warnings(plan: Plan) -> list[str]:
    return [str(problem) for problem in plan.told(plan.warnings)]


def _notes(plan: Plan) -> Iterator[Problem]:
    """What has to be given from outside: inputs, models, and connections that are not built in."""
    for name, spec in plan.definition.inputs.items():
        if spec.annotation is not Image and not spec.has_default:
            mark = replace(plan.document.key_mark(("inputs", name)), excerpt="")
            what = f"needs a value ({words(spec.annotation)}), as in --set {name}=…"
            yield Problem(mark, f"inputs.{name}", what, "note")
    for need in plan.needs():
        what = _outside(need)
        if what:
            yield Problem(replace(need.mark, excerpt=""), need.where, what, "note")


def _outside(need: Need) -> str:
    """What is to be said of something outside where nothing is known of that."""
    if need.kind == "connection" and need.name in BUILT_IN:
        return ""
    file = model_file(need.name, need.mark.path) if need.kind == "model" else None
    if file is None:
        return f"needs the {need.kind} '{need.name}'"
    return "" if file.is_file() else f"needs the model file {file}, which is not there"


def unmet(needs: Collection[Need], settings: Settings, models: Collection[str]) -> list[Problem]:
    """A problem for each need that the settings do not meet."""
    problems = []
    for need in needs:
        if need.kind == "model":
            what = _missing_model(need, models)
        else:
            what = _missing_connection(need.name, settings)
        if what:
            problems.append(Problem(need.mark, need.where, what))
    return problems


def _missing_model(need: Need, models: Collection[str]) -> str:
    """What is to be said of a model that is not there; nothing if it is."""
    file = model_file(need.name, need.mark.path)
    if need.name in models or (file is not None and file.is_file()):
        return ""
    if file is not None:
        return f"there is no model file {file}{suggestion(file.name, _models_in(file.parent))}"
    hint = suggestion(need.name, models)
    return f"there is no model '{need.name}'{hint}; `appliance models` lists them"


def _missing_connection(name: str, settings: Settings) -> str:
    if name in settings.connections:
        return ""
    what = f"there is no connection '{name}'{suggestion(name, settings.connections)}; "
    if settings.document is None:
        return what + f"give it as --connection {name}=URL, such as mqtt://host:1883"
    return what + f"declare it under `connections` in {settings.document.path}"


def _models_in(folder: Path) -> list[str]:
    try:
        return [file.name for file in folder.iterdir() if file.suffix == ".onnx"]
    except OSError:
        return []
