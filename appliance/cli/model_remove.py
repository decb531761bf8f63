"""`appliance models remove`: the file of a model or clip taken off this machine."""

from collections.abc import Sequence
from pathlib import Path

import click

from appliance.cli.model_entries import Entries, entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.engine.errors import DefinitionError
from appliance.inference.catalog import Entry, ModelError
from appliance.inference.declared import ADDED, forget
from appliance.sentences import sentences
from appliance.sources import SettingsError


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, help="Also what a pipeline of the settings uses.")
@CONFIG
@STATE_DIR
def model_remove(
    names: Sequence[str], config: Path | None, state_dir: Path | None, *, force: bool
) -> None:
    """Take models or clips off this machine, with all that was made of them.

    What was added is forgotten, too.
    """
    with sentences():
        there = entries(config, state_dir)
        found = [there.find(name) for name in names]
        for entry in found:
            _refuse_own(entry, there)
        if not force:
            _refuse_used(names, there)
        for entry in found:
            click.echo(_removed(entry, there))


def _refuse_own(entry: Entry, there: Entries) -> None:
    if entry.file is not None or entry.sha256 is None:
        raise ModelError(
            f"{entry.name} is declared in {there.where(entry.name)}, and its file is your own: "
            "take it out there"
        )


def _refuse_used(names: Sequence[str], there: Entries) -> None:
    try:
        users = there.users()
    except (SettingsError, DefinitionError) as error:
        raise ModelError(
            f"{error}\nso it is not known which models its pipelines use: mend it, or give --force"
        ) from None
    used = [f"{name} is used by {' and '.join(users[name])}" for name in names if name in users]
    if used:
        raise ModelError("; ".join(used) + ": --force removes it all the same")


def _removed(entry: Entry, there: Entries) -> str:
    store, name = there.store, entry.name
    rest = [other for other in there.all.values() if other.name != name]
    others = [other.name for other in rest if other.sha256 == entry.sha256]
    was_fitted = (store.banks / f"{name}.npz").exists()
    was_added = there.where(name) == ADDED and forget(store, name)
    try:
        kept = {other.sha256 for other in rest}
        was_there = store.remove(entry, kept) if not others else False
    except OSError as error:
        raise ModelError(f"{name}: cannot be removed: {error}") from None
    if others:
        return f"{name} is forgotten; its file stays, for {', '.join(others)}"
    if was_there or was_added:
        fitted = ", with what it was fitted to" if was_fitted and was_there else ""
        return f"{name} is removed{fitted}"
    return f"{name} was not on this machine"
