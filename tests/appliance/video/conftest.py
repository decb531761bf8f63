"""Clips made on the spot, each picture with its number in it, and a clock that stands still."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from blocks.data import Image

BITS = 8


class StillClock:
    """A clock that stands still; waiting takes no time."""

    def now(self) -> float:
        return 1_800_000_000.0

    def monotonic(self) -> float:
        return 1000.0

    def cpu_s(self) -> float:
        return 0.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.is_set()


def draw(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of (width, height): its number in black and white on top, a red square below."""
    width, height = size
    pixels = np.full((height, width, 3), (110, 140, 90), np.uint8)
    for bit in range(BITS):
        left, right = width * bit // BITS, width * (bit + 1) // BITS
        pixels[: height // 4, left:right] = 255 if number >> bit & 1 else 0
    left = number * 3 % (width * 3 // 4)
    pixels[height // 2 : height * 3 // 4, left : left + width // 4] = (40, 30, 220)
    return pixels


def read_number(image: Image) -> int:
    """The number that is drawn in an image, whatever has been done to its colours."""
    bgr = image.bgr
    row = bgr[bgr.shape[0] // 8].mean(axis=1)
    width = len(row)
    return sum(int(row[width * (2 * bit + 1) // (2 * BITS)] > 127) << bit for bit in range(BITS))


def render_clip(
    path: Path,
    *,
    frames: int = 24,
    size: tuple[int, int] = (160, 120),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    stamps: Sequence[int] | None = None,
    colours: tuple[int, int] = (2, 0),
) -> Path:
    """A clip of 25 frames/s. `stamps` are in 1/25 s; `colours` the codes of matrix and range."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        matrix, colour_range = colours
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = colour_range
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(draw(number, size), format="bgr24").reformat(
                format=pixel_format,
                dst_colorspace=Colorspace.ITU709 if matrix == 1 else Colorspace.ITU601,
                dst_color_range=colour_range or ColorRange.MPEG,
            )
            picture.pts = stamps[number] if stamps else number
            picture.time_base = Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


class CameraHandler(BaseHTTPRequestHandler):
    """/live/N sends N JPEGs as a camera does and hangs up; /N answers N; else a file."""

    folder: Path

    def do_GET(self) -> None:
        last = self.path.rpartition("/")[2]
        with suppress(ConnectionError):
            if self.path.startswith("/live/"):
                self._send_live(int(last))
            elif last.isdigit():
                self.send_error(int(last))
            else:
                self._send_file(self.folder / last)

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""

    def _send_live(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(count):
            jpeg = cv2.imencode(".jpg", draw(number, (160, 120)))[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _send_file(self, path: Path) -> None:
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def camera_server(tmp_path: Path) -> Iterator[str]:
    """An HTTP server on a free port of the loopback; its address, without a last slash."""
    handler = type("Handler", (CameraHandler,), {"folder": tmp_path})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(scope="session")
def draw_picture() -> Callable[[int, tuple[int, int]], NDArray[np.uint8]]:
    return draw


@pytest.fixture(scope="session")
def number_of() -> Callable[[Image], int]:
    return read_number


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., Path]:
    def render_here(name: str, **settings: object) -> Path:
        return render_clip(tmp_path / name, **settings)  # type: ignore[arg-type]  # passed on

    return render_here


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of H.264 with B frames in MP4, its index in front."""
    return render_clip(
        tmp_path_factory.mktemp("clips") / "clip.mp4",
        options={"bf": "3", "g": "8", "sc_threshold": "0"},
        container_options={"movflags": "faststart"},
    )
