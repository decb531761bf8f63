"""Commands of the daemon: start it, ask it, stop it."""

import json
import threading
from pathlib import Path

import click

from appliance.cli.options import CONFIG, STATE_DIR, state_dir_of
from appliance.cli.signals import stop_on_signals
from appliance.clock import SystemClock
from appliance.control import request
from appliance.daemon import serve
from appliance.inference.declared import cards
from appliance.observe.log import set_up_logging
from appliance.pipelines.planning import plan_pipelines
from appliance.sentences import sentences
from appliance.settings import logs_to_journal, read_settings
from blocks.loading import load_blocks

DEFAULT_CONFIG = Path("config/appliance.yaml")


@click.command("serve")
@CONFIG
@STATE_DIR
def serve_command(config: Path | None, state_dir: Path | None) -> None:
    """Run the daemon: all pipelines of the settings file, until it is told to stop."""
    set_up_logging("json" if logs_to_journal() else "console")
    with sentences():
        settings = read_settings(config or DEFAULT_CONFIG, state_dir)
        plans = plan_pipelines(settings, load_blocks(), cards(settings))
        clock, stop = SystemClock(), threading.Event()
        stop_on_signals(stop, clock)
        serve(settings, plans, clock, stop)


@click.command()
@CONFIG
@STATE_DIR
def status(config: Path | None, state_dir: Path | None) -> None:
    """Show what the running daemon does, as JSON."""
    with sentences():
        answer = request(state_dir_of(config, state_dir), "status")
        click.echo(json.dumps(answer, indent=2))


@click.command()
@CONFIG
@STATE_DIR
def stop(config: Path | None, state_dir: Path | None) -> None:
    """Tell the running daemon to stop."""
    with sentences():
        request(state_dir_of(config, state_dir), "stop")
        click.echo("the daemon is stopping")
