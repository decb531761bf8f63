"""A plain client for the cameras' own tests: PyAV and nothing of ours."""

import contextlib
import ctypes
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from tests.cameras.clips import read_number

OPEN_S = 8.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as a client got it: its number, place on the stream's line, and size."""

    number: int | None
    pts_s: float
    at_s: float
    width: int
    height: int
    pixels: Any


class View:
    """An open stream."""

    def __init__(self, container: Any) -> None:
        self.container = container
        self._packets = container.demux(video=0)
        self._ready: list[Seen] = []

    def seen(self, count: int) -> list[Seen]:
        """The next pictures; fewer if the stream ends or fails before."""
        out: list[Seen] = []
        with contextlib.suppress(av.FFmpegError, StopIteration):
            while len(out) < count:
                if not self._ready:
                    self._ready = _decoded(next(self._packets))
                    continue
                out.append(self._ready.pop(0))
        return out

    def numbers(self, count: int) -> list[int | None]:
        return [seen.number for seen in self.seen(count)]

    def until(self, number: int, within: int = 100) -> Seen:
        """The picture of that number, or the first after it."""
        for _ in range(within):
            (found,) = self.seen(1)
            if found.number is not None and found.number >= number:
                return found
        raise AssertionError(f"number {number} did not come within {within} pictures")

    def wall_clocks(self, packets: int) -> list[float]:
        """The wall clock of each packet that brings it, as the sender reports tell it (UTC)."""
        found = []
        for _ in range(packets):
            for side in next(self._packets).iter_sidedata():
                raw = ctypes.string_at(side.buffer_ptr, side.data_size)
                if side.data_type == "prft":
                    found.append(struct.unpack_from("<q", raw)[0] / 1e6)
        return found


@contextlib.contextmanager
def view(
    url: str, transport: str = "tcp", read_s: float = 2.0, open_s: float = OPEN_S
) -> Iterator[View]:
    """Open a stream; a read that takes longer than `read_s` fails."""
    options = {"rtsp_transport": transport} if url.startswith("rtsp") else {}
    options |= {"probesize": "32768", "analyzeduration": "0"}
    with av.open(url, options=options, timeout=(open_s, read_s)) as container:
        yield View(container)


def _decoded(packet: Any) -> list[Seen]:
    with contextlib.suppress(av.FFmpegError):
        return [_seen(frame) for frame in packet.decode()]
    return []


def _seen(frame: Any) -> Seen:
    pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    pts_s = float(frame.pts * frame.time_base) if frame.pts is not None else float("nan")
    return Seen(read_number(pixels), pts_s, time.monotonic(), frame.width, frame.height, pixels)
