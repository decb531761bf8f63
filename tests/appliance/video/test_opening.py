"""Cameras that refuse a transport, or accept everything and send nothing."""

import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import pytest

from appliance.video.errors import VideoError, cannot_open
from appliance.video.opening import open_container, stream_info, video_stream
from appliance.video.source import SourceOptions

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=c\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=control:t0\r\n"
)


class Silent(socketserver.ThreadingTCPServer):
    """Answers RTSP and sends no picture; `refused` is a transport that it does not have."""

    daemon_threads = True
    refused = "none"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.setups: list[str] = []


class Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            while request := self.rfile.readline().decode().split():
                self._answer(request[0])

    def _answer(self, method: str) -> None:
        server = self.server
        assert isinstance(server, Silent)
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, headers[name.lower()] = line.partition(": ")
        status, extra, body = "200 OK", "", ""
        if method == "DESCRIBE":
            extra, body = "Content-Type: application/sdp\r\n", SDP
        elif method == "SETUP":
            wanted = headers["transport"]
            kind = "tcp" if "TCP" in wanted else "udp"
            server.setups.append(kind)
            extra = f"Transport: {wanted}{';server_port=50000-50001' if kind == 'udp' else ''}\r\n"
            if kind == server.refused:
                status = "461 Unsupported Transport"
        self.wfile.write(
            f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )


@contextmanager
def served(refused: str) -> Iterator[tuple[Silent, str]]:
    with Silent() as server:
        server.refused = refused
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server, f"rtsp://127.0.0.1:{server.server_address[1]}/1"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.video.opening.OPEN_TIMEOUT_S", 0.3)


@pytest.mark.parametrize("refused", ["tcp", "none"])
def test_udp_is_tried_where_tcp_is_refused_or_gives_nothing(refused: str) -> None:
    with served(refused) as (server, uri), pytest.raises(VideoError) as caught:
        open_container(uri, uri, SourceOptions())
    assert server.setups == ["tcp", "udp"]
    assert str(caught.value).startswith(
        f"{uri}: it accepts the connection and sends no picture within 0.3 s"
    )


def test_a_transport_that_is_asked_for_and_refused_is_a_sentence() -> None:
    with served("tcp") as (server, uri), pytest.raises(VideoError) as caught:
        open_container(uri, uri, SourceOptions(transport="tcp"))
    assert server.setups == ["tcp"]
    assert str(caught.value).startswith(f"{uri}: the camera refuses this way of sending (461)")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (16, "another program uses this device"),
        (19, "this device is gone"),
        (6, "this device is gone"),
    ],
)
def test_what_fails_on_a_device_is_a_sentence(number: int, words: str) -> None:
    error = av.error.OSError(number, "so says av")
    said = str(cannot_open("/dev/video0", error, network=False, timeout_s=5.0))
    assert said.startswith(f"/dev/video0: {words}")


def test_a_device_that_refuses_jpeg_is_opened_without_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str | None] = []

    def refuse(_address: str, **given: dict[str, str]) -> None:
        tried.append(given["options"].get("input_format"))
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(VideoError, match="/dev/null: the device refuses the size or the rate"):
        open_container("/dev/null", "/dev/null", SourceOptions(size=(1920, 1080)))
    assert tried == ["mjpeg", None]


def transport_stream(render: Callable[..., Path]) -> bytes:
    return render("x.ts", frames=6).read_bytes()


def test_a_named_pipe_is_live_for_somebody_may_write_into_it_again(
    render: Callable[..., Path], tmp_path: Path
) -> None:
    content, pipe = transport_stream(render), tmp_path / "camera.ts"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    with open_container(str(pipe), "gate", SourceOptions()) as container:
        info = stream_info(str(pipe), container, video_stream(container, "gate"))
    writer.join()
    assert (info.live, info.codec) == (True, "h264")


def test_what_a_shell_pipes_into_one_program_ends_as_a_clip(render: Callable[..., Path]) -> None:
    content = transport_stream(render)
    reading, writing = os.pipe()
    try:
        # So little has room in a pipe that nobody reads yet.
        assert len(content) < 65_536
        os.write(writing, content)
        os.close(writing)
        uri = f"/dev/fd/{reading}"
        with open_container(uri, "gate", SourceOptions()) as container:
            info = stream_info(uri, container, video_stream(container, "gate"))
    finally:
        os.close(reading)
    assert (info.live, info.codec) == (False, "h264")
