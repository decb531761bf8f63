"""Streams of real encoders, their units read, and what a decoder makes of some of them."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import av
import numpy as np

from appliance.video.access_units import UnitMarks, UnitReader

SIZE = (128, 96)


class Unit(NamedTuple):
    data: bytes
    pts: int
    flagged_key: bool
    marks: UnitMarks


class Stream(NamedTuple):
    codec: str
    extradata: bytes
    units: list[Unit]


@cache
def encode(codec: str, options: tuple[tuple[str, str], ...], header: bool = False) -> Stream:
    """60 pictures of a moving, noisy scene; `header` puts parameter sets into the extradata."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"threads": "1", **dict(options)}
    if header:
        encoder.flags |= av.codec.context.Flags.global_header
    noise = np.random.default_rng(1).integers(0, 255, (SIZE[1] * 3, SIZE[0] * 3, 3), np.uint8)
    packets = []
    for number in range(60):
        pixels = np.ascontiguousarray(noise[number : number + SIZE[1], number : number + SIZE[0]])
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    name = {"libx264": "h264", "libx265": "hevc"}.get(codec, codec)
    extradata = bytes(encoder.extradata or b"")
    reader = UnitReader(name, extradata)
    units = [Unit(bytes(p), p.pts or 0, p.is_keyframe, reader.read(memoryview(p))) for p in packets]
    return Stream(name, extradata, units)


def decode(stream: Stream, units: Sequence[Unit | None]) -> dict[int, bytes]:
    """The luma of each picture by its time; at each None the decoder is drained."""
    decoder = av.CodecContext.create(stream.codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    if stream.extradata:
        decoder.extradata = stream.extradata
    decoder.thread_count = 1
    pictures = {}
    for unit in [*units, None]:
        packet = None
        if unit is not None:
            packet = av.Packet(unit.data)
            packet.pts = unit.pts
        for picture in decoder.decode(packet):
            assert picture.pts is not None
            pictures[picture.pts] = picture.to_ndarray()[: SIZE[1]].tobytes()
        if unit is None:
            decoder.flush_buffers()
    return pictures


H264 = {
    "b-pyramid": {"bf": "3", "x264-params": "b-pyramid=normal:keyint=20:scenecut=0"},
    "b-without-pyramid": {
        "bf": "2",
        "x264-params": "b-pyramid=none:keyint=20:scenecut=0:b-adapt=0",
    },
    "no-b": {"bf": "0", "x264-params": "keyint=20:scenecut=0"},
    "slices": {"bf": "3", "x264-params": "slices=4:keyint=20:scenecut=0"},
    "open": {"bf": "3", "x264-params": "open-gop=1:keyint=20:scenecut=0:b-adapt=0"},
    "interlaced": {"bf": "2", "x264-params": "tff=1:keyint=20:scenecut=0"},
    "intra-refresh": {"bf": "0", "x264-params": "intra-refresh=1:keyint=20:scenecut=0"},
}
HEVC = {
    "b-pyramid": "bframes=3:b-pyramid=1:keyint=20:scenecut=0:open-gop=0",
    "no-b": "bframes=0:keyint=20:scenecut=0",
    "open": "bframes=3:keyint=20:scenecut=0:open-gop=1:b-adapt=0",
    "layers": "bframes=3:b-adapt=0:temporal-layers=3:keyint=20:scenecut=0:open-gop=0",
}


def h264(kind: str, header: bool = False) -> Stream:
    return encode("libx264", (("preset", "fast"), *H264[kind].items()), header)


def hevc(kind: str) -> Stream:
    params = HEVC[kind] + ":log-level=none:pools=none:frame-threads=1"
    return encode("libx265", (("preset", "fast"), ("x265-params", params)))


STREAMS = [("h264", kind) for kind in H264] + [("hevc", kind) for kind in HEVC]


def stream_of(codec: str, kind: str) -> Stream:
    return h264(kind) if codec == "h264" else hevc(kind)
