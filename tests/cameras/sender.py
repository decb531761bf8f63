"""Sends the units of a clip as a camera does, at its own pace, with the faults it is told to have.

Standard library only. Time is CLOCK_MONOTONIC; the RTP stamps are of the time a picture was taken,
whatever rate the clip declares.
"""

import mmap
import random
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tests.cameras import rtp
from tests.cameras.clip_file import Clip, Unit, read

SECOND_NS = 1_000_000_000
LATE_NS = SECOND_NS // 2
LOG_BYTES = 8 * (1 << 16)


class Outlet(Protocol):
    """Where packets go: one media, which plays or is still being set up."""

    playing: bool

    def running_ns(self, taken_ns: int) -> int | None:
        """How long it had been running at that time; None: its clock does not run yet."""

    def push(self, packets: list[bytes], taken_ns: int) -> None:
        """Send the packets of a picture, or a part of them."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the camera at present."""

    stalled: bool = False
    frozen: bool = False
    flip: float = 0.0
    drop: float = 0.0
    pause_s: float = 0.0


@dataclass(slots=True)
class Viewer:
    """A client's media: whether it got its first key frame, and whether it gets what follows."""

    outlet: Outlet
    sequence: int
    begun: bool = False
    follows: bool = False


class Sender:
    """One camera. `run` is its thread; the other methods may be called from any."""

    def __init__(
        self, clip: Path, log: Path, rate: float | None, mtu: int, drift_ppm: float = 0.0
    ) -> None:
        self._clip = read(clip)
        self._rate = rate or self._clip.rate
        self._mtu = mtu
        self._drift = drift_ppm / 1e6
        self._faults = Faults()
        self._jump_s = 0.0
        self._next_clip: Clip | None = None
        self._at = 0
        self._sent: int | None = None
        self._last_key = 0
        self._ssrc = random.randrange(1 << 32)
        self._chance = random.Random(5)
        self._viewers: list[Viewer] = []
        self._due_ns = time.monotonic_ns()
        self._lock = threading.Lock()
        self._payloads: dict[int, list[bytes]] = {}
        with log.open("r+b") as file:
            self._log = mmap.mmap(file.fileno(), LOG_BYTES)

    def caps(self) -> str:
        """What the stream is, for the SDP."""
        with self._lock:
            return rtp.caps(self._next_clip or self._clip, self._ssrc)

    def join(self, outlet: Outlet) -> None:
        """A media is set up: it gets one key frame, and the others once it plays."""
        with self._lock:
            self._viewers.append(Viewer(outlet, random.randrange(1 << 16)))

    def leave(self, outlet: Outlet) -> None:
        """A media is gone."""
        with self._lock:
            self._viewers = [v for v in self._viewers if v.outlet is not outlet]

    def stall(self) -> None:
        """Send nothing."""
        self._set(stalled=True)

    def freeze(self) -> None:
        """Send the next key frame again and again."""
        with self._lock:
            self._at = self._clip.next_key(self._at)
            self._faults = replace(self._faults, frozen=True)

    def go_on(self) -> None:
        """No fault at all; time stamps that jumped stay where they are."""
        with self._lock:
            if self._faults.frozen and self._sent == self._at:
                self._at = (self._at + 1) % len(self._clip.units)
            self._faults = Faults()

    def corrupt(self, flip: float, drop: float) -> None:
        """Flip bytes in a share of the units; leave out a share of the packets."""
        self._set(flip=flip, drop=drop)

    def burst_pause(self, pause_s: float) -> None:
        """Send each picture in two bursts, with a pause between them."""
        self._set(pause_s=pause_s)

    def jump(self, seconds: float) -> None:
        """Let the time stamps jump."""
        with self._lock:
            self._jump_s += seconds

    def rate(self, rate: float) -> None:
        """Deliver so many pictures a second."""
        with self._lock:
            self._rate = rate

    def switch(self, clip: Path) -> None:
        """Go on with the first picture of another clip."""
        made = read(clip)
        with self._lock:
            self._next_clip = made

    def run(self) -> None:
        """Send for ever."""
        while True:
            wait_ns = self._due_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / SECOND_NS)
            with self._lock:
                self._turn(time.monotonic_ns())

    def _turn(self, now_ns: int) -> None:
        taken_ns, self._due_ns = self._due_ns, self._due_ns + self._frames_ns(1)
        if now_ns - taken_ns > LATE_NS:
            # The process was stopped: what it missed is lost, as with a real camera.
            taken_ns, self._due_ns = now_ns, now_ns + self._frames_ns(1)
        if self._faults.stalled:
            return
        self._take_next_clip()
        playing = [v for v in self._viewers if v.begun and v.outlet.playing]
        for viewer in self._viewers:
            if not viewer.begun:
                self._begin(viewer, taken_ns, alone=not playing)
        if playing:
            self._send_next(playing, taken_ns)

    def _begin(self, viewer: Viewer, taken_ns: int, *, alone: bool) -> None:
        """Send the first key frame, if the media runs long enough to have taken it.

        Without it the media is not ready. Who comes while others watch gets the last one again,
        and what follows from the next one on.
        """
        running_ns = viewer.outlet.running_ns(taken_ns - self._frames_ns(self._clip.delay))
        if running_ns is None or running_ns < 0:
            return
        after_key = self._sent is not None and self._clip.units[self._sent].key
        if alone and not after_key and not self._faults.frozen:
            self._sent = self._last_key = self._clip.next_key(self._at)
            self._at = (self._sent + 1) % len(self._clip.units)
            after_key = True
        viewer.begun, viewer.follows = True, after_key
        key = self._at if self._faults.frozen else self._last_key
        self._send(key, [viewer], taken_ns, Faults())

    def _frames_ns(self, frames: int) -> int:
        return int(frames * SECOND_NS / self._rate)

    def _take_next_clip(self) -> None:
        if self._next_clip is not None:
            self._clip, self._next_clip, self._at = self._next_clip, None, 0
            self._sent, self._last_key = None, 0
            self._payloads.clear()

    def _send_next(self, playing: list[Viewer], taken_ns: int) -> None:
        index = self._at
        self._sent = index
        if self._clip.units[index].key:
            self._last_key = index
        for viewer in self._viewers:
            # Who missed a unit can do nothing with the next ones until a key frame comes.
            viewer.follows = viewer in playing and (viewer.follows or self._clip.units[index].key)
        if not self._faults.frozen:
            self._at = (index + 1) % len(self._clip.units)
            # A picture that is shown before those already sent was taken before them.
            shift = self._clip.units[index].place - self._clip.delay - index
            taken_ns += self._frames_ns(shift)
        self._send(index, [v for v in playing if v.follows], taken_ns, self._faults)

    def _send(self, index: int, viewers: list[Viewer], taken_ns: int, faults: Faults) -> None:
        unit = self._clip.units[index]
        pieces = self._pieces(index, unit, faults)
        middle = len(pieces) // 2 if faults.pause_s and len(pieces) > 1 else 0
        stamp = int((taken_ns / SECOND_NS * (1 + self._drift) + self._jump_s) * rtp.CLOCK_HZ)
        sendings = [
            (viewer.outlet, list(self._packets(viewer, pieces, stamp, faults.drop)))
            for viewer in viewers
        ]
        struct.pack_into("<Q", self._log, unit.number * 8, time.monotonic_ns())
        if middle:
            for outlet, packets in sendings:
                outlet.push(packets[:middle], taken_ns)
            time.sleep(faults.pause_s)
        for outlet, packets in sendings:
            outlet.push(packets[middle:], taken_ns)

    def _pieces(self, index: int, unit: Unit, faults: Faults) -> list[bytes]:
        pieces = self._payloads.get(index)
        if pieces is None:
            pieces = rtp.payloads(self._clip.codec, unit.data, self._mtu)
            self._payloads[index] = pieces
        if self._chance.random() < faults.flip:
            return [self._flipped(piece) for piece in pieces]
        return pieces

    def _packets(
        self, viewer: Viewer, pieces: list[bytes], stamp: int, drop: float
    ) -> Iterable[bytes]:
        for place, piece in enumerate(pieces):
            viewer.sequence += 1
            if self._chance.random() < drop:
                continue
            last = place == len(pieces) - 1
            head = rtp.header(self._clip.codec, viewer.sequence, stamp, self._ssrc, last=last)
            yield head + piece

    def _flipped(self, piece: bytes) -> bytes:
        # What stands first says how to join the pieces, and is left alone.
        changed = bytearray(piece)
        for _ in range(max(1, len(piece) // 50)):
            if len(changed) > 20:
                changed[self._chance.randrange(12, len(changed))] ^= 0xFF
        return bytes(changed)

    def _set(self, **faults: bool | float) -> None:
        with self._lock:
            self._faults = replace(self._faults, **faults)  # type: ignore[arg-type]  # by its names
