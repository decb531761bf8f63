"""Commands of models and clips: what there is, and bringing it onto this machine."""

from collections.abc import Sequence
from pathlib import Path

import click

from appliance.cli.model_add import model_add
from appliance.cli.model_bench import model_bench
from appliance.cli.model_entries import Entries, entries
from appliance.cli.model_fit_anomaly import model_fit_anomaly
from appliance.cli.model_inspect import model_inspect
from appliance.cli.model_quantize import model_quantize
from appliance.cli.model_remove import model_remove
from appliance.cli.model_test import model_test
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.catalog import Entry, ModelCard, ModelError
from appliance.inference.fetch import pull
from appliance.inference.packages import FetchError
from appliance.sentences import REFUSED, fail, say, sentences

HEAD = ("NAME", "KIND", "SIZE", "STATE", "DECLARED", "LICENCE")


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List models and clips, fetch them, add your own, and look at one."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@CONFIG
@STATE_DIR
def list_models(config: Path | None, state_dir: Path | None) -> None:
    """List all models and clips: of the catalog, added, and declared in the settings.

    Every file is read through: `damaged` is one whose checksum is not the expected.
    """
    with sentences():
        there = entries(config, state_dir)
        rows = [HEAD, *(_row(entry, there) for entry in there.all.values())]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo("  ".join(cells).rstrip())


@models.command("pull")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@CONFIG
@STATE_DIR
def pull_models(names: Sequence[str], config: Path | None, state_dir: Path | None) -> None:
    """Fetch models or clips into the state directory, checked against their checksums.

    Without names: all models that the pipelines of the settings use. What broke off is gone on
    with. Beside `add URL`, this is the only command that uses the network.
    """
    with sentences():
        there = entries(config, state_dir)
        failures = []
        for entry in [there.find(name) for name in names or _used(there)]:
            try:
                pull(entry, there.store, say)
            except (FetchError, ModelError) as error:
                failures.append(str(error))
        if failures:
            fail("\n".join(failures), REFUSED)


def _used(there: Entries) -> list[str]:
    """The models in use that can be fetched."""
    if there.settings is None:
        raise click.UsageError("name what to fetch, or a settings file with --config")
    fetchable = {n for n, each in there.all.items() if each.url or each.package}
    return sorted(there.users().keys() & fetchable)


def _row(entry: Entry, there: Entries) -> tuple[str, ...]:
    return (
        entry.name,
        _kind(entry),
        *_size_and_state(entry, there),
        there.where(entry.name),
        entry.licence or "not said",
    )


def _kind(entry: Entry) -> str:
    if isinstance(entry, ModelCard):
        return entry.family or "model"
    return "clip"


def _size_and_state(entry: Entry, there: Entries) -> tuple[str, str]:
    if isinstance(entry, ModelCard) and entry.remote is not None:
        return "", "on a server"
    store = there.store
    if not store.has(entry):
        if entry.package is not None:
            return f"{entry.package.download_mb:g} MB", "to fetch"
        return "", "to fetch" if entry.url else "missing"
    try:
        path = store.verified(entry)
    except ModelError:
        return "", "damaged"
    return f"{path.stat().st_size / 1e6:.1f} MB", "ready"


# Each stands in a file of its own, model_*.py.
models.add_command(model_add, "add")
models.add_command(model_bench, "bench")
models.add_command(model_fit_anomaly, "fit-anomaly")
models.add_command(model_inspect, "inspect")
models.add_command(model_quantize, "quantize")
models.add_command(model_remove, "remove")
models.add_command(model_test, "test")
