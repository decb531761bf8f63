"""Bringing a file from an address, going on where an earlier try broke off.

An address is read by the `Source` of its scheme: https, http and file are there. A store of
objects, a registry of artifacts or a repository would be one more Source each.
"""

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from appliance.inference.packages import CONNECT_TIMEOUT_S, FetchError, Report
from appliance.inference.store import sync

PIECE = 1 << 20
_PARTIAL_CONTENT, _NOT_SATISFIABLE = 206, 416
# What goes wrong on the way, and not on the disk.
BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that is coming: from which byte on, how many more if that is known, and which one.

    `version` is what its source calls this content, and empty if it does not say. `read` gives the
    next bytes, at most so many; none at the end.
    """

    begin: int
    left: int | None
    version: str
    read: Callable[[int], bytes]


class Source(Protocol):
    """What reads the addresses of one scheme."""

    def open(self, url: str, begin: int, version: str) -> AbstractContextManager[Incoming]:
        """The file at an address, from the byte `begin` on if it still is `version`, else from 0.

        Raises:
            FetchError: there is no such file; a sentence.
            OSError, HTTPException: the connection fails, here or while the file is read.
        """
        ...


class WebSource:
    """Files of web servers: https:// and http://. The system's certificates and proxies count."""

    @contextmanager
    def open(self, url: str, begin: int, version: str) -> Iterator[Incoming]:
        """As Source says: with Range and If-Range (RFC 9110, 13.1.5 and 14)."""
        try:
            answer = _asked(url, begin, version)
        except urllib.error.HTTPError as error:
            with error:
                if not begin or error.code != _NOT_SATISFIABLE:
                    raise FetchError(
                        f"downloading {shown(url)} failed: HTTP {error.code} {error.reason}"
                    ) from error
                if error.headers.get("Content-Range") == f"bytes */{begin}":
                    # There is no more of it: a process was killed when it had all.
                    yield Incoming(begin, 0, version, lambda _: b"")
                    return
            # There is less of it now than was fetched of it before.
            answer = _asked(url, 0, "")
        with answer:
            at = _begin(answer) if answer.status == _PARTIAL_CONTENT else 0
            if at not in (0, begin):
                raise ConnectionError(f"it sent what comes from byte {at} on, not {begin}")
            version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            # A weak one may be the same of two contents.
            version = "" if version.startswith("W/") else version
            yield Incoming(at, answer.length, version, answer.read1)


class DiskSource:
    """Files of this machine, or of what is mounted on it: file:///folder/model.onnx."""

    @contextmanager
    def open(self, url: str, begin: int, version: str) -> Iterator[Incoming]:
        """As Source says."""
        path = Path(url2pathname(unquote(urlsplit(url).path)))
        try:
            file = path.open("rb")
        except OSError as error:
            raise FetchError(f"{path} cannot be read: {error.strerror}") from None
        with file:
            size = path.stat()
            now = f"{size.st_size}-{size.st_mtime_ns}"
            begin = begin if now == version else 0
            file.seek(begin)
            yield Incoming(begin, size.st_size - begin, now, file.read)


SOURCES: Mapping[str, Source] = {
    "https": WebSource(),
    "http": WebSource(),
    "file": DiskSource(),
}


def download(
    url: str, target: Path, report: Report, sources: Mapping[str, Source] = SOURCES
) -> Path:
    """Bring the file at an address to `target`, which may be the beginning of it already.

    Beside it, `.json` says whose beginning it is. What there is stays there if it breaks off, so
    that the next call goes on from it.

    Raises:
        FetchError: it cannot be had; a sentence.
        OSError: it cannot be written.
    """
    source = sources.get(urlsplit(url).scheme)
    if source is None:
        raise FetchError(f"{shown(url)}: an address begins with {', '.join(sources)}")
    begin, version = _there(target, url)
    try:
        with source.open(url, begin, version) as incoming:
            report(_announced(url, incoming))
            with target.open("r+b" if incoming.begin else "wb") as file:
                file.truncate(incoming.begin)
                file.seek(incoming.begin)
                _note(target, url, incoming.version)
                left = incoming.left
                # Some of what was sent is better than none, so in pieces as they come.
                while piece := incoming.read(PIECE):
                    file.write(piece)
                    left = left - len(piece) if left is not None else None
            # Read in pieces, an answer that is cut short is no error to Python.
            if left:
                raise ConnectionError(f"it ended {left} bytes too early")
    except BROKEN as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        kept = _kept(target)
        more = f"; the next try goes on after {kept / 1e6:.1f} MB" if kept else ""
        raise FetchError(
            f"downloading {shown(url)} failed ({str(reason).strip()}): "
            f"check the network and the address{more}"
        ) from error
    sync(target)
    return target


def _kept(target: Path) -> int:
    """How much of a download that broke off is kept; nothing is no file."""
    kept = target.stat().st_size if target.exists() else 0
    if not kept:
        target.unlink(missing_ok=True)
        _note_of(target).unlink(missing_ok=True)
    return kept


def shown(url: str) -> str:
    """An address without what may be a secret in it: user, password, and what follows a '?'."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))


def _asked(url: str, begin: int, version: str) -> http.client.HTTPResponse:
    request = _request(url, begin, version)
    answer = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S)  # noqa: S310  as checked
    assert isinstance(answer, http.client.HTTPResponse)  # noqa: S101  for the type checker
    return answer


def _request(url: str, begin: int, version: str) -> urllib.request.Request:
    parts = urlsplit(url)
    who, _, host = parts.netloc.rpartition("@")
    without = urlunsplit(parts._replace(netloc=host))
    request = urllib.request.Request(without)  # noqa: S310  the scheme is checked
    if who:
        # Not for where it may be sent on to.
        name = base64.b64encode(unquote(who).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {name}")
    if begin:
        request.add_header("Range", f"bytes={begin}-")
        if version:
            request.add_header("If-Range", version)
    return request


def _begin(answer: http.client.HTTPResponse) -> int:
    """The first byte of a partial answer: 7 of `Content-Range: bytes 7-99/100`."""
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        raise ConnectionError("it does not say which part it sent")
    return int(first)


def _announced(url: str, incoming: Incoming) -> str:
    size = f" ({incoming.left / 1e6:.1f} MB)" if incoming.left else ""
    if not incoming.begin:
        return f"downloading {shown(url)}{size}"
    return f"going on with {shown(url)} after {incoming.begin / 1e6:.1f} MB{size}"


def _there(target: Path, url: str) -> tuple[int, str]:
    """How much of the file at this address is there, and of which version."""
    try:
        size = target.stat().st_size
        note = json.loads(_note_of(target).read_text("utf-8"))
        if note["url"] == shown(url):
            return size, str(note["version"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _note(target: Path, url: str, version: str) -> None:
    note = {"url": shown(url), "version": version}
    _note_of(target).write_text(json.dumps(note), "utf-8")


def _note_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")
