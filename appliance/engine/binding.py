"""What a workflow is given from outside against what it takes: every value that does not fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.engine.annotations import is_of, words
from appliance.engine.definition import Definition, InputSpec
from appliance.engine.document import Document, Path
from appliance.engine.errors import InputError, Problem, nearest, suggestion
from appliance.engine.selectors import is_selector, parse_selector, selectors_in
from appliance.engine.steps import PlannedStep
from appliance.engine.validation import faults, problem_of, shown, strict
from appliance.engine.values import OPEN, fixed
from blocks.data import Image


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something that does not fit once the inputs are given.

    `path` is where it stands in what was given, such as ("line", 1); it is empty where something is
    missing there, or where several inputs may be to blame. `problem` tells it of the workflow file.
    """

    path: Path
    problem: Problem

    @property
    def unknown(self) -> bool:
        """Whether there is no such input."""
        return self.problem.where == "inputs"

    @property
    def in_step(self) -> str:
        """The setting it goes to, such as `steps.gate.line`; empty if the input itself is wrong."""
        return self.problem.where if self.problem.where.startswith("steps.") else ""


def misfits_of_inputs(
    definition: Definition, document: Document, given: Mapping[str, Any]
) -> Iterator[Misfit]:
    """Inputs that are unknown, missing, or of another type than they are declared."""
    specs = {n: s for n, s in definition.inputs.items() if s.annotation is not Image}
    unknown = [name for name in given if name not in specs]
    for name in unknown:
        what = f"workflow {definition.name} has no input '{name}'"
        what += suggestion(name, specs, " (it has none)")
        yield Misfit((name,), Problem(document.key_mark(("inputs",)), "inputs", what))
    meant = {nearest(name, specs) for name in unknown}
    for name, spec in specs.items():
        what = _wrong_input(definition.name, name, spec, given)
        # Of an input whose name is misspelt it is not said as well that it is missing.
        if what and (name in given or name not in meant):
            problem = Problem(document.key_mark(("inputs", name)), f"inputs.{name}", what)
            yield Misfit((name,) if name in given else (), problem)


def _wrong_input(workflow: str, name: str, spec: InputSpec, given: Mapping[str, Any]) -> str:
    kind = words(spec.annotation)
    if name not in given:
        needed = f"workflow {workflow} needs a value for its input '{name}' ({kind})"
        return "" if spec.has_default else needed
    if is_of(given[name], spec.annotation):
        return ""
    return f"input '{name}' of workflow {workflow} must be {kind}, not {shown(given[name])}"


def misfits_of_settings(
    step: PlannedStep, values: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[Misfit]:
    """Settings of a step that do not fit with the values of inputs, and those `given` to blame.

    What depends on an input that has no value is not looked at.
    """
    settings: dict[str, Any] = {}
    for name, tree in step.settings.items():
        try:
            settings[name] = fixed(tree, values)
        except InputError as error:
            settings[name] = OPEN
            place = (*step.path, name)
            problem = Problem(step.document.mark(place), f"{step.where}.{name}", str(error))
            yield Misfit((), problem)
    unset = {name for name, value in settings.items() if value is OPEN}
    settings = {name: value for name, value in settings.items() if name not in unset}
    manifest = step.block.manifest
    try:
        strict(manifest, settings)
    except ValidationError as error:
        # Of a workflow that runs as a step the inputs are not those that are given here.
        written = {} if "/" in step.name else step.written
        for details in faults(error, unset):
            problem = problem_of(details, step.document, manifest, step.path)
            yield Misfit(_blamed(written, details["loc"], given), problem)


def _blamed(written: Mapping[str, Any], loc: Path, given: Mapping[str, Any]) -> Path:
    """Where the value at `loc` of a step's settings stands in what was given."""
    value: Any = written
    for i, part in enumerate(loc):
        value = _part(value, part)
        if is_selector(value):
            name = parse_selector(value).name
            if name in given:
                return (name, *_there(given[name], loc[i + 1 :]))
            break
    # Not the value itself, but one of those that stand beside it: `units` of a zone.
    for around in (value, written):
        names = {parse_selector(text).name for _, text in selectors_in(around)} & given.keys()
        if names:
            return tuple(names) if len(names) == 1 else ()
    return ()


def _there(value: Any, path: Path) -> Path:
    """As much of a path as there is in a value."""
    for i, part in enumerate(path):
        value = _part(value, part)
        if value is None:
            return path[:i]
    return path


def _part(value: Any, part: str | int) -> Any:
    """An entry of a mapping or a list; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None
