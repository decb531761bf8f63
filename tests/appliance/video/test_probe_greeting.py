"""What is said of a camera that does not let itself be opened."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.video.errors import AccessRefusedError, VideoError
from appliance.video.probe_greeting import explained, greet


@contextmanager
def answering(answer: bytes | None, heard: list[bytes] | None = None) -> Iterator[int]:
    """A server for one caller: its port. It says the answer and hangs up; None is: nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5.0)
        over = threading.Event()

        def serve() -> None:
            caller, _ = server.accept()
            with caller:
                caller.settimeout(5.0)
                asked = caller.recv(4096)
                if heard is not None:
                    heard.append(asked)
                if answer is None:
                    over.wait(5.0)
                else:
                    caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_a_mute_server_is_told_from_one_that_speaks_something_else() -> None:
    with answering(None) as port, pytest.raises(VideoError) as caught:
        greet(f"rtsp://u:hunter2@127.0.0.1:{port}/x", patience_s=0.2)
    assert str(caught.value) == (
        f"rtsp://u:***@127.0.0.1:{port}/x: it accepts the connection and says nothing within "
        "0.2 s; check the port, and restart the camera"
    )


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_a_server_that_speaks_no_rtsp_is_refused(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(VideoError) as caught:
        greet(f"rtsp://u:hunter2@127.0.0.1:{port}/x")
    assert str(caught.value) == (
        f"rtsp://u:***@127.0.0.1:{port}/x: what answers at port {port} is no RTSP server; check "
        "the port (RTSP's own is 554)"
    )


@pytest.mark.parametrize("answer", [b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", b""])
def test_what_libav_tells_well_is_left_to_it(answer: bytes) -> None:
    heard: list[bytes] = []
    with answering(answer, heard) as port:
        greet(f"rtsp://u:hun/ter2@127.0.0.1:{port}/x")
    assert heard == [f"OPTIONS rtsp://127.0.0.1:{port}/x RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()]


@pytest.mark.parametrize(
    "uri", ["rtsp://127.0.0.1:1/x", "rtsp://127.0.0.1:99999/x", "rtsp:///x", "http://h/", "a.mp4"]
)
def test_nothing_else_is_greeted(uri: str) -> None:
    greet(uri)


REFUSED = "the user or the password is refused (401); check both"


def test_a_camera_that_was_given_no_user_asks_for_one() -> None:
    error = explained("rtsp://gate/x", AccessRefusedError(f"rtsp://gate/x: {REFUSED}"))
    assert isinstance(error, AccessRefusedError)
    assert str(error) == (
        "rtsp://gate/x: it needs a user and a password; write rtsp://user:password@gate/x"
    )


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("rtsp://u:p@127.0.0.1/x", REFUSED),
        ("rtsp://127.0.0.1/x", "access is forbidden (403)"),
    ],
)
def test_a_user_that_is_refused_stays_refused(uri: str, what: str) -> None:
    error = AccessRefusedError(what)
    assert explained(uri, error) is error


def unknown(*_: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_host_that_is_not_known_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = explained(f"{scheme}://u:hunter2@gaet.local:80/x", VideoError("no connection"))
    assert str(error).endswith(
        ": the host 'gaet.local' is not known; check its name, or write the camera's IP address"
    )
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("uri", ["rtsp://127.0.0.1:9/x", "a.mp4", "/dev/video0"])
def test_another_error_stays(uri: str) -> None:
    error = VideoError("something")
    assert explained(uri, error) is error
