"""The command `appliance`, with all its commands."""

import click

from appliance import __version__
from appliance.cli.blocks import blocks, schema_command
from appliance.cli.cameras import cameras
from appliance.cli.checking import check
from appliance.cli.daemon import serve_command, status, stop
from appliance.cli.drawing import graph
from appliance.cli.explaining import explain
from appliance.cli.models import models
from appliance.cli.running import demo, run

COMMANDS = (
    blocks,
    cameras,
    check,
    demo,
    explain,
    graph,
    models,
    run,
    schema_command,
    serve_command,
    status,
    stop,
)


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: appliance demo · then: appliance run workflows/people-count.yaml "
    "--source rtsp://camera/stream --connection plant=mqtt://broker",
)
@click.version_option(__version__, prog_name="appliance")
def main() -> None:
    """Runs workflow files on camera streams, and acts on what they decide.

    A workflow file wires blocks into a graph: a model, logic, counting, sinks. `run` tries one on a
    clip or a camera; `serve` is the daemon that runs those of a settings file for months.
    """
