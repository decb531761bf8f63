"""The command that checks workflow files and settings."""

from collections.abc import Sequence
from pathlib import Path

import click

from appliance.camera_settings import doubts
from appliance.cli.options import CONFIG
from appliance.inference.catalog import load_catalog, model_cards
from appliance.inference.declared import cards
from appliance.pipelines.planning import check_files
from appliance.sentences import REFUSED, fail, sentences
from appliance.settings import Settings, read_settings
from appliance.sources import SettingsError
from blocks.loading import load_blocks


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@CONFIG
def check(files: Sequence[Path], config: Path | None) -> None:
    """Check workflow files, and with --config the settings and every pipeline in them.

    All that is wrong is shown at once. Without --config, the models and connections that a workflow
    names are listed as notes; with it, one that is not declared is an error.
    """
    with sentences():
        if not files and config is None:
            raise SettingsError("name workflow files, or a settings file with --config")
        settings = read_settings(config) if config else None
        models = cards(settings) if settings else model_cards(load_catalog())
        checked = check_files(files, settings, load_blocks(), models)
        for line in checked.lines:
            click.echo(line)
        for warning in _doubts(settings):
            click.echo(warning)
        if checked.refusals:
            fail("\n".join(checked.refusals), REFUSED)


def _doubts(settings: Settings | None) -> Sequence[str]:
    if settings is None or settings.document is None:
        return ()
    used = {name for each in settings.pipelines.values() for name in each.cameras}
    return [str(each) for each in doubts(settings.cameras, used, settings.base, settings.document)]
