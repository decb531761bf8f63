"""What a model does here: results on each provider, in each precision, for one caller and many."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from appliance.inference.children import child, last_words, run_child
from appliance.inference.choosing import choose, file_of
from appliance.inference.memory_need import free_mib, needed_mib, shortage
from appliance.inference.precision import has_bf16
from appliance.inference.providers import providers_in
from appliance.inference.rating import Cell, Rate
from appliance.inference.resolution import Resolved
from appliance.inference.session import OPENVINO, Computes, cores
from appliance.inference.store import Store

RATE = child("rating")
# Beside the time that is asked for: loading, which compiles.
LOADING_S = 120


@dataclass(frozen=True, slots=True)
class Variant:
    """A file of the model, what runs it and what that computes in; `name` is the precision's."""

    path: Path
    provider: str
    name: str
    precision: Computes = "fp32"


@dataclass(frozen=True, slots=True)
class Row:
    """What one variant gives to so many callers; without a rate, why there is none."""

    variant: Variant
    callers: int
    used: bool
    rate: Rate | None = None
    reason: str = ""


def rows(
    resolved: Resolved, store: Store, seconds: float, command: Sequence[str] = RATE
) -> Iterator[Row]:
    """Measure all there is, one after the other, each in a child process.

    The one that is `used` is what the daemon takes for this card.

    Raises:
        ModelError: nothing here can run the model, or not as its card says.
    """
    _, choice = choose(resolved, store)
    for variant in variants(resolved, store):
        name = "int8" if resolved.card.precision == "int8" else choice.precision
        used = (variant.provider, variant.name) == (choice.provider, name)
        for callers in sorted({1, cores()}):
            cell = Cell(
                model=variant.path.absolute(),
                provider=variant.provider,
                precision=variant.precision,
                form=resolved.form,
                callers=callers,
                seconds=seconds,
            )
            found = _rated(cell, command)
            if isinstance(found, Rate):
                yield Row(variant, callers, used, found)
            else:
                yield Row(variant, callers, used, reason=found)
                break


def variants(resolved: Resolved, store: Store) -> Iterator[Variant]:
    """What can be tried, by provider."""
    plain, fewer = (file_of(resolved, store, fewer=fewer) for fewer in (False, True))
    for provider in providers_in(resolved.card.providers):
        if plain is not None:
            yield Variant(plain.path, provider, "fp32")
            if provider == OPENVINO and has_bf16():
                yield Variant(plain.path, provider, "bf16", "bf16")
        if fewer is not None:
            yield Variant(fewer.path, provider, "int8")


def _rated(cell: Cell, command: Sequence[str]) -> Rate | str:
    """The rate, or why there is none."""
    lacking = shortage(needed_mib(cell.model), free_mib())
    if lacking:
        return lacking
    try:
        done = run_child(command, cell.model_dump_json(), LOADING_S + cell.seconds)
    except subprocess.TimeoutExpired:
        return "it took too long"
    if done.returncode < 0:
        return f"it crashed ({signal.Signals(-done.returncode).name})"
    if done.returncode > 0:
        return last_words(done)
    try:
        return Rate.model_validate_json(done.stdout.strip().splitlines()[-1])
    except (ValidationError, IndexError):
        return "it gave no rate"
