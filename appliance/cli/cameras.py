"""Commands of cameras: look at one before it is put to use."""

import json

import click

from appliance.cli.options import named
from appliance.clock import SystemClock
from appliance.inference.session import cores
from appliance.sentences import sentences
from appliance.video.errors import redact
from appliance.video.probe import probe
from appliance.video.probe_advice import recommendations
from appliance.video.probe_report import report_data, report_lines, settings_lines
from appliance.video.source import SourceOptions


@click.group()
def cameras() -> None:
    """Look at a camera before it is put to use."""


@cameras.command("probe")
@click.argument("uri", callback=named)
@click.option("--json", "as_json", is_flag=True, help="The findings for a program.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.5, max=600),
    default=10.0,
    show_default=True,
    help="How long to watch; three key frames are enough as well.",
)
@click.option(
    "--transport",
    type=click.Choice(["auto", "tcp", "udp"]),
    default="auto",
    show_default=True,
    help="RTSP: what to watch over. Both are tried afterwards.",
)
def probe_command(uri: str, seconds: float, transport: str, *, as_json: bool) -> None:
    """Say what a source is, what decoding it costs here, and what to set.

    URI is a video file, a folder of images, an rtsp:// or http:// URL, or a device such as
    /dev/video0.
    """
    with sentences():
        options = SourceOptions(transport=transport, silence_s=min(5.0, seconds))  # type: ignore[arg-type]  # click checks it
        click.echo(f"watching {redact(uri)} for up to {seconds:g} s", err=True)
        found = probe(uri, SystemClock(), seconds=seconds, options=options)
        if as_json:
            click.echo(json.dumps(report_data(found, cores(), uri), indent=2))
            return
        click.echo("\n".join(report_lines(found, cores())))
        advice = recommendations(found, cores())
        if advice:
            click.echo("\nRecommended:\n" + "\n".join(f"  - {each}" for each in advice))
        click.echo("\nFor config/appliance.yaml:\n" + "\n".join(settings_lines(uri, found)))
