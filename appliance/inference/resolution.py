"""What a model is, all told: what its card says, and for the rest what stands in its file."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.inference import graph, metadata
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import Family, family_of
from appliance.inference.metadata import Facts, told
from appliance.inference.session import runtime_version
from appliance.inference.store import Store

# Of what is read from a file and how: with another number, all are read again.
VERSION = 2

log = structlog.get_logger(__name__)


class _Known(BaseModel):
    """What stands in a model file, as a version of this program read it with an onnxruntime."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    runtime: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model that is ready to be loaded. `labels` of a text recogniser are its characters."""

    card: ModelCard
    path: Path
    sha256: str
    facts: Facts
    family: Family
    form: Form
    labels: tuple[str, ...]


def resolved(card: ModelCard, store: Store) -> Resolved:
    """A model of this machine: its file checked, read as far as it is not known, and completed.

    Raises:
        ModelError: it is not fetched, damaged or no model, or its card does not fit it.
    """
    kept = store.whole(card)
    try:
        facts = known_facts(kept.path, kept.sha256, store)
    except ValueError as error:
        raise ModelError(f"{card.name}: {error}") from None
    found = resolve(card, kept.path, kept.sha256, facts)
    log.info(
        "model read",
        model=card.name,
        family=found.family.name,
        size=found.form.size,
        labels=len(found.labels),
    )
    return found


def resolve(card: ModelCard, path: Path, sha256: str, facts: Facts) -> Resolved:
    """What the card says, completed and checked by what stands in the file.

    Raises:
        ModelError: something is not said by either, or the card does not fit the file. The text
            names all of it, and the keys of the card to say it with.
    """
    heard = told(facts, card.family, card.labels, card.input.size)
    if heard.unknown or heard.size is None:
        what = "; ".join(heard.unknown)
        if _says_nothing(card):
            raise ModelError(
                f"{card.name}: {path} does not tell all that must be known: {what}; say it in a "
                f"card under `models` in the settings, or to `appliance models add {path}`"
            )
        raise ModelError(f"{card.name}: the model card does not fit {path}: {what}")
    family = family_of(heard.family)
    usual = replace(family.form(heard.size), layout=heard.layout)
    return Resolved(card, path, sha256, facts, family, card.input.form(usual), heard.labels)


def _says_nothing(card: ModelCard) -> bool:
    return card.family is None and not card.labels and card.input.size is None


def known_facts(path: Path, sha256: str, store: Store) -> Facts:
    """What stands in a model file, kept by its checksum: some files only the runtime can read.

    Raises:
        ValueError: it is no model that can be loaded; a sentence.
    """
    why = graph.problems(path)
    if why:
        raise ValueError(f"{path} {why}")
    kept = store.facts / f"{sha256}.json"
    with suppress(OSError, ValidationError):
        known = _Known.model_validate_json(kept.read_bytes())
        if (known.version, known.runtime) == (VERSION, runtime_version()):
            return known.facts
    facts = graph.facts_of(path) or metadata.read(path)
    # Where nothing can be written, it is read again at the next start.
    with suppress(OSError):
        found = _Known(version=VERSION, runtime=runtime_version(), facts=facts)
        store.written(kept, found.model_dump_json())
    return facts
