"""Access units as the payloads of RTP packets, and what an SDP says of them.

Standard library only. H.264 after RFC 6184 (single NAL units and FU-A), H.265 after RFC 7798
(single NAL units and fragments), JPEG after RFC 2435 (tables of quantisation in the packets).
"""

import base64
import re
import struct

from tests.cameras.clip_file import Clip

CLOCK_HZ = 90_000
PAYLOAD_TYPES = {"h264": 96, "h265": 97, "mjpeg": 26}
START_CODE = re.compile(rb"\x00\x00\x01")
H265_VPS, H265_SPS, H265_PPS = 32, 33, 34


def payloads(codec: str, data: bytes, size: int) -> list[bytes]:
    """One unit as payloads of at most `size` bytes."""
    if codec == "mjpeg":
        return _jpeg(data, size)
    fragments = _h264_fragments if codec == "h264" else _h265_fragments
    return [p for nal in nals(data) for p in ([nal] if len(nal) <= size else fragments(nal, size))]


def nals(data: bytes) -> list[bytes]:
    """The NAL units of Annex-B data, without start codes."""
    return [nal for part in START_CODE.split(data) if (nal := part.rstrip(b"\0"))]


def header(codec: str, sequence: int, stamp: int, ssrc: int, *, last: bool) -> bytes:
    """The twelve bytes before a payload (RFC 3550, 5.1); `last` marks the end of a picture."""
    kind = PAYLOAD_TYPES[codec] | (0x80 if last else 0)
    return struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc)


def caps(clip: Clip, ssrc: int) -> str:
    """What GStreamer writes the SDP from."""
    encoding = {"h264": "H264", "h265": "H265", "mjpeg": "JPEG"}[clip.codec]
    fields = {
        "media": "(string)video",
        "encoding-name": f"(string){encoding}",
        "clock-rate": f"(int){CLOCK_HZ}",
        "payload": f"(int){PAYLOAD_TYPES[clip.codec]}",
        # By it the session finds the clock rate, without which its reports are up to a frame late.
        "ssrc": f"(uint){ssrc}",
        "a-framerate": f"(string){clip.rate:g}",
        **_parameter_sets(clip),
    }
    return ",".join(["application/x-rtp", *(f"{name}={value}" for name, value in fields.items())])


def _parameter_sets(clip: Clip) -> dict[str, str]:
    found = nals(clip.units[clip.next_key(0)].data) if clip.codec != "mjpeg" else []
    if clip.codec == "h264":
        sps, pps = (next(n for n in found if n[0] & 31 == kind) for kind in (7, 8))
        return {
            "packetization-mode": "(string)1",
            "profile-level-id": f"(string){sps[1:4].hex()}",
            "sprop-parameter-sets": f'(string)"{_base64(sps)},{_base64(pps)}"',
        }
    if clip.codec == "h265":
        kinds = {"vps": H265_VPS, "sps": H265_SPS, "pps": H265_PPS}
        return {
            f"sprop-{name}": f'(string)"{_base64(next(n for n in found if n[0] >> 1 == kind))}"'
            for name, kind in kinds.items()
        }
    return {}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _h264_fragments(nal: bytes, size: int) -> list[bytes]:
    indicator = nal[0] & 0xE0 | 28
    pieces = _pieces(nal[1:], size - 2)
    return [bytes([indicator, _ends(i, pieces) | nal[0] & 31]) + p for i, p in enumerate(pieces)]


def _h265_fragments(nal: bytes, size: int) -> list[bytes]:
    head = bytes([nal[0] & 0x81 | 49 << 1, nal[1]])
    kind = nal[0] >> 1 & 63
    pieces = _pieces(nal[2:], size - 3)
    return [head + bytes([_ends(i, pieces) | kind]) + p for i, p in enumerate(pieces)]


def _ends(place: int, pieces: list[bytes]) -> int:
    return (0x80 if place == 0 else 0) | (0x40 if place == len(pieces) - 1 else 0)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _jpeg(data: bytes, size: int) -> list[bytes]:
    tables, width, height, scan = _read_jpeg(data)
    out = []
    start = 0
    while start < len(scan):
        # Type 1 is 4:2:0; quality 255 says that the tables come with the first packet.
        head = struct.pack(">II", start, 1 << 24 | 255 << 16 | width // 8 << 8 | height // 8)
        if start == 0:
            head += struct.pack(">HH", 0, len(tables)) + tables
        piece = scan[start : start + size - len(head)]
        out.append(head + piece)
        start += len(piece)
    return out


def _read_jpeg(data: bytes) -> tuple[bytes, int, int, bytes]:
    """Tables of quantisation (luma, chroma), width, height, and the coded picture of a JPEG."""
    tables: dict[int, bytes] = {}
    used: list[int] = []
    width = height = 0
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            for start in range(0, len(body), 65):
                tables[body[start] & 15] = body[start + 1 : start + 65]
        elif marker == 0xFFC0:
            height, width = struct.unpack_from(">HH", body, 1)
            used = [body[8], body[11]]
        elif marker == 0xFFDA:
            return (
                b"".join(tables[t] for t in used),
                width,
                height,
                data[at:].removesuffix(b"\xff\xd9"),
            )
