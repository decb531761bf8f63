"""Clips of people walking, as cameras of a given size and codec send them.

They are made of the demo clip: scaled, with noise as a sensor makes it, a key frame every 50.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np

from appliance.inference.catalog import load_catalog
from appliance.inference.fetch import pull_demo_clip
from appliance.inference.store import Store

Codec = Literal["h264", "h265"]

RATE = 25
KEY_EVERY = 50
FRAMES = 300
_ENCODERS = {"h264": ("libx264", "veryfast"), "h265": ("libx265", "superfast")}


@dataclass(frozen=True, slots=True)
class Format:
    """Of a camera: codec, lines (of 16:9), and B frames in a row."""

    codec: Codec = "h264"
    lines: int = 720
    b_frames: int = 0

    def __str__(self) -> str:
        name = f"{self.lines}p {self.codec}"
        return f"{name} {self.b_frames}B" if self.b_frames else name


def clip_of(wanted: Format, state_dir: Path, frames: int = FRAMES) -> Path:
    """The clip of a format; it is made if it is not there, and kept below the state directory."""
    folder = state_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{wanted.codec}-{wanted.lines}-{wanted.b_frames}-{frames}.mp4"
    path = folder / name
    if not path.exists():
        print(f"making {name}", file=sys.stderr)
        partial = path.with_suffix(".part.mp4")
        _encode(pull_demo_clip(load_catalog(), Store(state_dir), _say), wanted, frames, partial)
        partial.replace(path)
    return path


def _encode(source: Path, wanted: Format, frames: int, path: Path) -> None:
    width, height = wanted.lines * 16 // 9, wanted.lines
    chance = np.random.default_rng(0)
    noises = [chance.integers(-3, 4, (height, width, 3), dtype=np.int16) for _ in range(4)]
    with av.open(str(source)) as clip, av.open(str(path), "w") as made:
        stream = _stream(made, wanted)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in zip(range(frames), clip.decode(video=0), strict=False):
            pixels = cv2.resize(picture.to_ndarray(format="bgr24"), (width, height))
            noisy = np.clip(pixels + noises[number % len(noises)], 0, 255).astype(np.uint8)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="bgr24")))
        made.mux(stream.encode(None))


def _stream(made: Any, wanted: Format) -> Any:
    encoder, preset = _ENCODERS[wanted.codec]
    exact = f"keyint={KEY_EVERY}:min-keyint={KEY_EVERY}:scenecut=0:bframes={wanted.b_frames}"
    exact += ":open-gop=0:b-adapt=0:b-pyramid=0"
    if wanted.codec == "h265":
        options = {"preset": preset, "x265-params": f"{exact}:log-level=-1"}
    else:
        options = {"preset": preset, "x264-params": exact}
    stream = made.add_stream(encoder, rate=RATE, options=options)
    stream.bit_rate = 2_000_000 if wanted.lines <= 720 else 4_000_000
    return stream


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
