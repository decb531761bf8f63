"""`appliance models bench`: how fast a model is here, and what of it is used."""

from pathlib import Path

import click

from appliance.cli.model_entries import entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.bench import Row, rows
from appliance.inference.resolution import resolved
from appliance.inference.session import short
from appliance.inference.trials import verdicts
from appliance.observe.log import set_up_logging
from appliance.sentences import sentences

HEAD = ("PROVIDER", "PRECISION", "CALLERS", "RESULTS/S", "P50 MS", "MEMORY MIB", "")


@click.command()
@click.argument("model", metavar="NAME|FILE")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    help="How long each line is measured.",
)
@CONFIG
@STATE_DIR
def model_bench(model: str, seconds: float, config: Path | None, state_dir: Path | None) -> None:
    """Measure a model on each provider and in each precision, for one caller and for many.

    It is run on a drawn picture, without what comes before and after. `used` is what the daemon
    takes: stop the daemon first, or both are slow.
    """
    set_up_logging("console", "WARNING")
    with sentences():
        there = entries(config, state_dir)
        known = resolved(there.model(model), there.store)
        click.echo(_line(HEAD))
        for row in rows(known, there.store, seconds):
            click.echo(_line(_cells(row)))
        for verdict in verdicts(known.sha256, there.store.probes):
            if verdict.precision == "bf16" and verdict.works:
                off, output = verdict.measured.difference, verdict.measured.output
                click.echo(f"bf16 differs from fp32 by {off:.2g} of the spread of {output}")


def _cells(row: Row) -> tuple[str, ...]:
    first = (short(row.variant.provider), row.variant.name)
    if row.rate is None:
        return (*first, "", "", "", "", f"not used: {row.reason}")
    numbers = (str(row.callers), f"{row.rate.results_s:.1f}", f"{row.rate.p50_ms:.2f}")
    return (*first, *numbers, str(row.rate.memory_mib), "used" if row.used else "")


def _line(cells: tuple[str, ...]) -> str:
    provider, precision, *numbers, last = cells
    right = "  ".join(cell.rjust(len(head)) for cell, head in zip(numbers, HEAD[2:], strict=False))
    return f"{provider:10}{precision:9}  {right}  {last}".rstrip()
