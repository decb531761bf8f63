"""From settings to plans: every workflow read and checked, with all that it names outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.engine.errors import DefinitionError, InputError, Problem, suggestion
from appliance.engine.plan import Need, Plan, load_plan
from appliance.settings import Settings, SettingsError, read_text
from blocks.block import BlockType


def plan_file(path: Path, blocks: Mapping[str, BlockType]) -> Plan:
    """Read and check one workflow file.

    Raises:
        SettingsError: the file cannot be read.
        DefinitionError: everything that is wrong in it.
    """
    return load_plan(read_text(path, "workflow file"), str(path), blocks)


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
            plan = plan_file(settings.workflow_path(name), blocks)
            plan.values(pipeline.inputs)
        except DefinitionError as error:
            problems += error.problems
        except (SettingsError, InputError) as error:
            # Without a settings file the user named the workflow and its inputs himself.
            if settings.document is None:
                raise
            key = "workflow" if isinstance(error, SettingsError) else "inputs"
            mark = settings.document.mark(("pipelines", name, key))
            problems.append(Problem(mark, f"pipelines.{name}.{key}", str(error)))
        else:
            plans[name] = plan
            problems += unmet(plan.needs(pipeline.inputs), settings, models)
    if problems:
        raise DefinitionError(dict.fromkeys(problems))
    return plans


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

    Without settings nothing outside is known: what a workflow names there becomes a note.
    """
    lines: list[str] = []
    refusals: list[str] = []
    if settings is not None:
        try:
            plans = plan_pipelines(settings, blocks, models)
            where = settings.document.path if settings.document else "settings"
            lines.append(f"{where}: ok, {len(plans)} pipelines")
        except DefinitionError as error:
            refusals.append(str(error))
    # A file that is a pipeline as well has been refused already, in the same words.
    told = "\n".join(refusals)
    for file in files:
        try:
            plan = plan_file(file, blocks)
        except (SettingsError, DefinitionError) as error:
            if str(error) not in told:
                refusals.append(str(error))
            continue
        missing = unmet(plan.needs(), settings, models) if settings is not None else []
        refusals += [str(problem) for problem in missing if str(problem) not in told]
        if missing:
            continue
        lines.append(f"{file}: ok, {len(plan.steps)} steps")
        if settings is None:
            lines += [str(_note(need)) for need in plan.needs()]
    return Checked(tuple(lines), tuple(refusals))


def _note(need: Need) -> Problem:
    mark = replace(need.mark, excerpt="")
    return Problem(mark, need.where, f"needs the {need.kind} '{need.name}'", "note")


def unmet(needs: Collection[Need], settings: Settings, models: Collection[str]) -> list[Problem]:
    """A problem for each need that the settings do not meet."""
    known: dict[str, Collection[str]] = {"model": models, "connection": settings.connections}
    problems = []
    for need in needs:
        if need.name in known[need.kind]:
            continue
        hint = suggestion(need.name, known[need.kind])
        if need.kind == "model":
            hint = f"{hint}; `appliance models` lists them"
        elif settings.document is None:
            hint = f"; give it as --connection {need.name}=URL, such as mqtt://host:1883{hint}"
        else:
            hint = f"; declare it under `connections` in {settings.document.path}{hint}"
        what = f"there is no {need.kind} '{need.name}'{hint}"
        problems.append(Problem(need.mark, need.where, what))
    return problems
