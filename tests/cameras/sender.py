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
        self._sequence = random.randrange(1 << 16)
        self._ssrc = random.randrange(1 << 32)
        self._chance = random.Random(5)
        self._outlet: Outlet | None = None
        self._begun = False
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
            self._outlet, self._begun = outlet, False

    def leave(self, outlet: Outlet) -> None:
        """A media is gone."""
        with self._lock:
            if self._outlet is outlet:
                self._outlet = None

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
        taken_ns, self._due_ns = self._due_ns, self._due_ns + int(SECOND_NS / self._rate)
        if now_ns - taken_ns > LATE_NS:
            # The process was stopped: what it missed is lost, as with a real camera.
            taken_ns, self._due_ns = now_ns, now_ns + int(SECOND_NS / self._rate)
        if self._faults.stalled or self._outlet is None:
            return
        self._take_next_clip()
        if not self._begun:
            self._begun = self._begin(self._outlet, taken_ns)
        elif self._outlet.playing:
            self._send_next(self._outlet, taken_ns)

    def _begin(self, outlet: Outlet, taken_ns: int) -> bool:
        """Send the first key frame, if the media runs long enough to have taken it."""
        running_ns = outlet.running_ns(taken_ns - int(self._clip.delay * SECOND_NS / self._rate))
        if running_ns is None or running_ns < 0:
            return False
        self._at = self._clip.next_key(self._at)
        self._send_next(outlet, taken_ns)
        return True

    def _take_next_clip(self) -> None:
        if self._next_clip is not None:
            self._clip, self._next_clip, self._at = self._next_clip, None, 0
            self._sent = None
            self._payloads.clear()

    def _send_next(self, outlet: Outlet, taken_ns: int) -> None:
        index = self._at
        unit = self._clip.units[index]
        self._sent = index
        if not self._faults.frozen:
            self._at = (index + 1) % len(self._clip.units)
        # A picture that is shown before those already sent was taken before them.
        shift = unit.place - self._clip.delay - index if not self._faults.frozen else 0
        taken_ns += int(shift * SECOND_NS / self._rate)
        packets = self._packets(index, unit, taken_ns)
        middle = len(packets) // 2 if self._faults.pause_s and len(packets) > 1 else 0
        self._write_log(unit.number)
        if middle:
            outlet.push(packets[:middle], taken_ns)
            time.sleep(self._faults.pause_s)
        outlet.push(packets[middle:], taken_ns)

    def _packets(self, index: int, unit: Unit, taken_ns: int) -> list[bytes]:
        pieces = self._payloads.get(index)
        if pieces is None:
            pieces = rtp.payloads(self._clip.codec, unit.data, self._mtu)
            self._payloads[index] = pieces
        if self._chance.random() < self._faults.flip:
            pieces = [self._flipped(piece) for piece in pieces]
        elapsed_s = taken_ns / SECOND_NS * (1 + self._drift) + self._jump_s
        stamp = int(elapsed_s * rtp.CLOCK_HZ)
        return list(self._with_headers(pieces, stamp))

    def _with_headers(self, pieces: list[bytes], stamp: int) -> Iterable[bytes]:
        for place, piece in enumerate(pieces):
            self._sequence += 1
            if self._chance.random() < self._faults.drop:
                continue
            last = place == len(pieces) - 1
            head = rtp.header(self._clip.codec, self._sequence, stamp, self._ssrc, last=last)
            yield head + piece

    def _flipped(self, piece: bytes) -> bytes:
        # What stands first says how to join the pieces, and is left alone.
        changed = bytearray(piece)
        for _ in range(max(1, len(piece) // 50)):
            if len(changed) > 20:
                changed[self._chance.randrange(12, len(changed))] ^= 0xFF
        return bytes(changed)

    def _write_log(self, number: int) -> None:
        struct.pack_into("<Q", self._log, number * 8, time.monotonic_ns())

    def _set(self, **faults: bool | float) -> None:
        with self._lock:
            self._faults = replace(self._faults, **faults)  # type: ignore[arg-type]  # by its names
