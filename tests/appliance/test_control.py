"""A server on a thread, and clients that speak to it as they should, or not."""

import json
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from structlog.testing import capture_logs

from appliance import control
from appliance.control import (
    SOCKET_NAME,
    Asked,
    ControlError,
    ControlServer,
    NoDaemonError,
    RefusedError,
    request,
)
from tests.unprivileged import as_nobody

# Far more than anything here takes.
LIMIT_S = 20.0
STATUS = {"uptime_s": 1.5, "lanes": [{"name": "people:gate"}]}


@contextmanager
def serving(
    state_dir: Path,
    asked: Mapping[str, Asked] = MappingProxyType({}),
    **handlers: Callable[[], Mapping[str, Any]],
) -> Iterator[None]:
    """A server with these commands, ready when the body begins and gone when it has ended."""
    stop = threading.Event()
    server = ControlServer(state_dir, {"ping": dict, **handlers}, asked)
    thread = threading.Thread(target=server.loop, args=(stop,))
    thread.start()
    try:
        wait_until_it_answers(state_dir, thread)
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def wait_until_it_answers(state_dir: Path, thread: threading.Thread) -> None:
    while True:
        assert thread.is_alive()
        with suppress(NoDaemonError):
            request(state_dir, "ping")
            return
        thread.join(0.01)


@contextmanager
def client(state_dir: Path) -> Iterator[socket.socket]:
    """A connection of a client that is not ours."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(LIMIT_S)
        made.connect(str(state_dir / SOCKET_NAME))
        yield made


def answer(connection: socket.socket) -> Any:
    with connection.makefile("rb") as lines:
        return json.loads(lines.readline())


def test_a_command_is_answered_with_what_its_handler_says(tmp_path: Path) -> None:
    with serving(tmp_path, status=lambda: STATUS):
        assert request(tmp_path, "status") == STATUS
        assert request(tmp_path, "status") == STATUS


def test_a_stop_is_answered_before_the_server_ends(tmp_path: Path) -> None:
    stop = threading.Event()

    def set_stop() -> Mapping[str, Any]:
        stop.set()
        return {"stopping": True}

    server = ControlServer(tmp_path, {"ping": dict, "stop": set_stop})
    thread = threading.Thread(target=server.loop, args=(stop,))
    thread.start()
    wait_until_it_answers(tmp_path, thread)
    assert request(tmp_path, "stop") == {"stopping": True}
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert not (tmp_path / SOCKET_NAME).exists()


def test_an_unknown_command_is_refused_with_those_there_are(tmp_path: Path) -> None:
    asked = {"explain": dict}
    with serving(tmp_path, asked, status=dict), pytest.raises(RefusedError) as caught:
        request(tmp_path, "restart")
    assert str(caught.value) == "unknown command 'restart'; there is ping, status, explain"


def test_a_command_with_arguments_is_given_all_of_them(tmp_path: Path) -> None:
    asked: dict[str, Asked] = {"explain": lambda told: {"told": told}}
    with serving(tmp_path, asked):
        answer = request(tmp_path, "explain", camera="Tor 3 außen", at=12.5, seconds=None)
    assert answer == {
        "told": {"command": "explain", "camera": "Tor 3 außen", "at": 12.5, "seconds": None}
    }


def test_a_refusal_is_the_sentence_itself_and_no_failure(tmp_path: Path) -> None:
    def explain(_told: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RefusedError("there is no camera 'gaet'")

    with capture_logs() as logs, serving(tmp_path, {"explain": explain}):
        with pytest.raises(RefusedError, match=r"^there is no camera 'gaet'$"):
            request(tmp_path, "explain", camera="gaet")
        with client(tmp_path) as other:
            other.sendall(b'{"command": "explain"}\n')
            assert answer(other) == {
                "ok": False,
                "error": "there is no camera 'gaet'",
                "refused": True,
            }
    assert logs == []


def test_a_command_with_arguments_that_fails_is_no_refusal(tmp_path: Path) -> None:
    def explain(told: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"camera": told["camera"]}

    with capture_logs(), serving(tmp_path, {"explain": explain}):
        with pytest.raises(ControlError) as caught:
            request(tmp_path, "explain")
        assert request(tmp_path, "ping") == {}
    assert str(caught.value) == "the command explain failed: KeyError: 'camera'"
    assert not isinstance(caught.value, RefusedError)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"status\n",
        b"\xff\xfe\x00\n",
        b"GET / HTTP/1.1\r\n",
        b"[]\n",
        b'"command"\n',
        b"7\n",
        b'{"comand": "status"}\n',
        b'{"command": "status"\n',
        b"[" * 20_000 + b"\n",
    ],
)
def test_garbage_is_answered_with_what_a_request_is(tmp_path: Path, garbage: bytes) -> None:
    with serving(tmp_path):
        with client(tmp_path) as other:
            other.sendall(garbage)
            assert answer(other) == {
                "ok": False,
                "error": 'a request is {"command": "…"} on one line',
            }
        assert request(tmp_path, "ping") == {}


@pytest.mark.parametrize("command", ["7", "null", "[]", '{"a": 1}'])
def test_a_command_that_is_no_text_is_unknown(tmp_path: Path, command: str) -> None:
    with serving(tmp_path), client(tmp_path) as other:
        other.sendall(b'{"command": ' + command.encode() + b"}\n")
        said = answer(other)
    assert not said["ok"]
    assert said["error"].startswith("unknown command ")


def test_a_request_may_come_in_parts(tmp_path: Path) -> None:
    with serving(tmp_path), client(tmp_path) as other:
        other.sendall(b'{"comm')
        other.sendall(b'and": "ping"}')
        other.sendall(b"\n")
        assert answer(other) == {"ok": True}


def test_a_request_may_end_with_the_connection(tmp_path: Path) -> None:
    with serving(tmp_path), client(tmp_path) as other:
        other.sendall(b'{"command": "ping"}')
        other.shutdown(socket.SHUT_WR)
        assert answer(other) == {"ok": True}


def test_a_huge_request_is_refused_before_its_end(tmp_path: Path) -> None:
    with serving(tmp_path):
        with client(tmp_path) as other:
            other.sendall(b'{"command": "' + b"x" * 60_000)  # and no end
            assert not answer(other)["ok"]
        assert request(tmp_path, "ping") == {}


def test_a_client_that_says_nothing_is_left_after_a_while(tmp_path: Path) -> None:
    with serving(tmp_path), client(tmp_path) as silent, client(tmp_path) as other_silent:
        # Answered, though the others still hold their connections and came first.
        assert request(tmp_path, "ping") == {}
        assert silent.recv(1) == b""
        assert other_silent.recv(1) == b""


def test_a_client_that_trickles_is_left_after_a_few_parts(tmp_path: Path) -> None:
    with serving(tmp_path), client(tmp_path) as slow:
        with suppress(BrokenPipeError, ConnectionResetError):
            while not readable(slow):
                slow.sendall(b" ")
        assert request(tmp_path, "ping") == {}


def readable(connection: socket.socket) -> bool:
    """Whether there is something to read, were it the end, within a moment."""
    return bool(select.select([connection], [], [], 0.05)[0])


def test_a_client_that_does_not_listen_is_left_after_a_while(tmp_path: Path) -> None:
    big = {"text": "x" * 5_000_000}
    with serving(tmp_path, big=lambda: big), client(tmp_path) as deaf:
        deaf.sendall(b'{"command": "big"}\n')
        assert request(tmp_path, "ping") == {}


def test_a_client_that_goes_away_harms_nobody(tmp_path: Path) -> None:
    with serving(tmp_path):
        for said in (b"", b'{"command": "ping"}\n'):
            with client(tmp_path) as hasty:
                hasty.sendall(said)
        assert request(tmp_path, "ping") == {}


def test_a_long_answer_comes_whole(tmp_path: Path) -> None:
    lanes = [{"name": f"people:gate-{i}", "buckets": {"processed": i}} for i in range(5000)]
    with serving(tmp_path, status=lambda: {"lanes": lanes}):
        assert request(tmp_path, "status") == {"lanes": lanes}


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (OSError("disk I/O error"), "the command status failed: OSError: disk I/O error"),
        (
            {"a": {1, 2}},
            "the command status failed: TypeError: Object of type set is not JSON serializable",
        ),
    ],
)
def test_a_command_that_fails_leaves_the_others_usable(
    tmp_path: Path, outcome: Any, sentence: str
) -> None:
    def status() -> Mapping[str, Any]:
        if isinstance(outcome, Exception):
            raise outcome
        return dict(outcome)

    with capture_logs() as logs, serving(tmp_path, status=status):
        with pytest.raises(ControlError) as caught:
            request(tmp_path, "status")
        assert request(tmp_path, "ping") == {}
    assert str(caught.value) == sentence
    (line,) = logs
    assert (line["event"], line["command"], line["log_level"]) == (
        "command failed",
        "status",
        "error",
    )


def test_only_its_own_user_may_speak_to_the_daemon(tmp_path: Path) -> None:
    with serving(tmp_path):
        mode = (tmp_path / SOCKET_NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600


def test_the_path_of_the_state_directory_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    assert len(str(deep / SOCKET_NAME)) > 107
    with serving(deep, status=lambda: STATUS):
        assert (deep / SOCKET_NAME).exists()
        assert request(deep, "status") == STATUS
    assert not (deep / SOCKET_NAME).exists()


def test_the_state_directory_may_be_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("state").mkdir()
    with serving(Path("state"), status=lambda: STATUS):
        assert request(tmp_path / "state", "status") == STATUS


KILLED = """
import sys, threading
from pathlib import Path
from appliance.control import ControlServer
def ready():
    print("ready", flush=True)
    return {}
ControlServer(Path(sys.argv[1]), {"ping": ready}).loop(threading.Event())
"""


def test_the_socket_of_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE
    ) as killed:
        assert killed.stdout is not None
        while killed.poll() is None:
            with suppress(NoDaemonError):
                request(tmp_path, "ping")
                break
        assert killed.stdout.readline() == b"ready\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait(LIMIT_S)
    assert (tmp_path / SOCKET_NAME).exists()
    with pytest.raises(NoDaemonError):
        request(tmp_path, "status")
    with serving(tmp_path, status=lambda: STATUS):
        assert request(tmp_path, "status") == STATUS


def test_the_socket_goes_with_the_server(tmp_path: Path) -> None:
    with serving(tmp_path):
        assert (tmp_path / SOCKET_NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_left_open(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with serving(tmp_path):
        for _ in range(20):
            request(tmp_path, "ping")
    assert descriptors() == before


@pytest.mark.parametrize("kind", ["an empty folder", "no folder", "a file", "a plain file there"])
def test_without_a_daemon_a_command_says_how_to_start_one(tmp_path: Path, kind: str) -> None:
    state_dir = tmp_path / "state"
    if kind == "a file":
        state_dir.touch()
    elif kind != "no folder":
        state_dir.mkdir()
    if kind == "a plain file there":
        (state_dir / SOCKET_NAME).touch()
    with pytest.raises(NoDaemonError) as caught:
        request(state_dir, "status")
    assert str(caught.value) == (
        f"no daemon runs on the state directory {state_dir} "
        "(start one with `appliance serve`, or name another with --state-dir)"
    )


@contextmanager
def listening(state_dir: Path, replies: bytes | None) -> Iterator[None]:
    """Something that is no daemon of ours: it replies with these bytes, or with silence."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(state_dir / SOCKET_NAME))
        server.listen()

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(replies or b"")

        thread = threading.Thread(target=reply)
        if replies is not None:
            thread.start()
        yield
        if replies is not None:
            thread.join(LIMIT_S)


@pytest.mark.parametrize("replies", [b"", b"hello\n", b"[1]\n", b"7\n", b'{"ok": tr'])
def test_an_answer_that_cannot_be_read_is_an_error(tmp_path: Path, replies: bytes) -> None:
    with listening(tmp_path, replies), pytest.raises(ControlError) as caught:
        request(tmp_path, "status")
    assert str(caught.value) == (
        f"{tmp_path / SOCKET_NAME}: the daemon gave no answer that can be read"
    )


def test_a_refusal_without_a_reason_is_still_one(tmp_path: Path) -> None:
    with (
        listening(tmp_path, b"{}\n"),
        pytest.raises(ControlError, match=r"^the daemon refused$"),
    ):
        request(tmp_path, "status")


def test_a_daemon_that_hangs_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_S", 0.05)
    with listening(tmp_path, None), pytest.raises(ControlError) as caught:
        request(tmp_path, "status")
    assert str(caught.value) == (
        f"{tmp_path / SOCKET_NAME}: the daemon does not answer; look at its log"
    )


def test_the_daemon_of_somebody_else_says_whom_to_be(tmp_path: Path) -> None:
    with serving(tmp_path):
        (tmp_path / SOCKET_NAME).chmod(0)
        with as_nobody(), pytest.raises(ControlError, match="run this as the daemon's user"):
            request(tmp_path, "status")


def test_where_there_can_be_no_socket_it_is_said_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / SOCKET_NAME / "in-the-way").mkdir(parents=True)
    server = ControlServer(tmp_path, {"ping": dict})
    with pytest.raises(ControlError) as caught:
        server.loop(threading.Event())
    assert str(caught.value) == (
        f"{tmp_path / SOCKET_NAME}: the socket for commands cannot be made: Is a directory; check "
        "the owner and the mode of its folder, and that nothing else has this name"
    )
    (tmp_path / SOCKET_NAME / "in-the-way").rmdir()
    (tmp_path / SOCKET_NAME).rmdir()
    tmp_path.chmod(0o500)
    with as_nobody(), pytest.raises(ControlError, match="cannot be made: Permission denied"):
        server.listen()
    tmp_path.chmod(0o700)
    server.close()


def test_a_socket_that_was_made_before_is_used_and_goes_also_without_the_loop(
    tmp_path: Path,
) -> None:
    server = ControlServer(tmp_path, {"ping": dict})
    server.listen()
    made = (tmp_path / SOCKET_NAME).stat().st_ino
    server.listen()
    assert (tmp_path / SOCKET_NAME).stat().st_ino == made
    stop = threading.Event()
    # Who connects before the loop runs is answered then.
    with client(tmp_path) as early:
        early.sendall(b'{"command": "ping"}\n')
        thread = threading.Thread(target=server.loop, args=(stop,))
        thread.start()
        assert answer(early) == {"ok": True}
        stop.set()
        thread.join(LIMIT_S)
    assert list(tmp_path.iterdir()) == []
    server.listen()
    server.close()
    server.close()
    assert list(tmp_path.iterdir()) == []
