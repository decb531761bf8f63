"""Other sources of pictures on the loopback: those that answer wrongly, MJPEG, HLS, and files.

Each is a context manager with a `url`; it ends its own threads. They serve any path.
"""

import contextlib
import functools
import http.server
import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self

import av

from tests.cameras.clip_file import Clip
from tests.cameras.clips import ClipSpec, clip

BOUNDARY = "picture"
Fault = Literal["mute", "garbage", "hangs-up"]


class Serving:
    """A server and the thread that runs it."""

    scheme = "http"

    def __init__(self, server: socketserver.TCPServer, path: str = "") -> None:
        self._server = server
        self._path = path
        self._thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        port: int = self._server.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{self._path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class BadServer(Serving):
    """Accepts, and then is mute, sends garbage without end, or hangs up at once.

    `accepted` counts the connections.
    """

    def __init__(self, fault: Fault, scheme: str = "rtsp") -> None:
        self.scheme = scheme
        self.accepted = 0
        self.fault = fault
        self._closing = threading.Event()
        answer = self._answer

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                answer(self.request)

        super().__init__(_Threads(("127.0.0.1", 0), Handler), "camera")

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()

    def _answer(self, connection: socket.socket) -> None:
        self.accepted += 1
        chance = random.Random(self.accepted)
        connection.settimeout(0.2)
        while self.fault == "mute" and not self._closing.is_set():
            # Until the client has gone: else each try would leave a thread and a socket behind.
            with contextlib.suppress(TimeoutError):
                if not connection.recv(4096):
                    return
        with contextlib.suppress(OSError):
            while self.fault == "garbage" and not self._closing.wait(0.01):
                connection.sendall(chance.randbytes(1000))


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no failure."""


class MjpegServer(Serving):
    """MJPEG over HTTP, one part for each picture, at the rate of the clip or another.

    All clients get the same pictures at the same time. `sent_s` is when each number was last sent,
    by `time.monotonic`. With `lengths` each part says how long it is.
    """

    def __init__(
        self, spec: ClipSpec | None = None, *, rate: float | None = None, lengths: bool = True
    ) -> None:
        self._clip = clip(spec or ClipSpec("mjpeg"))
        self._rate = rate or self._clip.rate
        self._lengths = lengths
        self._at = 0
        self._stalled = self._frozen = False
        self._closing = threading.Event()
        self._turn = threading.Condition()
        self._turns = 0
        self._hang_ups = 0
        self.sent_s: dict[int, float] = {}
        self._pacer = threading.Thread(target=self._pace, daemon=True)
        super().__init__(_Http(("127.0.0.1", 0), self._handler()), "video.mjpg")

    def __enter__(self) -> Self:
        self._pacer.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.close()
        super().__exit__()
        self._pacer.join(5.0)

    def stall(self) -> None:
        self._stalled = True

    def freeze(self) -> None:
        """Send the present picture again and again."""
        self._frozen = True

    def go_on(self) -> None:
        self._stalled = self._frozen = False

    def rate(self, rate: float) -> None:
        self._rate = rate

    def switch(self, spec: ClipSpec) -> None:
        """Send another clip from now on, of another size maybe."""
        made = clip(spec)
        with self._turn:
            self._clip, self._at = made, 0

    def close(self) -> None:
        """Hang up on all clients. They may come again."""
        with self._turn:
            self._hang_ups += 1
            self._turn.notify_all()

    def _pace(self) -> None:
        due_s = time.monotonic()
        while not self._closing.is_set():
            due_s = max(due_s + 1 / self._rate, time.monotonic() - 0.5)
            self._closing.wait(max(0.0, due_s - time.monotonic()))
            if self._stalled:
                continue
            with self._turn:
                if not self._frozen:
                    self._at = (self._at + 1) % len(self._clip.units)
                self.sent_s[self._clip.units[self._at].number] = time.monotonic()
                self._turns += 1
                self._turn.notify_all()

    def _pictures(self) -> Iterator[bytes]:
        with self._turn:
            turns, hang_ups = self._turns, self._hang_ups
        while True:
            with self._turn:
                while (self._turns, self._hang_ups) == (turns, hang_ups):
                    self._turn.wait()
                if self._hang_ups != hang_ups:
                    return
                turns, data = self._turns, self._clip.units[self._at].data
            yield data

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                for data in outer._pictures():
                    length = f"Content-Length: {len(data)}\r\n" if outer._lengths else ""
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")

            def log_message(self, *_: object) -> None:
                """Nothing: the test says what it sees."""

        return Handler


class FileServer(Serving):
    """The files of a folder over HTTP, `name` of them in its `url`. No ranges."""

    def __init__(self, folder: Path, name: str) -> None:
        handler = functools.partial(_FileHandler, directory=str(folder))
        super().__init__(_Http(("127.0.0.1", 0), handler), name)


class _FileHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test says what it sees."""


def write_file(path: Path, spec: ClipSpec) -> Path:
    """A clip as a file whose kind is that of its name: mp4 (to be read as it comes), ts, mkv."""
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    _mux(clip(spec), path, options, range(spec.frames))
    return path


class HlsServer(FileServer):
    """H.264 as HLS: segments of one GOP each, one after another for ever, or a whole recording.

    A live playlist has the last three segments, and gets a new one as often as a segment is long.
    `stall` keeps it as it is.
    """

    WINDOW = 3

    def __init__(self, folder: Path, spec: ClipSpec | None = None, *, live: bool = True) -> None:
        self._spec = spec or ClipSpec(frames=100, gop=25)
        assert self._spec.codec == "h264", "segments are of H.264"
        assert self._spec.frames % self._spec.gop == 0, "segments are whole"
        self._folder = folder
        self._live = live
        self._segment_s = self._spec.gop / self._spec.rate
        self._closing = threading.Event()
        self._stalled = False
        self._pacer = threading.Thread(target=self._pace, daemon=True)
        super().__init__(folder, "live.m3u8" if live else "recording.m3u8")

    def __enter__(self) -> Self:
        count = self.WINDOW if self._live else self._spec.frames // self._spec.gop
        for number in range(count):
            self._write_segment(number)
        self._write_playlist(range(count))
        if self._live:
            self._pacer.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._live:
            self._pacer.join(5.0)
        super().__exit__()

    def stall(self) -> None:
        self._stalled = True

    def go_on(self) -> None:
        self._stalled = False

    def _pace(self) -> None:
        number = self.WINDOW
        while not self._closing.wait(self._segment_s):
            if self._stalled:
                continue
            self._write_segment(number)
            number += 1
            self._write_playlist(range(number - self.WINDOW, number))

    def _write_segment(self, number: int) -> None:
        gop = self._spec.gop
        frames = range(number * gop, (number + 1) * gop)
        _mux(clip(self._spec), self._folder / f"{number}.ts", {}, frames)

    def _write_playlist(self, numbers: range) -> None:
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{max(1, round(self._segment_s))}",
            f"#EXT-X-MEDIA-SEQUENCE:{numbers.start}",
        ]
        for number in numbers:
            lines += [f"#EXTINF:{self._segment_s:.3f},", f"{number}.ts"]
        if not self._live:
            lines.append("#EXT-X-ENDLIST")
        partial = self._folder / "playlist.part"
        partial.write_text("\n".join(lines) + "\n")
        partial.replace(self._folder / self._path)


def _mux(made: Clip, path: Path, options: dict[str, str], frames: Iterable[int]) -> None:
    """Write units, the clip round and round, into a container; `frames` are places in time."""
    names = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}
    rate = Fraction(made.rate).limit_denominator(1001)
    count = len(made.units)
    partial = path.with_name(f"part-{path.name}")
    with av.open(str(partial), "w", container_options=options) as container:
        stream: Any = container.add_mux_stream(
            names[made.codec], rate=rate, width=made.width, height=made.height
        )
        for frame in frames:
            unit = made.units[frame % count]
            packet = av.Packet(unit.data)
            packet.stream = stream
            packet.time_base = 1 / rate
            packet.pts = frame // count * count + unit.place
            packet.dts = frame - made.delay
            packet.duration = 1
            packet.is_keyframe = unit.key
            container.mux(packet)
    partial.replace(path)
