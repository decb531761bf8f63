"""`appliance models inspect`: what is known of one model, without running it."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from appliance.cli.model_entries import Entries, entries
from appliance.cli.options import CONFIG, STATE_DIR
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.registry import FAMILIES
from appliance.inference.families.vectors import Shape
from appliance.inference.metadata import Facts, told
from appliance.inference.resolution import known_facts
from appliance.inference.store import Kept
from appliance.inference.trials import Verdict, verdicts
from appliance.sentences import sentences

WIDTH = 100


@click.command()
@click.argument("model", metavar="NAME|FILE")
@CONFIG
@STATE_DIR
def model_inspect(model: str, config: Path | None, state_dir: Path | None) -> None:
    """Show what a model takes and gives, how it is read, and which provider is known to run it."""
    with sentences():
        there = entries(config, state_dir)
        card = there.model(model)
        for line in _page(card, there):
            click.echo(line)


def _page(card: ModelCard, there: Entries) -> Iterator[str]:
    yield card.name
    yield from _row("about", card.description)
    where = there.where(card.name) if card.name in there.models else "by its path"
    yield from _row("declared", where)
    yield from _row("licence", card.licence or "not said")
    yield from _row("origin", card.origin)
    if card.remote is not None:
        yield from _row("server", f"{card.remote.address.shown}, as {card.remote.model}")
        yield from _row("family", card.family or "told by the server")
        return
    try:
        kept = there.store.whole(card)
        facts = known_facts(kept.path, kept.sha256, there.store)
    except ModelError as error:
        yield from _row("family", card.family or "")
        yield from _row("labels", ", ".join(card.labels))
        yield from _row("file", str(error))
        return
    except ValueError as error:
        raise ModelError(f"{card.name}: {error}") from None
    yield from _of_file(card, kept, facts)
    found = verdicts(kept.sha256, there.store.probes)
    for verdict in found:
        name = verdict.provider.removesuffix("ExecutionProvider")
        yield from _row("provider", f"{name} {verdict.precision}: {_judged(verdict)}")
    if not found:
        yield from _row("provider", "none was tried here yet: the first start does, or `bench`")


def _of_file(card: ModelCard, kept: Kept, facts: Facts) -> Iterator[str]:
    yield from _row("file", f"{kept.path} ({kept.path.stat().st_size / 1e6:.1f} MB)")
    yield from _row("sha256", kept.sha256)
    yield from _row("inputs", _shapes(facts.inputs))
    yield from _row("outputs", _shapes(facts.outputs))
    heard = told(facts, card.family, card.labels, card.input.size)
    if heard.family:
        by = "as declared" if card.family else "told by the file"
        about = FAMILIES[heard.family].about
        yield from _row("family", f"{heard.family} ({by}): {about}")
    if heard.size is not None:
        yield from _row("size", "{} x {}".format(*heard.size))
    if heard.labels:
        yield from _row("labels", f"{len(heard.labels)}: {', '.join(heard.labels)}")
    for lacking in heard.unknown:
        yield from _row("LACKING", lacking)


def _judged(verdict: Verdict) -> str:
    if not verdict.works:
        return f"not used: {verdict.reason or verdict.ending}"
    found = verdict.measured
    if not found.result_ms:
        return "works"
    beside = f", {found.reference_ms:.1f} ms on the reference" if found.reference_ms else ""
    return f"works, {found.result_ms:.1f} ms{beside}, differs by {found.difference:.2g}"


def _shapes(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} ({' x '.join(map(str, axes))})" for name, axes in shapes.items())


def _row(key: str, text: str) -> Iterator[str]:
    if not text:
        return
    first, *more = textwrap.wrap(text, WIDTH - 12, break_long_words=False, max_lines=5)
    yield f"  {key:9} {first}"
    yield from (f"{'':12}{line}" for line in more)
