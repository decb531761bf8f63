"""Commands to a running daemon: one JSON object a line over state_dir/control.sock, mode 0600.

A request is `{"command": "status"}`; the answer `{"ok": true, …}` or `{"ok": false, "error": …}`.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

Handler = Callable[[], Mapping[str, Any]]

SOCKET_NAME = "control.sock"
ACCEPT_S = 0.2
ANSWER_S = 5.0
LONGEST_REQUEST = 65_536

log = structlog.get_logger(__name__)


class NoDaemonError(Exception):
    """No daemon answers on this state directory."""


class ControlError(Exception):
    """The daemon answered, but not with what was asked for."""


class ControlServer:
    """Answers requests on the thread that calls `loop`. Made after the outbox holds its lock."""

    def __init__(self, state_dir: Path, handlers: Mapping[str, Handler]) -> None:
        self._state_dir = state_dir
        self._handlers = handlers

    def loop(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, then take the socket away."""
        with socket.socket(socket.AF_UNIX) as server, _address(self._state_dir) as address:
            # Left over from a daemon that was killed: the state directory is locked by us.
            (self._state_dir / SOCKET_NAME).unlink(missing_ok=True)
            server.bind(address)
            (self._state_dir / SOCKET_NAME).chmod(0o600)
            server.listen()
            server.settimeout(ACCEPT_S)
            try:
                while not stop.is_set():
                    with suppress(TimeoutError):
                        self._answer(server.accept()[0])
            finally:
                (self._state_dir / SOCKET_NAME).unlink(missing_ok=True)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            # A client that does not speak must not keep others waiting for long.
            connection.settimeout(ACCEPT_S)
            try:
                reply = self._reply(_read_line(connection))
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except OSError as error:
                log.debug("control client went away", error=str(error))

    def _reply(self, line: bytes) -> Mapping[str, Any]:
        try:
            command = json.loads(line)["command"]
        except (ValueError, KeyError, TypeError):
            return {"ok": False, "error": 'a request is {"command": "…"} on one line'}
        handler = self._handlers.get(command) if isinstance(command, str) else None
        if handler is None:
            known = ", ".join(self._handlers)
            return {"ok": False, "error": f"unknown command {command!r}; there is {known}"}
        return {"ok": True, **handler()}


def request(state_dir: Path, command: str) -> dict[str, Any]:
    """Ask the daemon that runs on a state directory.

    Raises:
        NoDaemonError: there is none.
        ControlError: it answers, but refuses or speaks otherwise.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_S)
        try:
            with _address(state_dir) as address:
                client.connect(address)
            client.sendall(json.dumps({"command": command}).encode() + b"\n")
            line = _read_line(client)
        except PermissionError:
            raise ControlError(
                f"{state_dir / SOCKET_NAME}: you may not speak to this daemon; run it as its user"
            ) from None
        except OSError:
            raise NoDaemonError(
                f"no daemon runs on the state directory {state_dir} "
                "(start one with `appliance serve`, or name another with --state-dir)"
            ) from None
    try:
        reply = json.loads(line)
    except ValueError:
        raise ControlError("the daemon gave no answer that can be read") from None
    if not reply.pop("ok", False):
        raise ControlError(str(reply.get("error", "the daemon refused")))
    return dict(reply)


@contextmanager
def _address(state_dir: Path) -> Iterator[str]:
    """The socket's address through a descriptor: a path of its own may be 107 bytes at most."""
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def _read_line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and len(received) < LONGEST_REQUEST:
        part = connection.recv(4096)
        if not part:
            break
        received += part
    return received
