"""Commands to a running daemon: one JSON object a line over state_dir/control.sock, mode 0600.

A request is `{"command": "status"}`; the answer `{"ok": true, …}` or `{"ok": false, "error": …}`.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

Handler = Callable[[], Mapping[str, Any]]

SOCKET_NAME = "control.sock"
# How soon the server sees its stop event, and how long it waits for each part of a request.
ACCEPT_S = 0.2
ANSWER_S = 5.0
# A request is short: one that comes in more parts than this keeps others waiting, and is refused.
PART = 4096
MOST_PARTS = 5

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
                    try:
                        connection, _ = server.accept()
                    except TimeoutError:
                        continue
                    self._answer(connection)
            finally:
                (self._state_dir / SOCKET_NAME).unlink(missing_ok=True)

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            # A client that does not speak, or listen, must not keep others waiting for long.
            connection.settimeout(ACCEPT_S)
            try:
                connection.sendall(self._reply(_line(connection, MOST_PARTS)) + b"\n")
            except OSError as error:
                log.debug("control client went away", error=str(error))

    def _reply(self, line: bytes) -> bytes:
        try:
            command = json.loads(line)["command"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refusal('a request is {"command": "…"} on one line')
        handler = self._handlers.get(command) if isinstance(command, str) else None
        if handler is None:
            known = ", ".join(self._handlers)
            return _refusal(f"unknown command {command!r}; there is {known}")
        try:
            return json.dumps({"ok": True, **handler()}).encode()
        except Exception as error:  # the next command, such as a stop, must be heard all the same
            log.exception("command failed", command=command)
            return _refusal(f"the command {command} failed: {type(error).__name__}: {error}")


def _refusal(sentence: str) -> bytes:
    return json.dumps({"ok": False, "error": sentence}).encode()


def request(state_dir: Path, command: str) -> dict[str, Any]:
    """Ask the daemon that runs on a state directory.

    Raises:
        NoDaemonError: there is none.
        ControlError: it is silent, refuses or speaks otherwise.
    """
    path = state_dir / SOCKET_NAME
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_S)
        try:
            with _address(state_dir) as address:
                client.connect(address)
            client.sendall(json.dumps({"command": command}).encode() + b"\n")
            line = _line(client)
        except PermissionError:
            raise ControlError(
                f"{path}: you may not speak to this daemon; run this as the daemon's user"
            ) from None
        except (TimeoutError, BlockingIOError):
            raise ControlError(f"{path}: the daemon does not answer; look at its log") from None
        except OSError:
            raise NoDaemonError(
                f"no daemon runs on the state directory {state_dir} "
                "(start one with `appliance serve`, or name another with --state-dir)"
            ) from None
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise ControlError(f"{path}: the daemon gave no answer that can be read")
    if not reply.pop("ok", False):
        raise ControlError(str(reply.get("error", "the daemon refused")))
    return reply


@contextmanager
def _address(state_dir: Path) -> Iterator[str]:
    """The socket's address through a descriptor: a path of its own may be 107 bytes at most."""
    folder = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def _line(connection: socket.socket, most_parts: int | None = None) -> bytes:
    """What comes until the end of a line, or of the connection, or after so many parts."""
    received = bytearray()
    parts = 0
    while not received.endswith(b"\n") and parts != most_parts:
        part = connection.recv(PART)
        if not part:
            break
        received += part
        parts += 1
    return bytes(received)
