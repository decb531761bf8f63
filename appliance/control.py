"""Commands to a running daemon: one JSON object a line over state_dir/control.sock, mode 0600.

A request is `{"command": "status"}`, some with arguments beside the command; the answer is
`{"ok": true, …}` or `{"ok": false, "error": …}`, with `"refused": true` where the request is
wrong.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

Handler = Callable[[], Mapping[str, Any]]
# One that is given the whole request.
Asked = Callable[[Mapping[str, Any]], Mapping[str, Any]]

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


class RefusedError(ControlError):
    """The request cannot be met as it is; raised by a handler, and again where it was asked."""


class ControlServer:
    """Answers requests on the thread that calls `loop`. Made after the outbox holds its lock.

    `listen` may be called before, to see whether there can be a socket; `close` in the end takes it
    away, whether or not the loop has run.

    `handlers` are those of commands that are a word; those of `asked` take arguments, and raise
    RefusedError for what is wrong with them.
    """

    def __init__(
        self,
        state_dir: Path,
        handlers: Mapping[str, Handler],
        asked: Mapping[str, Asked] = MappingProxyType({}),
    ) -> None:
        self._state_dir = state_dir
        self._handlers = handlers
        self._asked = asked
        self._server: socket.socket | None = None

    def listen(self) -> None:
        """Make the socket, if there is none yet: who connects is answered once the loop runs.

        Raises:
            ControlError: there can be none.
        """
        if self._server is not None:
            return
        try:
            self._server = _listening(self._state_dir)
        except OSError as error:
            raise ControlError(
                f"{self._state_dir / SOCKET_NAME}: the socket for commands cannot be made: "
                f"{error.strerror or error}; check the owner and the mode of its folder, and that "
                "nothing else has this name"
            ) from error

    def loop(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, then take the socket away.

        Raises:
            ControlError: there can be no socket.
        """
        self.listen()
        try:
            while not stop.is_set():
                self._accept()
        finally:
            self.close()

    def close(self) -> None:
        """Take the socket away, if there is one."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            (self._state_dir / SOCKET_NAME).unlink(missing_ok=True)

    def _accept(self) -> None:
        if self._server is None:
            raise ValueError("this server has been closed")
        try:
            connection, _ = self._server.accept()
        except TimeoutError:
            return
        self._answer(connection)

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
            told = json.loads(line)
            command = told["command"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refusal('a request is {"command": "…"} on one line')
        try:
            return json.dumps({"ok": True, **self._answered(command, told)}).encode()
        except RefusedError as refused:
            return _refusal(str(refused), refused=True)
        except Exception as error:  # the next command, such as a stop, must be heard all the same
            log.exception("command failed", command=command)
            return _refusal(f"the command {command} failed: {type(error).__name__}: {error}")

    def _answered(self, command: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(command, str) and command in self._handlers:
            return self._handlers[command]()
        if isinstance(command, str) and command in self._asked:
            return self._asked[command](told)
        known = ", ".join((*self._handlers, *self._asked))
        raise RefusedError(f"unknown command {command!r}; there is {known}")


def _listening(state_dir: Path) -> socket.socket:
    path = state_dir / SOCKET_NAME
    server = socket.socket(socket.AF_UNIX)
    try:
        # Left over from a daemon that was killed: the state directory is locked by us.
        path.unlink(missing_ok=True)
        with _address(state_dir) as address:
            server.bind(address)
        path.chmod(0o600)
        server.listen()
        server.settimeout(ACCEPT_S)
    except OSError:
        server.close()
        raise
    return server


def _refusal(sentence: str, **more: bool) -> bytes:
    return json.dumps({"ok": False, "error": sentence, **more}).encode()


def request(state_dir: Path, command: str, **arguments: Any) -> dict[str, Any]:
    """Ask the daemon that runs on a state directory; arguments are plain data.

    Raises:
        NoDaemonError: there is none.
        RefusedError: the arguments are wrong, or the daemon knows no such command.
        ControlError: it is silent, refuses or speaks otherwise.
    """
    path = state_dir / SOCKET_NAME
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_S)
        try:
            with _address(state_dir) as address:
                client.connect(address)
            client.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
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
        kind = RefusedError if reply.get("refused") else ControlError
        raise kind(str(reply.get("error", "the daemon refused")))
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
