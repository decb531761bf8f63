"""A camera over RTSP, played by a server that speaks just enough of it."""

import base64
import itertools
import socket
import socketserver
import ssl
import statistics
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from appliance.clock import Clock, SystemClock
from appliance.video.errors import VideoError
from appliance.video.reader import VideoReader
from appliance.video.source import Item, LeftOut, SourceOptions
from blocks.data import Frame, Image

NumberOf = Callable[[Image], int]

SDP = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=camera\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={parameters}\r
a=control:track0\r
"""


def split(data: bytes, start: int, length_size: int, count: int | None = None) -> list[bytes]:
    """Pieces of `data`, each with its length before it."""
    pieces: list[bytes] = []
    while start < len(data) and (count is None or len(pieces) < count):
        begin = start + length_size
        start = begin + int.from_bytes(data[start:begin])
        pieces.append(data[begin:start])
    return pieces


class Camera(socketserver.ThreadingTCPServer):
    """Sends one clip over the connection of the request (RFC 7826, 14), then hangs up.

    With `frozen` it sends nothing after the clip until the server is closed; `step_s` is the time
    from one picture to the next.
    """

    daemon_threads = True

    def __init__(self, clip: Path) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.frozen = False
        self.tls: ssl.SSLContext | None = None
        self.step_s = 0.0
        self.closing = threading.Event()
        self.transports: list[str] = []
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            extradata = stream.codec_context.extradata or b""
            sequence_parameters = split(extradata, 6, 2, 1)
            picture_parameters = split(extradata, 9 + len(sequence_parameters[0]), 2, 1)
            encoded = [base64.b64encode(p).decode() for p in sequence_parameters]
            encoded += [base64.b64encode(p).decode() for p in picture_parameters]
            self.description = SDP.format(parameters=",".join(encoded))
            self.units = [
                (float((packet.pts or 0) * packet.time_base), split(bytes(packet), 0, 4))
                for packet in container.demux(stream)
                if packet.size
            ]

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection, through TLS where it has that."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        return connection, address

    @property
    def address(self) -> str:
        scheme = "rtsp" if self.tls is None else "rtsps"
        return f"{scheme}://admin:secret@127.0.0.1:{self.server_address[1]}/ch1"

    @property
    def shown(self) -> str:
        return self.address.replace("secret", "***")


class Conversation(socketserver.StreamRequestHandler):
    """Answers OPTIONS, DESCRIBE and SETUP, and plays."""

    def handle(self) -> None:
        assert isinstance(self.server, Camera)
        camera = self.server
        while request := self.rfile.readline().decode().split():
            headers = {}
            while line := self.rfile.readline().decode().strip():
                name, _, headers[name.lower()] = line.partition(": ")
            answers = {
                "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY", ""),
                "DESCRIBE": ("Content-Type: application/sdp", camera.description),
                "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1", ""),
            }
            camera.transports += [headers["transport"]] if "transport" in headers else []
            header, body = answers.get(request[0], ("Session: 1", ""))
            self.wfile.write(
                f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n"
                f"{header}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            if request[0] == "PLAY":
                self._play(camera)
                return

    def _play(self, camera: Camera) -> None:
        sequence = 0
        for seconds, units in camera.units:
            camera.closing.wait(camera.step_s)
            for unit in units:
                # The mark says that the picture is complete (RFC 6184, 5.1).
                kind = 96 | (0x80 if unit is units[-1] else 0)
                stamp = round((seconds + 100) * 90000)
                packet = struct.pack("!BBHII", 0x80, kind, sequence, stamp, 7) + unit
                self.wfile.write(b"$\0" + struct.pack("!H", len(packet)) + packet)
                sequence += 1
        if camera.frozen:
            camera.closing.wait(30)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate that nobody else vouches for, as cameras have them."""
    file = tmp_path / "camera.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=camera",
    ]
    command += ["-keyout", str(file), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    file.write_text(file.read_text() + (tmp_path / "certificate.pem").read_text())
    return file


@pytest.fixture
def camera(clip: Path) -> Iterator[Camera]:
    with Camera(clip) as server:
        arguments = {"poll_interval": 0.02}
        thread = threading.Thread(target=server.serve_forever, kwargs=arguments)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def read_until_error(
    uri: str, clock: Clock, options: SourceOptions | None = None
) -> tuple[list[Item], str]:
    items: list[Item] = []
    with (
        VideoReader(uri, "gate", clock, options=options or SourceOptions()) as reader,
        pytest.raises(VideoError) as caught,
    ):
        items.extend(reader.frames())
    return items, str(caught.value)


def test_a_camera_says_what_it_is(camera: Camera, clock: Clock) -> None:
    with VideoReader(camera.address, "gate", clock) as reader:
        info = reader.info
    assert (info.codec, info.width, info.height) == ("h264", 160, 120)
    assert info.live
    assert info.duration_s is None
    assert camera.transports[0].startswith("RTP/AVP/TCP")


def test_frames_of_a_camera_come_in_order_until_it_hangs_up(
    camera: Camera, clock: Clock, number_of: NumberOf
) -> None:
    items, said = read_until_error(camera.address, clock)
    frames = [item for item in items if isinstance(item, Frame)]
    assert [number_of(frame.image) for frame in frames] == list(range(24))
    # The clock stands still: all came at once, and none was taken later than it came.
    assert frames[0].at_s == 0.0
    assert all(later.at_s > earlier.at_s for earlier, later in itertools.pairwise(frames))
    assert max(frame.captured_at for frame in frames) <= clock.now() + 0.001 * len(frames)
    assert said == f"{camera.shown}: the stream ended; the camera closed it"


def test_a_camera_is_watched_through_tls(
    camera: Camera, clock: Clock, number_of: NumberOf, certificate: Path
) -> None:
    camera.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    camera.tls.load_cert_chain(certificate)
    items, said = read_until_error(camera.address, clock)
    assert [number_of(i.image) for i in items if isinstance(i, Frame)] == list(range(24))
    assert camera.transports[0].startswith("RTP/AVP/TCP")
    assert said.startswith("rtsps://admin:***@127.0.0.1:")


def test_frames_of_a_camera_stand_at_the_times_of_its_stamps(
    camera: Camera, number_of: NumberOf
) -> None:
    camera.step_s = 0.04
    items, _ = read_until_error(camera.address, SystemClock())
    frames = [item for item in items if isinstance(item, Frame)]
    assert [number_of(frame.image) for frame in frames] == list(range(24))
    steps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(frames)]
    # Those that are looked at while it is opened come all at once.
    assert statistics.median(steps[12:]) == pytest.approx(0.04, abs=0.01)


def test_a_camera_that_falls_silent_is_an_error_after_its_last_frame(
    camera: Camera, clock: Clock, number_of: NumberOf
) -> None:
    camera.frozen = True
    items, said = read_until_error(camera.address, clock, SourceOptions(silence_s=0.4))
    numbers = [number_of(item.image) for item in items if isinstance(item, Frame)]
    assert numbers == list(range(24))
    assert said == f"{camera.shown}: no data for 0.4 s; the camera or the network hangs"


def test_pictures_held_back_over_a_silence_are_stale(camera: Camera) -> None:
    camera.frozen = True
    items, _ = read_until_error(camera.address, SystemClock(), SourceOptions(silence_s=1.6))
    late = [item for item in items if not isinstance(item, Frame)]
    assert late
    assert late == [LeftOut("stale")] * len(late) == items[-len(late) :]
    assert len(items) == 24


def test_a_camera_that_misses_packets_still_accounts_for_every_unit(
    camera: Camera, clock: Clock
) -> None:
    # The keyframe of the second group is gone, and so is a picture that others refer to.
    del camera.units[8], camera.units[3]
    with VideoReader(camera.address, "gate", clock) as reader:
        items: list[Item] = []
        with pytest.raises(VideoError):
            items.extend(reader.frames())
        assert len(items) == reader.demuxed == 22
