"""What a capture device offers, with a driver made for the test; untested on hardware."""

import errno
import struct
from pathlib import Path

from appliance.video.v4l2 import MOST, capture_modes

FORMATS = {0: b"MJPG", 1: b"YUYV"}
SIZES = {b"MJPG": [(1280, 720), (640, 480)]}


def driver(_device: int, request: int, asked: bytes) -> bytes:
    """Answers as videodev2.h says: formats have 64 bytes, sizes 44."""
    (index,) = struct.unpack_from("<I", asked)
    if request == 0xC0405602 and index in FORMATS:
        assert (len(asked), struct.unpack_from("<I", asked, 4)) == (64, (1,))
        return asked[:44] + FORMATS[index] + asked[48:]
    if request == 0xC02C564A:
        assert len(asked) == 44
        code = asked[4:8]
        if code == b"YUYV":
            return asked[:8] + struct.pack("<7I", 3, 160, 1920, 8, 120, 1080, 8) + bytes(8)
        if index < len(SIZES[code]):
            return asked[:8] + struct.pack("<III", 1, *SIZES[code][index]) + bytes(24)
    raise OSError(errno.EINVAL, "no more")


def test_formats_are_listed_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert capture_modes(tmp_path / "video0", driver) == (
        "MJPG 1280x720 640x480",
        "YUYV 160x120..1920x1080",
    )


def test_a_driver_that_never_ends_its_list_does_not_hold_us(tmp_path: Path) -> None:
    def endless(_device: int, request: int, asked: bytes) -> bytes:
        if request == 0xC02C564A:
            raise OSError(errno.ENOTTY, "no such question")
        return asked[:44] + b"GREY" + asked[48:]

    (tmp_path / "video0").touch()
    assert capture_modes(tmp_path / "video0", endless) == ("GREY",) * MOST


def test_what_is_no_device_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert capture_modes(tmp_path / "video0") == ()
    assert capture_modes(tmp_path / "video1") == ()
