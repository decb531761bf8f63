"""`appliance models quantize`: an int8 copy of a model, and what it finds less."""

from pathlib import Path
from typing import Literal

import click

from appliance.cli.model_entries import entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.quantization import Record, pictures_in, quantize
from appliance.inference.resolution import resolved
from appliance.observe.log import set_up_logging
from appliance.sentences import say, sentences

ENOUGH = 30


@click.command()
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A folder of pictures like those the camera gives, 30 or more.",
)
@click.option(
    "--keep",
    type=click.Choice(["int8", "fp32"]),
    default="int8",
    show_default=True,
    help="fp32: only report, and keep no copy.",
)
@CONFIG
@STATE_DIR
def model_quantize(
    model: str,
    samples: Path,
    keep: Literal["int8", "fp32"],
    config: Path | None,
    state_dir: Path | None,
) -> None:
    """Make a copy of a model that computes in 8 bits, and compare both on the samples.

    Cards with `precision: int8` use the copy. It needs the package onnx, which is downloaded for
    this and removed if it is not there.
    """
    set_up_logging("console", "WARNING")
    with sentences():
        there = entries(config, state_dir)
        known = resolved(there.model(model), there.store)
        kept, pictures = keep == "int8", pictures_in(samples)
        if len(pictures) < ENOUGH:
            count = "1 picture is" if len(pictures) == 1 else f"{len(pictures)} pictures are"
            say(f"{count} few: with {ENOUGH} or more, less is lost")
        record = quantize(known, pictures, there.store, say, keep=kept)
        click.echo(_told(known.card.name, record))
        if kept:
            click.echo("kept: models use it whose card says `precision: int8`")


def _told(name: str, record: Record) -> str:
    faster = record.fp32_ms / record.int8_ms if record.int8_ms else 1.0
    return (
        f"{name}: int8 against fp32 on {record.samples} pictures: {record.measure} "
        f"{record.agreement:.1%}; {record.fp32_ms:.1f} ms before, {record.int8_ms:.1f} ms after "
        f"for a result ({faster:.2f} times as fast)"
    )
