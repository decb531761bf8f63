"""The command that checks workflow files and settings."""

from collections.abc import Sequence
from pathlib import Path

import click

from appliance.camera_settings import doubts
from appliance.cli.options import CONFIG
from appliance.engine.errors import DefinitionError
from appliance.inference.catalog import load_catalog, model_cards
from appliance.inference.declared import cards
from appliance.inference.models import Models
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from appliance.pipelines.planning import check_files, plan_pipelines
from appliance.sentences import REFUSED, fail, sentences
from appliance.settings import Settings, read_settings
from appliance.sources import SettingsError
from blocks.block import Origin
from blocks.loading import load_blocks


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@CONFIG
def check(files: Sequence[Path], config: Path | None) -> None:
    """Check workflow files, and with --config the settings and every pipeline in them.

    All that is wrong is shown at once. Without --config, the models and connections that a workflow
    names are listed as notes; with it, one that is not declared is an error, and so is a model on
    this machine that cannot be used.
    """
    with sentences():
        set_up_logging("console", "WARNING")
        if not files and config is None:
            raise SettingsError("name workflow files, or a settings file with --config")
        settings = read_settings(config) if config else None
        models = cards(settings) if settings else model_cards(load_catalog())
        checked = check_files(files, settings, load_blocks(), models)
        for line in checked.lines:
            click.echo(line)
        for warning in _doubts(settings):
            click.echo(warning)
        refusals = list(checked.refusals)
        if settings is not None and not refusals:
            refusals = _unusable(settings)
        if refusals:
            fail("\n".join(refusals), REFUSED)


def _unusable(settings: Settings) -> list[str]:
    """What is wrong with the models on this machine; a note for those that are not here yet."""
    plans = plan_pipelines(settings, load_blocks(), cards(settings))
    needs = [n for name, plan in plans.items() for n in plan.needs(settings.pipelines[name].inputs)]
    known, store = cards(settings, needs), Store(settings.state_dir)
    refused = []
    for name, plan in plans.items():
        inputs = settings.pipelines[name].inputs
        wanted = {need.name for need in plan.needs(inputs) if need.kind == "model"}
        absent = sorted(
            each
            for each in wanted & known.keys()
            if known[each].file is None and not known[each].remote and not store.has(known[each])
        )
        for each in absent:
            pull = f"`appliance models pull {each}`"
            click.echo(f"note: the model {each} is not on this machine yet: run {pull}")
        if absent:
            continue
        try:
            plan.start(inputs, Models(store, known), Origin(plan.name, name, "", ""))
        except DefinitionError as error:
            refused.append(str(error))
    return list(dict.fromkeys(refused))


def _doubts(settings: Settings | None) -> Sequence[str]:
    if settings is None or settings.document is None:
        return ()
    used = {name for each in settings.pipelines.values() for name in each.cameras}
    return [str(each) for each in doubts(settings.cameras, used, settings.base, settings.document)]
