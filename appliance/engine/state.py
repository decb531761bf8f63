"""What blocks must not forget by a restart: taken from a run, and given to the next one.

State fits a step as long as the block is the same, its wires come from the same steps, and no
setting changed that is marked `RESETS`. What does not fit is set aside, with a sentence.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from appliance.engine.steps import PlannedStep
from appliance.engine.validation import strict
from appliance.engine.values import OPEN, fixed
from blocks.block import Resets, State


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of one step, as texts: what it belongs to, and the model as JSON."""

    step: str
    type: str
    basis: str
    data: str


def basis_of(step: PlannedStep, values: Mapping[str, Any], doors: Mapping[str, PlannedStep]) -> str:
    """What the state of a step rests on, as one text: where its wires come from, what resets it.

    `doors` are the entrances and exits of workflows that run as steps: wires are followed through.
    """
    wires = {
        name: sorted({source for full in fulls for source in _sources(full, doors)})
        for name, fulls in step.wires.items()
    }
    settings = {name: fixed(tree, values) for name, tree in step.settings.items()}
    manifest = strict(step.block.manifest, {n: v for n, v in settings.items() if v is not OPEN})
    fields = type(manifest).model_fields.items()
    resets = {n for n, field in fields if any(isinstance(m, Resets) for m in field.metadata)}
    # As the block sees them: whether a number was written 1 or 1.0 is nothing to it.
    shown = manifest.model_dump(mode="json", include=resets)
    return json.dumps({"wires": wires, "settings": shown}, sort_keys=True)


def _sources(full: str, doors: Mapping[str, PlannedStep]) -> Iterator[str]:
    """The steps that give a value, by its full name; inputs and the frame stand for themselves."""
    entrance, _, given = full.rpartition("/inputs.")
    step, _, output = full.rpartition(".")
    if entrance in doors:
        behind = doors[entrance].wires.get(given, ())
    elif step in doors:
        behind = doors[step].wires.get(output, ())
    else:
        yield step if "steps." in full and full.count(".") > 1 else full
        return
    for source in behind:
        yield from _sources(source, doors)


Stateful = Mapping[str, Any]
"""The blocks that have a state, by the names of their steps."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the states of some steps belong to: the types of their blocks, and what they rest on."""

    models: Mapping[str, type[State]]
    types: Mapping[str, str]
    texts: Mapping[str, str]


def basis_of_all(
    steps: Iterable[PlannedStep], whole: Iterable[PlannedStep], values: Mapping[str, Any]
) -> Basis:
    """What the states of steps belong to, with the inputs of the workflow as given.

    `whole` are all steps of the plan.
    """
    doors = {s.name: s for s in whole if s.enters or s.internal}
    found = {s.name: s for s in steps if s.block.state is not None}
    return Basis(
        {name: s.block.state for name, s in found.items() if s.block.state is not None},
        {name: s.block.type for name, s in found.items()},
        {name: basis_of(s, values, doors) for name, s in found.items()},
    )


def stored(blocks: Stateful, basis: Basis) -> tuple[StoredState, ...]:
    """The states of blocks as texts to be kept."""
    return tuple(
        StoredState(name, basis.types[name], basis.texts[name], block.state.model_dump_json())
        for name, block in blocks.items()
    )


def restore(blocks: Stateful, basis: Basis, entries: Iterable[StoredState]) -> tuple[str, ...]:
    """Give blocks the state that was kept for them; a sentence for each that is set aside."""
    aside = []
    for entry in entries:
        block = blocks.get(entry.step)
        if block is None:
            aside.append(f"the state of step '{entry.step}' has no place: it keeps no state now")
            continue
        reason = _misfit(entry, basis.types[entry.step], basis.texts[entry.step])
        reason = reason or _give(block, basis.models[entry.step], entry.data)
        if reason:
            aside.append(f"the state of step '{entry.step}' is set aside: {reason}")
    return tuple(aside)


def _give(block: Any, model: type[State], data: str) -> str:
    """Why a state cannot be taken; empty if it is."""
    try:
        block.state = model.model_validate_json(data)
    except ValidationError as error:
        return f"it cannot be read: {error.errors()[0]['msg']}"
    return ""


def _misfit(entry: StoredState, type_: str, now: str) -> str:
    if entry.type != type_:
        return f"it is of {entry.type}, the step is {type_} now"
    if entry.basis == now:
        return ""
    try:
        old, new = json.loads(entry.basis), json.loads(now)
        changed = [n for n in new["settings"] if old["settings"].get(n) != new["settings"][n]]
        wires = old["wires"] != new["wires"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return "what it rests on cannot be read"
    what = [f"'{name}' has changed" for name in changed]
    what += ["it is wired to other steps"] if wires else []
    return " and ".join(what) or "its settings are others now"
