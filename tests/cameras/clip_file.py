"""A clip as its access units, and the file it is kept in.

Standard library only: the RTSP server runs on the system's Python, which has neither av nor numpy.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Codec = Literal["h264", "h265", "mjpeg"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded picture: an access unit in Annex-B form (H.264, H.265), or a whole JPEG.

    `number` is drawn into the picture. `place` is its place among the pictures as they are shown,
    from 0; units stand in the order in which they are decoded.
    """

    data: bytes
    key: bool
    place: int
    number: int


@dataclass(frozen=True, slots=True)
class Clip:
    """Units in the order of decoding, and what the stream declares of itself; `rate` is in 1/s."""

    codec: Codec
    width: int
    height: int
    rate: float
    units: tuple[Unit, ...]

    @property
    def delay(self) -> int:
        """How many pictures later than it is shown a unit has to be sent, because of B frames."""
        return max(unit.place - sent for sent, unit in enumerate(self.units))

    def next_key(self, at: int) -> int:
        """The index of the first key unit from `at` on, round the end of the clip."""
        count = len(self.units)
        return next(i % count for i in range(at, at + count) if self.units[i % count].key)


def write(clip: Clip, path: Path) -> None:
    """A line of JSON, then all units one after another; the file appears when it is whole."""
    units = [{**asdict(unit), "data": len(unit.data)} for unit in clip.units]
    fields = {"codec": clip.codec, "width": clip.width, "height": clip.height, "rate": clip.rate}
    head = json.dumps({**fields, "units": units}).encode() + b"\n"
    whole = head + b"".join(unit.data for unit in clip.units)
    partial = path.with_name(f"{path.name}.{id(whole)}.part")
    partial.write_bytes(whole)
    partial.replace(path)


def read(path: Path) -> Clip:
    """The clip that `write` wrote."""
    with path.open("rb") as file:
        head = json.loads(file.readline())
        units = tuple(Unit(**{**unit, "data": file.read(unit["data"])}) for unit in head["units"])
    return Clip(**{**head, "units": units})
