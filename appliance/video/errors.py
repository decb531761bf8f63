"""What can be wrong with a source, said in a sentence and without its password."""

import difflib
import errno
import re
from pathlib import Path

import av

# In a query, and in paths such as /user=admin_password=…, which many cheap cameras have.
_SECRET = re.compile(
    r"([^=&;#?/]*(?:pas|pwd|psw|token|secret|key|auth|sig|\bpw\b)[^=&;#?/]*)=[^&;#]*", re.IGNORECASE
)
# What can be no user: a `:` after it begins a port, and an `@` in its path is no end of a password.
_NUMERIC_HOST = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-fA-F:.]+\])(?::\d*)?(?:[/?#]|$)")
_TIMED_OUT = (av.error.ExitError, av.error.TimeoutError)
_NOT_PERMITTED = "reading it is not permitted; check the owner and the mode"
_ERRNO_SENTENCES = {
    errno.ENOTTY: "this device is not a camera; list the cameras with `v4l2-ctl --list-devices`",
    errno.EBUSY: "another program uses this device; `fuser -v` with its name says which",
    errno.ENODEV: "this device is gone; check its plug, and list the cameras with "
    "`v4l2-ctl --list-devices`",
    errno.EPROTONOSUPPORT: "the camera refuses this way of sending (461); set its `transport` to "
    "auto, or to the other of tcp and udp",
    errno.EIO: "it cannot be read (input/output error); check the disk, or the device's plug",
}
_ERRNO_SENTENCES[errno.ENXIO] = _ERRNO_SENTENCES[errno.ENODEV]
_SENTENCES: dict[type[av.FFmpegError], str] = {
    av.error.ConnectionRefusedError: "the connection is refused; check that the camera is on, "
    "and the port",
    av.error.HTTPUnauthorizedError: "the user or the password is refused (401); check both",
    av.error.HTTPForbiddenError: "access is forbidden (403); check the user's rights there",
    av.error.HTTPNotFoundError: "there is nothing at this path (404); check the path",
    av.error.ProtocolNotFoundError: "this kind of address is not known; use rtsp://, http://, "
    "https://, rtmp://, udp://, a file or a device",
    av.error.PermissionError: _NOT_PERMITTED,
    av.error.IsADirectoryError: "this is a folder; name a video file in it",
}


class VideoError(Exception):
    """A source that cannot be read, or a clip that cannot be written: a sentence for the user."""


class AccessRefusedError(VideoError):
    """A camera that refuses the user or the password: who asks often is locked out."""


def redact(uri: str) -> str:
    """The address without its secrets: for messages, logs and status.

    What is between the first `:` and the last `@` becomes `***`: a password may have any characters
    in it, and where an `@` in the path makes that unclear, rather the host is hidden than a part of
    the password shown. So does what the path or the query calls password, token, key or the like.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        # A file, or an address without its scheme.
        user, _, rest = uri.partition(":")
        if "@" in rest and "/" not in user:
            uri = f"{user}:***{rest[rest.rfind('@') :]}"
        return _SECRET.sub(r"\1=***", uri)
    user_end = -1 if _NUMERIC_HOST.match(rest) else rest.rfind("@")
    user, colon, _ = rest[: max(user_end, 0)].partition(":")
    if colon:
        rest = f"{user}:***{rest[user_end:]}"
    rest = _SECRET.sub(r"\1=***", rest)
    return f"{scheme}://{rest}"


def unusable_file(path: Path, error: OSError | ValueError) -> VideoError:
    """The error for a file that cannot be looked at: most often, it is not there."""
    # A ValueError is a name that no file can have.
    if isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError)):
        return missing_file(path)
    if isinstance(error, PermissionError):
        return VideoError(f"{_shown(path)}: {_NOT_PERMITTED}")
    return VideoError(f"{_shown(path)}: it cannot be opened: {error.strerror}")


def missing_file(path: Path) -> VideoError:
    """The error for a file that is not there, with the most similar name in its folder."""
    folder = path.parent
    if not folder.is_dir():
        return VideoError(f"{_shown(path)}: there is no folder {_shown(folder)}")
    try:
        names = [entry.name for entry in folder.iterdir() if not entry.is_dir()]
    except PermissionError:
        names = []
    similar = difflib.get_close_matches(path.name, names, n=1)
    hint = f" (did you mean {folder / similar[0]}?)" if similar else ""
    return VideoError(f"{_shown(path)}: there is no such file{hint}")


def _shown(path: Path) -> str:
    # An address that lacks its scheme is taken for a path.
    return _SECRET.sub(r"\1=***", re.sub(r":(?!/).*@", ":***@", str(path)))


def cannot_open(
    where: str, error: av.FFmpegError, *, network: bool, timeout_s: float
) -> VideoError:
    """The error for a source that av could not open.

    av's own words are not used for what it names vaguely, and never its `str`: the address in it
    has the password.
    """
    if isinstance(error, _TIMED_OUT):
        problem = f"no answer within {timeout_s:g} s; check the address and the network"
    elif network and isinstance(error, av.error.InvalidDataError):
        # What av also says when an RTSP server accepts the connection and then keeps silent.
        problem = f"it answers no video within {timeout_s:g} s; check the path and the camera"
    elif network and error.errno == errno.EIO:
        problem = "no connection, or nothing came over it; check the host's name and the network"
    elif error.errno in _ERRNO_SENTENCES:
        problem = _ERRNO_SENTENCES[error.errno]
    elif isinstance(error, av.error.InvalidDataError):
        problem = (
            "this is no video, or one cut short before its index was written; "
            "play it with another program to see which"
        )
    else:
        problem = _SENTENCES.get(type(error), f"it cannot be opened: {error.strerror}")
    refused = isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError))
    return (AccessRefusedError if refused else VideoError)(f"{where}: {problem}")


def sends_nothing(where: str, timeout_s: float) -> VideoError:
    """The error for a camera that accepts all that is asked, and of which nothing comes."""
    return VideoError(
        f"{where}: it accepts the connection and sends no picture within {timeout_s:g} s; "
        "check the camera, and with UDP the firewall"
    )


def refused_settings(where: str) -> VideoError:
    """The error for a device that cannot do what it is asked for."""
    return VideoError(
        f"{where}: the device refuses the size or the rate; list what it can do with "
        "`v4l2-ctl --list-formats-ext -d` and its name"
    )


def cannot_go_on(where: str, error: av.FFmpegError, *, silent_s: float) -> VideoError:
    """The error for a source that was being read."""
    if isinstance(error, _TIMED_OUT):
        return VideoError(f"{where}: no data for {silent_s:g} s; the camera or the network hangs")
    return VideoError(f"{where}: reading stopped: {error.strerror}")
