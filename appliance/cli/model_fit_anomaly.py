"""`appliance models fit-anomaly`: what good pictures look like, so that others can be told."""

from pathlib import Path

import click

from appliance.cli.model_entries import entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.anomaly_fitting import fit_anomaly
from appliance.inference.models import Models
from appliance.observe.log import set_up_logging
from appliance.sentences import say, sentences


@click.command()
@click.argument("model", metavar="NAME")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A folder of good pictures: fifty or more, of all hours, as the camera sees them.",
)
@CONFIG
@STATE_DIR
def model_fit_anomaly(
    model: str, samples: Path, config: Path | None, state_dir: Path | None
) -> None:
    """Fit an embedding or anomaly model to good pictures, for the block `anomaly`.

    The model itself stays as it is. Fitting again replaces what was fitted before; a daemon that
    runs takes it at its next start.
    """
    set_up_logging("console", "WARNING")
    with sentences():
        there = entries(config, state_dir)
        card = there.model(model)
        fitted = fit_anomaly(Models(there.store, {card.name: card}), card.name, samples)
        for path in fitted.unreadable:
            say(f"left out: {path} holds no picture that can be read")
        bank = fitted.bank
        click.echo(
            f"{card.name}: fitted to {fitted.used} pictures, {len(bank.features)} features kept; "
            f"a picture is anomalous above {bank.threshold:.3f}"
        )
        click.echo(f"kept in {fitted.path}")
