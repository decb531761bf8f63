"""What a model is, all told: what its card says, and for the rest what stands in its file."""

from dataclasses import dataclass, replace
from pathlib import Path

from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import Family, family_of
from appliance.inference.metadata import Facts, told


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


def resolve(card: ModelCard, path: Path, sha256: str, facts: Facts) -> Resolved:
    """What the card says, completed and checked by what stands in the file.

    Raises:
        ModelError: something is not said by either, or the card does not fit the file. The text
            names all of it, and the keys of the card to say it with.
    """
    heard = told(facts, card.family, card.labels, card.input.size)
    if heard.unknown or heard.size is None:
        what = "; ".join(heard.unknown)
        raise ModelError(f"{card.name}: the model card does not fit {path}: {what}")
    family = family_of(heard.family)
    usual = replace(family.form(heard.size), layout=heard.layout)
    return Resolved(card, path, sha256, facts, family, card.input.form(usual), heard.labels)
