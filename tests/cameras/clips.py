"""Clips made for tests, with a number drawn into every picture that can be read back from it.

The number stands in one row of squares along the upper edge: a white and a black one, sixteen for
the bits of the number, and four for its check sum.
"""

import getpass
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from blocks.data import Image, Pixels
from tests.cameras.clip_file import Clip, Codec, Unit, read, write

Scene = Literal["plain", "still", "moving"]

BITS = 16
CHECK_BITS = 4
SQUARES = 2 + BITS + CHECK_BITS
BLACK, WHITE = 16, 235

ENCODERS: dict[Codec, str] = {"h264": "libx264", "h265": "libx265", "mjpeg": "mjpeg"}


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What a clip is to be like.

    `gop` is the distance of key frames and `b_frames` the number of B frames in a row, all exact.
    `rate` is what the stream declares, in 1/s. The pictures are numbered from `first_number` on.
    Scenes: `plain` costs nothing to make or to decode; `still` is a textured picture in which only
    the number changes; `moving` pans over a texture, with noise, and costs a decoder what a real
    camera's pictures do. `bit_rate` in bits/s; without it the quality is constant.
    """

    codec: Codec = "h264"
    width: int = 320
    height: int = 240
    frames: int = 100
    rate: float = 25.0
    gop: int = 25
    b_frames: int = 0
    scene: Scene = "plain"
    first_number: int = 0
    bit_rate: int | None = None


def clip(spec: ClipSpec) -> Clip:
    """The clip of a specification; made once, then read from the cache."""
    return read(clip_file(spec))


def clip_file(spec: ClipSpec) -> Path:
    """The file of the clip, which is made if the cache has none."""
    folder = Path(tempfile.gettempdir()) / f"camera-clips-{getpass.getuser()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    sources = (Path(__file__), Path(__file__).with_name("clip_file.py"))
    made_by = b"".join(path.read_bytes() for path in sources) + av.__version__.encode()
    key = hashlib.sha256(json.dumps(asdict(spec)).encode() + made_by).hexdigest()[:24]
    path = folder / f"{key}.clip"
    if not path.exists():
        write(render(spec), path)
    return path


def render(spec: ClipSpec) -> Clip:
    """Draw and encode all pictures of a clip."""
    encoder = _encoder(spec)
    packets = []
    for place, planes in enumerate(pictures(spec)):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        if spec.codec == "mjpeg":
            frame = frame.reformat(format="yuvj420p")
        frame.pts = place
        packets += encoder.encode(frame)
    packets += encoder.encode()
    units = tuple(
        Unit(bytes(p), bool(p.is_keyframe), p.pts, spec.first_number + p.pts)
        for p in packets
        if p.pts is not None
    )
    assert len(units) == spec.frames, f"{len(units)} units of {spec.frames} pictures"
    return Clip(spec.codec, spec.width, spec.height, spec.rate, units)


def pictures(spec: ClipSpec) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a clip as I420, (height * 3 / 2, width), in the order they are shown."""
    assert spec.width % 2 == 0, "chroma is of half the width"
    assert spec.height % 4 == 0, "the planes are stacked in rows of the full width"
    scenery = _SCENES[spec.scene](spec)
    for place in range(spec.frames):
        picture = np.full((spec.height * 3 // 2, spec.width), 128, np.uint8)
        picture[: spec.height] = next(scenery)
        draw_number(picture[: spec.height], spec.first_number + place)
        yield picture


def draw_number(luma: NDArray[np.uint8], number: int) -> None:
    """Draw a number of sixteen bits along the upper edge of a plane of (height, width)."""
    assert 0 <= number < 1 << BITS, f"{number} has more than {BITS} bits"
    code = number << CHECK_BITS | _check_sum(number)
    bits = [1, 0, *((code >> shift) & 1 for shift in reversed(range(BITS + CHECK_BITS)))]
    side = luma.shape[1] / SQUARES
    for place, bit in enumerate(bits):
        columns = slice(round(place * side), round((place + 1) * side))
        luma[: round(side), columns] = WHITE if bit else BLACK


def read_number(picture: Image | Pixels) -> int | None:
    """The number drawn into a picture, an `Image` or BGR of (height, width, 3); None: unreadable.

    A picture may have been resized. One whose squares are neither black nor white has no number.
    """
    luma = _luma(picture)
    side = luma.shape[1] / SQUARES
    rows = slice(round(side * 0.3), max(round(side * 0.7), round(side * 0.3) + 1))
    means = [
        float(luma[rows, round((place + 0.3) * side) : round((place + 0.7) * side)].mean())
        for place in range(SQUARES)
    ]
    if any(85 < mean < 170 for mean in means):
        return None
    bits = [mean > 127 for mean in means]
    code = sum(bit << shift for shift, bit in enumerate(reversed(bits[2:])))
    number, check = code >> CHECK_BITS, code & ((1 << CHECK_BITS) - 1)
    return number if bits[:2] == [True, False] and check == _check_sum(number) else None


def _luma(picture: Image | Pixels) -> NDArray[np.uint8]:
    if isinstance(picture, Image):
        return picture.luma(picture.height)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _check_sum(number: int) -> int:
    # Not of the plain sum: an even grey picture must not read as a number.
    return (number ^ number >> 4 ^ number >> 8 ^ number >> 12 ^ 0b1010) & 0b1111


def _plain(spec: ClipSpec) -> Iterator[NDArray[np.uint8]]:
    rows = np.linspace(60, 180, spec.height, dtype=np.uint8)[:, None]
    while True:
        yield np.repeat(rows, spec.width, axis=1)


def _still(spec: ClipSpec) -> Iterator[NDArray[np.uint8]]:
    picture = _texture(spec.width, spec.height)
    while True:
        yield picture


def _moving(spec: ClipSpec) -> Iterator[NDArray[np.uint8]]:
    width, height = spec.width, spec.height
    reach = 64
    texture = _texture(width + reach, height + reach).astype(np.int16)
    chance = np.random.default_rng(7)
    noises = [chance.normal(0, 4, (height, width)).astype(np.int16) for _ in range(5)]
    for place in range(spec.frames):
        turn = 2 * np.pi * place / 50
        x, y = (round((reach // 2 - 1) * (1 + f(turn))) for f in (np.cos, np.sin))
        noisy = texture[y : y + height, x : x + width] + noises[place % len(noises)]
        yield np.clip(noisy, BLACK, WHITE).astype(np.uint8)


def _texture(width: int, height: int) -> NDArray[np.uint8]:
    """Chance at three scales: large shapes, edges, and grain."""
    chance = np.random.default_rng(11)
    total = np.zeros((height, width), np.float32)
    for size, weight in ((64, 60.0), (16, 30.0), (4, 20.0)):
        coarse = chance.random((height // size + 2, width // size + 2), np.float32) - 0.5
        total += weight * 2 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 125, BLACK, WHITE).astype(np.uint8)


_SCENES = {"plain": _plain, "still": _still, "moving": _moving}


def _encoder(spec: ClipSpec) -> Any:
    encoder: Any = av.CodecContext.create(ENCODERS[spec.codec], "w")
    encoder.width, encoder.height = spec.width, spec.height
    encoder.pix_fmt = "yuvj420p" if spec.codec == "mjpeg" else "yuv420p"
    rate = Fraction(spec.rate).limit_denominator(1001)
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.gop_size = spec.gop
    encoder.max_b_frames = spec.b_frames
    encoder.thread_count = len(os.sched_getaffinity(0))
    encoder.options = _encoder_options(spec)
    if spec.bit_rate is not None:
        encoder.bit_rate = spec.bit_rate
    return encoder


def _encoder_options(spec: ClipSpec) -> dict[str, str]:
    if spec.codec == "mjpeg":
        # RTP carries no Huffman tables: the receiver knows only those of the standard.
        return {"huffman": "default", "qmin": "3", "qmax": "3"}
    exact = {
        "keyint": spec.gop,
        "min-keyint": spec.gop,
        "scenecut": 0,
        "open-gop": 0,
        "bframes": spec.b_frames,
        "b-adapt": 0,
    }
    preset = "superfast" if spec.codec == "h265" else "veryfast"
    preset = "ultrafast" if spec.scene == "plain" else preset
    quality = {} if spec.bit_rate is not None else {"crf": "32" if spec.codec == "h265" else "25"}
    if spec.codec == "h265":
        exact["log-level"] = -1
    parameters = ":".join(f"{name}={value}" for name, value in exact.items())
    name = "x265-params" if spec.codec == "h265" else "x264-params"
    return {"preset": preset, name: parameters, **quality}
