"""Why a camera on the network does not let itself be opened: mute, no RTSP, unknown, locked."""

import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from appliance.video.address import credentials_end, scheme_of
from appliance.video.errors import AccessRefusedError, VideoError, redact

PATIENCE_S = 5.0
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_ANSWER = b"RTSP/"


class _Target(NamedTuple):
    host: str
    port: int
    path: str


def greet(uri: str, patience_s: float = PATIENCE_S) -> None:
    """Ask an RTSP server what it can do (OPTIONS, RFC 2326, 10.1), without user and password.

    libav tells a server that keeps silent from one that speaks something else neither by its error
    nor by its time, which is twice what it is given. What libav tells well is left to it.

    Raises:
        VideoError: it accepts the connection and says nothing for `patience_s`, or is no RTSP
            server.
    """
    target = _target(uri)
    if scheme_of(uri) != "rtsp" or target is None:
        return
    where = redact(uri)
    request = f"OPTIONS {target.path} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    try:
        connection = socket.create_connection((target.host, target.port), patience_s)
    except OSError:
        return
    with connection:
        try:
            connection.sendall(request)
            answer = connection.recv(len(_ANSWER))
        except TimeoutError:
            raise VideoError(
                f"{where}: it accepts the connection and says nothing within {patience_s:g} s; "
                "check the port, and restart the camera"
            ) from None
        except OSError:
            return
    if answer and not _ANSWER.startswith(answer):
        raise VideoError(
            f"{where}: what answers at port {target.port} is no RTSP server; check the port "
            "(RTSP's own is 554)"
        )


def explained(uri: str, error: VideoError) -> VideoError:
    """The error, or one that says more: a host that is not known, a user that is not given."""
    target = _target(uri)
    if target is None:
        return error
    where = redact(uri)
    scheme, _, rest = where.partition("://")
    # It stands in what `cannot_open` says of 401, and not of 403.
    if isinstance(error, AccessRefusedError) and "(401)" in str(error) and _is_open(uri):
        return AccessRefusedError(
            f"{where}: it needs a user and a password; write {scheme}://user:password@{rest}"
        )
    if not isinstance(error, AccessRefusedError) and not _is_known(target):
        return VideoError(
            f"{where}: the host '{target.host}' is not known; check its name, or write the "
            "camera's IP address"
        )
    return error


def _is_open(uri: str) -> bool:
    return credentials_end(uri.partition("://")[2]) < 0


def _is_known(target: _Target) -> bool:
    try:
        socket.getaddrinfo(target.host, target.port)
    except (socket.gaierror, UnicodeError):
        return False
    return True


def _target(uri: str) -> _Target | None:
    """The host, its port, and the address without user and password; None where there is none."""
    scheme = scheme_of(uri)
    if scheme not in _PORTS:
        return None
    rest = uri.partition("://")[2]
    rest = rest[credentials_end(rest) + 1 :]
    bare = f"{scheme}://{rest}"
    try:
        parts = urlsplit(bare)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or not re.fullmatch(r"[!-~]+", bare):
        return None
    return _Target(host, port or _PORTS[scheme], bare)
