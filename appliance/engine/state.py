"""What blocks must not forget by a restart: taken from a run, and given to the next one.

State fits a step as long as the block is the same, its wires come from the same steps, and no
setting changed that is marked `RESETS`. What does not fit is set aside, with a sentence.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from appliance.engine.steps import PlannedStep
from appliance.engine.values import OPEN, fixed
from blocks.block import Resets, State


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state of one step, as texts: what it belongs to, and the model as JSON."""

    step: str
    type: str
    basis: str
    data: str


def basis_of(step: PlannedStep, values: Mapping[str, Any]) -> str:
    """What the state of a step rests on, as one text: where its wires come from, what resets it."""
    wires = {
        name: sorted({_producer(full) for full in fulls}) for name, fulls in step.wires.items()
    }
    fields = step.block.manifest.model_fields
    resets = {
        name: fixed(step.settings.get(name, OPEN), values)
        for name, field in fields.items()
        if any(isinstance(mark, Resets) for mark in field.metadata)
    }
    shown = {
        name: to_jsonable_python(fields[name].default) if value is OPEN else value
        for name, value in resets.items()
        if value is not OPEN or not fields[name].is_required()
    }
    return json.dumps({"wires": wires, "settings": shown}, sort_keys=True)


def _producer(full: str) -> str:
    """The step that gives a value, by its full name; inputs and the frame stand for themselves."""
    return full.rpartition(".")[0] if "steps." in full and full.count(".") > 1 else full


Stateful = Mapping[str, Any]
"""The blocks that have a state, by the names of their steps."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the states of some steps belong to: the types of their blocks, and what they rest on."""

    models: Mapping[str, type[State]]
    types: Mapping[str, str]
    texts: Mapping[str, str]


def basis_of_all(steps: Iterable[PlannedStep], values: Mapping[str, Any]) -> Basis:
    """What the states of steps belong to, with the inputs of the workflow as given."""
    found = {s.name: s for s in steps if s.block.state is not None}
    return Basis(
        {name: s.block.state for name, s in found.items() if s.block.state is not None},
        {name: s.block.type for name, s in found.items()},
        {name: basis_of(s, values) for name, s in found.items()},
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
