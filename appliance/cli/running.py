"""Commands that run a workflow on one source: `run` and `demo`."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from appliance.cli.options import STATE_DIR, named
from appliance.cli.signals import STOP_SIGNALS, stop_on_signals
from appliance.clock import SystemClock
from appliance.engine.document import read_document
from appliance.engine.scalars import plain_scalar
from appliance.inference.catalog import find, load_catalog
from appliance.inference.fetch import pull, pull_demo_clip
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from appliance.pipelines.planning import plan_file
from appliance.runs import RunOptions, RunStopped, run_workflow
from appliance.sentences import FAILED, say, sentences
from appliance.settings import Settings, default_state_dir, settings_for_run
from appliance.shipped import shipped
from appliance.sources import SettingsError
from blocks.loading import load_blocks

DEMO_MODEL = "people-ssdlite"
DEMO_WORKFLOW = "workflows/people-count.yaml"


@click.command()
@click.argument("workflow", type=click.Path(path_type=Path))
@click.option(
    "--source",
    required=True,
    callback=named,
    help="A video file, an rtsp:// or http:// URL, /dev/video0.",
)
@click.option(
    "--set",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an input of the workflow; a list as line='[[0, 0.5], [1, 0.5]]'.",
)
@click.option(
    "--connection",
    "connections",
    multiple=True,
    metavar="NAME=URL",
    help="An outside system the workflow names, such as plant=mqtt://host:1883.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the annotated video here (mp4, mkv)."
)
@click.option(
    "--fast",
    "pace",
    flag_value="fast",
    default="fast",
    help="A file: every frame, as fast as it can (the default).",
)
@click.option(
    "--realtime",
    "pace",
    flag_value="realtime",
    help="A file: at the pace it was taken, skipping what does not fit.",
)
@STATE_DIR
def run(
    workflow: Path,
    source: str,
    inputs: Sequence[str],
    connections: Sequence[str],
    output: Path | None,
    pace: str,
    state_dir: Path | None,
) -> None:
    """Run a workflow file on one source, and sum up what it saw.

    Events of the connection `local` go to a SQLite file under the state directory. In those of a
    file the times are the file's own, from the start of the run on. Ctrl-C ends the run cleanly.
    """
    with sentences():
        settings = settings_for_run(
            workflow,
            source,
            _inputs(workflow, dict(_pairs(inputs, "--set"))),
            dict(_pairs(connections, "--connection")),
            state_dir,
        )
        _run(settings, RunOptions(output=output, realtime=pace == "realtime"))


def _run(settings: Settings, options: RunOptions) -> None:
    set_up_logging("console", "WARNING")
    clock, stop = SystemClock(), threading.Event()
    # Before the first frame there is nothing to end cleanly, and while a camera is being opened
    # Python would not hear of the signal.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    begin = partial(stop_on_signals, stop, clock)
    try:
        click.echo(run_workflow(settings, options, clock, stop, begin))
    except RunStopped as stopped:
        click.echo(str(stopped))
        raise SystemExit(FAILED) from None


@click.command()
@click.option(
    "--source",
    callback=named,
    help="Your own video file, camera or URL instead of the demo clip.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where the annotated video goes.")
@STATE_DIR
def demo(source: str | None, output: Path | None, state_dir: Path | None) -> None:
    """Fetch the demo model and clip once, and count people in them."""
    with sentences():
        state = state_dir or default_state_dir()
        catalog, store = load_catalog(), Store(state)
        pull(find(catalog, DEMO_MODEL), store, say)
        clip = source or str(pull_demo_clip(catalog, store, say))
        workflow = shipped(DEMO_WORKFLOW)
        settings = settings_for_run(workflow, clip, {}, {}, state)
        _run(settings, RunOptions(output=output or state / "people-count.mp4"))


def _pairs(given: Sequence[str], flag: str) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # Only the beginning: the rest may hold a password.
            raise SettingsError(f"{flag} takes NAME=VALUE, not '{text.partition('://')[0]}'")
        yield name, value


def _inputs(workflow: Path, given: Mapping[str, str]) -> dict[str, Any]:
    """The inputs that are set: for one that is a text it is taken as it is written."""
    declared = plan_file(workflow, load_blocks()).definition.inputs if given else {}
    texts = {name for name, spec in declared.items() if spec.annotation is str}
    return {n: text if n in texts else _value(n, text) for n, text in given.items()}


def _value(name: str, text: str) -> Any:
    """What is set: a number, a text, true or false; with its brackets also a list or a mapping."""
    if text.startswith(("[", "{")):
        return read_document(text, f"--set {name}").data
    return plain_scalar(text)
