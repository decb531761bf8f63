"""What an access unit is to the others of its stream, read from its bytes before it is decoded.

H.264 is ITU-T H.264 (7.3.1 the NAL unit, D.2.8 the recovery point), HEVC is ITU-T H.265
(table 7-1). Only headers of NAL units are read, and where the first slice says all, only that one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Codecs whose every picture stands for itself.
INTRA_ONLY = frozenset(
    {"mjpeg", "mjpegb", "jpeg2000", "jpegls", "png", "apng", "bmp", "gif", "tiff", "webp", "ppm"}
    | {"rawvideo", "v210", "v308", "v408", "v410", "r210", "yuv4", "prores", "dnxhd", "dvvideo"}
    | {"huffyuv", "ffvhuff", "utvideo"}
)
# What comes before the first slice fits in here, but for a long SEI.
HEAD = 4096
_START = b"\x00\x00\x01"
_H264_SLICE, _H264_IDR, _H264_SEI, _H264_SPS = (1, 2), 5, 6, 7
_H264_EXTRADATA_LENGTH_AT, _HEVC_EXTRADATA_LENGTH_AT = 4, 21
_HEVC_SPS = 33
_RECOVERY_POINT = 6
_I_SLICES = (2, 4, 7, 9)


@dataclass(frozen=True, slots=True)
class UnitMarks:
    """What one access unit is to the others.

    `key`: decoding may begin here. `closed`: nothing after it refers to anything before it; after a
    key that is not closed, pictures shown before it may. `disposable`: no other picture refers to
    it. `picture`: it holds one; parameter sets sent by themselves do not, and must never be left
    out.
    """

    key: bool = False
    closed: bool = False
    disposable: bool = False
    picture: bool = True


_NO_PICTURE = UnitMarks(picture=False)
_PLAIN = UnitMarks()
_DISPOSABLE = UnitMarks(disposable=True)
_KEY = UnitMarks(key=True)
_CLOSED_KEY = UnitMarks(key=True, closed=True)
_INTRA = UnitMarks(key=True, closed=True, disposable=True)


class UnitReader:
    """Reads the units of one stream.

    `extradata` is that of the stream; it says whether NAL units begin with a start code or with
    their length. Units of codecs that are not read here are what their container says they are.
    """

    def __init__(self, codec: str, extradata: bytes | None = None) -> None:
        self._codec = codec
        extradata = extradata or b""
        self._length_size = _length_size(codec, extradata)
        self._highest_layer = 0
        if codec == "hevc":
            self._learn_layers(extradata)

    @property
    def intra_only(self) -> bool:
        """Whether every picture of this codec stands for itself."""
        return self._codec in INTRA_ONLY

    def read(self, unit: bytes | memoryview, *, flagged_key: bool = False) -> UnitMarks:
        """The marks of one unit; never raises, whatever the bytes are.

        `flagged_key` is what the container says; it counts for codecs not read here only.
        """
        if self._codec in INTRA_ONLY:
            return _INTRA
        if self._codec == "h264":
            return self._read_h264(unit)
        if self._codec == "hevc":
            return self._read_hevc(unit)
        return _CLOSED_KEY if flagged_key else _PLAIN

    def _read_h264(self, unit: bytes | memoryview) -> UnitMarks:
        recovers = False
        seen = False
        for data, at in self._nal_units(unit):
            header = data[at]
            kind = header & 31
            if kind == _H264_IDR:
                return _CLOSED_KEY
            if kind in _H264_SLICE:
                if header & 0x60:
                    return _KEY if recovers and _is_i_slice(data, at + 1) else _PLAIN
                # The two fields of a picture may come in one unit, and the second be referred to.
                seen = True
            elif kind == _H264_SPS or (kind == _H264_SEI and _recovers_at_once(data, at + 1)):
                recovers = True
        return _DISPOSABLE if seen else _NO_PICTURE

    def _read_hevc(self, unit: bytes | memoryview) -> UnitMarks:
        for data, at in self._nal_units(unit):
            if at + 2 > len(data):
                break
            kind, layer = data[at] >> 1 & 63, (data[at] & 1) << 5 | data[at + 1] >> 3
            if layer:
                continue
            if kind >= 32:  # not a slice
                if kind == _HEVC_SPS and at + 2 < len(data):
                    self._highest_layer = data[at + 2] >> 1 & 7
                continue
            if 16 <= kind <= 23:  # table 7-1: IRAP; of these only CRA is open
                return _KEY if kind == 21 else _CLOSED_KEY
            temporal = (data[at + 1] & 7) - 1
            self._highest_layer = max(self._highest_layer, temporal)
            # "Not referred to" is said within one temporal layer: those above may refer to it.
            nobody_refers = kind < 16 and not kind & 1 and temporal == self._highest_layer
            return _DISPOSABLE if nobody_refers else _PLAIN
        return _NO_PICTURE

    def _learn_layers(self, extradata: bytes) -> None:
        if self._length_size is not None:
            self._highest_layer = max(0, (extradata[_HEVC_EXTRADATA_LENGTH_AT] >> 3 & 7) - 1)
        else:
            self._read_hevc(extradata)

    def _nal_units(self, unit: bytes | memoryview) -> Iterator[tuple[bytes, int]]:
        """The bytes at hand, and where in them each NAL unit begins."""
        if self._length_size is not None:
            yield from _by_length(memoryview(unit), self._length_size)
        else:
            yield from _by_start_code(unit)


def _length_size(codec: str, extradata: bytes) -> int | None:
    """How many bytes say the length of a NAL unit; None where start codes divide them.

    ISO/IEC 14496-15: avcC and hvcC begin with a version, which is 1; Annex B begins with zeros.
    """
    at = _H264_EXTRADATA_LENGTH_AT if codec == "h264" else _HEVC_EXTRADATA_LENGTH_AT
    if codec not in ("h264", "hevc") or len(extradata) <= at or extradata[0] != 1:
        return None
    return (extradata[at] & 3) + 1


def _by_start_code(unit: bytes | memoryview) -> Iterator[tuple[bytes, int]]:
    head = bytes(unit[:HEAD])
    at = head.find(_START)
    while at >= 0 and at + 3 + 16 < len(head):
        yield head, at + 3
        at = head.find(_START, at + 3)
    if at < 0 and len(unit) <= HEAD:
        return
    whole = bytes(unit)
    # A start code may lie across the end of the head.
    at = whole.find(_START, at if at >= 0 else HEAD - 2)
    while 0 <= at < len(whole) - 3:
        yield whole, at + 3
        at = whole.find(_START, at + 3)


def _by_length(unit: memoryview, length_size: int) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at + length_size < len(unit):
        length = int.from_bytes(unit[at : at + length_size], "big")
        at += length_size
        if length:
            yield bytes(unit[at : at + min(length, HEAD)]), 0
        at += length


class _Bits:
    """Reads bits and Exp-Golomb numbers (H.264, 9.1); beyond the end there are ones."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def bit(self) -> int:
        if not self._left:
            return 1
        self._left -= 1
        return self._value >> self._left & 1

    def unsigned(self) -> int:
        zeros = 0
        while not self.bit():
            zeros += 1
        value = 1
        for _ in range(zeros):
            value = value << 1 | self.bit()
        return value - 1


def _is_i_slice(data: bytes, at: int) -> bool:
    bits = _Bits(data[at : at + 16])
    bits.unsigned()  # first_mb_in_slice
    return bits.unsigned() in _I_SLICES


def _recovers_at_once(data: bytes, at: int) -> bool:
    """Whether the messages of an SEI hold a recovery point that takes no further picture."""
    end = data.find(_START, at)
    data = data[at : end if end >= 0 else at + HEAD].replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 < len(data):
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        if kind == _RECOVERY_POINT:
            return at < len(data) and bool(data[at] & 0x80)
        at += size
    return False


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of an SEI message, each 255 of it one byte; and where the next begins."""
    value = 0
    while at < len(data) and data[at] == 255:
        value += 255
        at += 1
    return value + (data[at] if at < len(data) else 0), at + 1
