"""The command that draws a workflow file."""

from pathlib import Path

import click

from appliance.graph.diagram import diagram_of
from appliance.graph.mermaid import mermaid
from appliance.graph.svg import svg
from appliance.pipelines.planning import plan_file
from appliance.sentences import say, sentences
from appliance.sources import SettingsError
from blocks.loading import load_blocks

PICTURES = {"mermaid": mermaid, "svg": svg}
MERMAID_SUFFIXES = (".mmd", ".mermaid")


@click.command()
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
