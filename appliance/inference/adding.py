"""Putting a model of one's own into the store: its file read, and a card written."""

import hashlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.engine.errors import nearest
from appliance.inference import graph
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.declared import ADDED, Declared, path_card, remember
from appliance.inference.downloads import shown
from appliance.inference.fetch import bring
from appliance.inference.metadata import Facts, Told, told
from appliance.inference.packages import FetchError, Report
from appliance.inference.resolution import known_facts
from appliance.inference.store import Kept, Store, digest

_KEY = re.compile(r"`(family|labels|size|name)`")
# What lists of labels call the first column of an SSD, which is none.
_BACKGROUNDS = ("???", "background", "__background__", "_background_", "n/a", "none")
_EXAMPLES = {"family": "NAME", "size": "WIDTHxHEIGHT", "labels": "FILE"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of a model. What is empty is told by the file, or is not known."""

    name: str = ""
    family: str = ""
    labels: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    confidence: float | None = None
    sha256: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """A model that was added: its card, where its file lies, and what was told of it."""

    card: ModelCard
    path: Path
    facts: Facts
    told: Told


def add(
    source: str, wish: Wish, store: Store, known: Mapping[str, Declared], report: Report
) -> Addition:
    """Put the model of a file or an address into the store, under a name.

    An address is the only thing that the network is used for, and that is said. `known` are the
    models there are already.

    Raises:
        ModelError: it is no model, its name is taken, or something is not said and cannot be told:
            then the sentence says all of it, and with which option.
        FetchError: it cannot be had, or is not what its checksum says.
    """
    name = wish.name or _name_of(source)
    key = f"add-{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    try:
        with (
            store.locked_as(key, lambda: report(f"{name}: waiting for another process")),
            store.workplace_as(key) as folder,
        ):
            kept = _brought(source, store, folder, report)
            _check_digest(name, kept.sha256, wish.sha256, pinned="://" in source, report=report)
            _refuse_taken(name, kept.sha256, known)
            facts = _facts(kept, source, store)
            wish = _without_background(wish, facts, name, report)
            heard = told(facts, wish.family or None, wish.labels, wish.size)
            if heard.unknown:
                raise ModelError(_asked(source, name, heard))
            card = _card(name, source, kept.sha256, wish, heard)
            path = store.keep_model(kept.path, kept.sha256)
            remember(store, card)
        store.tidy()
    except OSError as error:
        raise FetchError(f"{name}: cannot write to {store.root}: {error}") from error
    return Addition(card, path, facts, heard)


def _name_of(source: str) -> str:
    """The name of the file at a path or an address."""
    return path_card(Path(source.partition("?")[0])).name


def _brought(source: str, store: Store, folder: Path, report: Report) -> Kept:
    if "://" in source:
        report(f"the network is used, to fetch {shown(source)}")
        return bring(source, store, folder, report)
    original, copy = Path(source), folder / "model"
    try:
        with original.open("rb") as file, copy.open("wb") as target:
            shutil.copyfileobj(file, target, 1 << 20)
    except FileNotFoundError:
        names = [each.name for each in original.parent.glob("*.onnx")]
        near = nearest(original.name, names)
        hint = f" (did you mean '{near}'?)" if near else ""
        raise ModelError(f"{source}: there is no such file{hint}") from None
    except (IsADirectoryError, PermissionError) as error:
        raise ModelError(f"{source}: cannot be read: {error.strerror}") from None
    if not graph.problems(original) and graph.problems(copy):
        raise ModelError(
            f"{source}: it keeps its weights in other files beside it, which are not taken along: "
            "declare it where it is, with `file` under `models` in the settings"
        )
    return Kept(copy, digest(copy))


def _check_digest(name: str, found: str, said: str, *, pinned: bool, report: Report) -> None:
    if said and said.lower() != found:
        raise FetchError(
            f"{name}: this is not the expected file: its sha256 is {found}, not {said}: nothing "
            "was kept"
        )
    if pinned and not said:
        report(
            f"{name}: NO CHECKSUM WAS GIVEN, so what came is trusted from now on. Its sha256 is "
            f"{found}: compare it with what its publisher says, or give --sha256"
        )


def _refuse_taken(name: str, sha256: str, known: Mapping[str, Declared]) -> None:
    there = known.get(name)
    if there is None or (there.where == ADDED and there.card.sha256 == sha256):
        return
    what = f"there is a model called {name!r} already ({there.where}): give another --name"
    if there.where == ADDED:
        what += f", or take that one away: `appliance models remove {name}`"
    raise ModelError(what)


def _facts(kept: Kept, source: str, store: Store) -> Facts:
    try:
        return known_facts(kept.path, kept.sha256, store)
    except ValueError as error:
        # The user does not know the file by where it lies meanwhile.
        raise ModelError(str(error).replace(str(kept.path), shown(source))) from None


def _without_background(wish: Wish, facts: Facts, name: str, report: Report) -> Wish:
    """The wish as a card wants it, if its labels begin with the background of an SSD.

    Taken for a class, it would make another family of the model, and shift all names by one.
    """
    if wish.family not in ("", "ssd") or wish.labels[:1] == ():
        return wish
    first, *rest = wish.labels
    if first.lower() not in _BACKGROUNDS or told(facts, "ssd", tuple(rest), wish.size).unknown:
        return wish
    report(f"{name}: the first of the labels, {first!r}, is the background, and is left out")
    return replace(wish, family="ssd", labels=tuple(rest))


def _asked(source: str, name: str, heard: Told) -> str:
    """All that must be said, and how."""
    lacking = [_KEY.sub(r"--\1", each) for each in heard.unknown]
    options = dict.fromkeys(key for each in heard.unknown for key in _KEY.findall(each))
    told_so_far = _heard(heard)
    lines = [f"{shown(source)}: the file does not tell all that must be known:"]
    lines += [f"  - {each}" for each in lacking]
    if told_so_far:
        lines.append(f"It tells: {', '.join(told_so_far)}.")
    if options:
        words = " ".join(f"--{key} {_EXAMPLES.get(key, key.upper())}" for key in options)
        lines.append(f"Say it so: appliance models add {shown(source)} --name {name} {words}")
    return "\n".join(lines)


def _heard(heard: Told) -> list[str]:
    found = [f"family {heard.family}"] if heard.family else []
    if heard.size is not None:
        found.append("input {} x {}".format(*heard.size))
    if heard.labels:
        found.append(f"{len(heard.labels)} labels")
    return found


def _card(name: str, source: str, sha256: str, wish: Wish, heard: Told) -> ModelCard:
    """What is said, and what was told: the labels stay in the file where they stand in it."""
    given: dict[str, Any] = {
        "name": name,
        "description": f"Added from {shown(source).rpartition('/')[2]}.",
        "licence": wish.licence,
        "sha256": sha256,
        "family": heard.family,
        "input": {"size": heard.size},
        "labels": wish.labels,
    }
    if "://" in source:
        given["origin"] = shown(source)
        # What is in an address may be a secret, or be valid for an hour.
        if shown(source) == source:
            given["url"] = source
    if wish.confidence is not None:
        given["confidence"] = wish.confidence
    try:
        return ModelCard.model_validate(given)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ModelError(f"{name}: {what}") from None
