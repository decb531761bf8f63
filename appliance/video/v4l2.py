"""What a capture device offers, asked of its driver (videodev2.h). Untested on hardware."""

import fcntl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

# _IOWR('V', 2, struct v4l2_fmtdesc) and _IOWR('V', 74, struct v4l2_frmsizeenum).
_ENUM_FORMATS, _ENUM_SIZES = 0xC0405602, 0xC02C564A
_FORMAT = struct.Struct("<III32s4sI3I")
_SIZE = struct.Struct("<I4sI6I2I")
_VIDEO_CAPTURE = 1
_DISCRETE = 1
# No driver has so many; one that never ends its list is broken.
MOST = 64

Ioctl = Callable[[int, int, bytes], bytes]


def capture_modes(node: Path, ioctl: Ioctl = fcntl.ioctl) -> tuple[str, ...]:
    """The formats of a device, each with its sizes, as `MJPG 1280x720 640x480`.

    Empty where the device tells nothing, or is none.
    """
    try:
        with node.open("rb", buffering=0) as device:
            return tuple(_formats(device.fileno(), ioctl))
    except OSError:
        return ()


def _formats(device: int, ioctl: Ioctl) -> Iterator[str]:
    for index in range(MOST):
        asked = _FORMAT.pack(index, _VIDEO_CAPTURE, 0, b"", b"", 0, 0, 0, 0)
        try:
            answer = _FORMAT.unpack(ioctl(device, _ENUM_FORMATS, asked))
        except OSError:
            # The end of the list is an error: EINVAL.
            return
        code: bytes = answer[4]
        name = code.decode("ascii", "replace").strip()
        yield " ".join([name, *_sizes(device, code, ioctl)])


def _sizes(device: int, code: bytes, ioctl: Ioctl) -> Iterator[str]:
    for index in range(MOST):
        asked = _SIZE.pack(index, code, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        try:
            _, _, kind, *numbers = _SIZE.unpack(ioctl(device, _ENUM_SIZES, asked))
        except OSError:
            return
        if kind == _DISCRETE:
            yield f"{numbers[0]}x{numbers[1]}"
        else:
            # Least and most width, the step, then the same of the height.
            yield f"{numbers[0]}x{numbers[3]}..{numbers[1]}x{numbers[4]}"
            return
