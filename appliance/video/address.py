"""What the address of a source names: a file, a device, or something on the network."""

import re
from pathlib import Path
from urllib.parse import quote, unquote, unquote_to_bytes

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"[^:]*|\[.*\](:\d*)?|[^:]*:\d*")
# Of these, libav takes the user and the password as percent-encoded.
_ENCODED = ("rtsp", "rtsps", "http", "https")


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


def is_device(path: Path) -> bool:
    """Whether a path is that of a capture device; not so where it cannot be looked at."""
    try:
        return path.is_char_device()
    except (OSError, ValueError):
        return False


def credentials_end(rest: str) -> int:
    """Where the `@` after the user and the password is, in what follows `://`; -1 for none.

    The password may have an unescaped `@`, `/`, `?` or `#` in it.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    end = authority.rfind("@")
    if not _HOST.fullmatch(authority, end + 1):
        # No host has such a port: it is a password cut in two by its own `/`, `?` or `#`.
        end = rest.rfind("@")
    return end


def with_encoded_password(uri: str) -> str:
    """The address as libav takes it: its user and password percent-encoded, be they so or not."""
    scheme, separator, rest = uri.partition("://")
    if separator:
        # libav knows small letters only.
        scheme, uri = scheme.lower(), f"{scheme.lower()}://{rest}"
    end = credentials_end(rest)
    if end < 0 or scheme_of(uri) not in _ENCODED:
        return uri
    user, colon, password = rest[:end].partition(":")
    return f"{scheme}{separator}{_encoded(user)}{colon}{_encoded(password)}{rest[end:]}"


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="")
