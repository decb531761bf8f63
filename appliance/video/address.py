"""What the address of a source names: a file, a device, or something on the network."""

import re
from pathlib import Path
from urllib.parse import unquote

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(uri: str) -> str:
    """`rtsp` and so on, in small letters; empty for a path."""
    found = _URL.match(uri)
    return found[1].lower() if found else ""


def file_of(uri: str) -> Path | None:
    """The file or device that an address names; None where it names something on the network."""
    scheme = scheme_of(uri)
    if scheme not in ("", "file"):
        return None
    return Path(unquote(uri[len("file://") :]) if scheme else uri)
