"""Options and arguments that several commands take."""

from pathlib import Path

import click

from appliance.settings import default_state_dir, read_settings

STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where models, events and all that is to be remembered lie (default: .appliance).",
)
CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings file; config/appliance.yaml explains every key.",
)


def state_dir_of(config: Path | None, state_dir: Path | None) -> Path:
    """The state directory of the daemon that is meant."""
    if state_dir is None and config is not None:
        return read_settings(config).state_dir
    return state_dir or default_state_dir()


def named(_context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """The callback of an option that names a source: an empty one is refused."""
    if given is not None and not given.strip():
        raise click.BadParameter("this is empty; name a file, a URL, or a device", param=parameter)
    return given
