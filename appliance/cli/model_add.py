"""`appliance models add`: a model of one's own, put where workflows find it by name."""

import re
from pathlib import Path

import click

from appliance.cli.model_entries import entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.adding import Addition, Wish, add
from appliance.inference.declared import labels_of
from appliance.inference.families.registry import FAMILIES, family_of
from appliance.sentences import say, sentences

_SIZE = re.compile(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# So many labels are read by somebody; more are counted.
_FEW = 6


def _size(_context: click.Context, _: click.Parameter, given: str | None) -> tuple[int, int] | None:
    found = _SIZE.fullmatch(given) if given is not None else None
    if given is not None and found is None:
        raise click.BadParameter("write width x height in pixels, as 640x640")
    return (int(found[1]), int(found[2] or found[1])) if found else None


def _family(_context: click.Context, _: click.Parameter, given: str) -> str:
    try:
        return family_of(given).name if given else ""
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _labels(_context: click.Context, _: click.Parameter, given: str) -> tuple[str, ...]:
    is_file = bool(given) and Path(given).is_file()
    try:
        return labels_of(f"./{given}" if is_file and "/" not in given else given, Path())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _name(_context: click.Context, _: click.Parameter, given: str) -> str:
    if given and not _NAME.fullmatch(given):
        raise click.BadParameter("a letter or digit, then also '_', '.' and '-'")
    return given


def _digest(_context: click.Context, _: click.Parameter, given: str) -> str:
    if given and not _SHA256.fullmatch(given):
        raise click.BadParameter("a sha256 is 64 hexadecimal digits")
    return given


@click.command()
@click.argument("source", metavar="FILE|URL")
@click.option("--name", default="", callback=_name, help="Its name (default: that of the file).")
@click.option("--family", default="", callback=_family, help=f"One of: {', '.join(FAMILIES)}.")
@click.option(
    "--labels", default="", callback=_labels, help="A text file, one on each line, or a,b,c."
)
@click.option("--size", callback=_size, help="Width x height of its input, if that is free.")
@click.option(
    "--confidence", type=click.FloatRange(0, 1), help="Leave out what is less sure than this."
)
@click.option("--sha256", default="", callback=_digest, help="Checksum the file must have.")
@click.option("--licence", default="", help="Licence of the file, to be remembered.")
@CONFIG
@STATE_DIR
def model_add(
    source: str,
    name: str,
    family: str,
    labels: tuple[str, ...],
    size: tuple[int, int] | None,
    confidence: float | None,
    sha256: str,
    licence: str,
    config: Path | None,
    state_dir: Path | None,
) -> None:
    """Put a model of your own into the state directory, for workflows to use by its name.

    Family, input size and labels are read from the file, and shown; what cannot be told is asked
    for. A URL is downloaded, the only use of the network.
    """
    with sentences():
        there = entries(config, state_dir)
        wish = Wish(name, family, labels, size, confidence, sha256, licence)
        added = add(source, wish, there.store, there.models, say)
        for line in _told(added):
            click.echo(line)


def _told(added: Addition) -> list[str]:
    card, told = added.card, added.told
    about = FAMILIES[told.family].about
    lines = [f"{card.name} is ready.", f"  family   {told.family}: {about}"]
    if told.size is not None:
        lines.append("  input    {} x {}".format(*told.size))
    if told.labels:
        shown = ", ".join(told.labels[:_FEW])
        more = ", …" if len(told.labels) > _FEW else ""
        lines.append(f"  labels   {len(told.labels)}: {shown}{more}")
    lines += [f"  sha256   {card.sha256}", f"In a workflow: `model: {card.name}`"]
    return lines
