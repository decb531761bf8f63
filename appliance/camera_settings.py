"""Settings of cameras and of motion: their form, what cannot work, and what was probably meant."""

import errno
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from appliance.engine.document import Document
from appliance.engine.errors import Problem, nearest, suggestion

_RTSP = ("rtsp", "rtsps")
_PATHS = ("", "file")
# What libav reads a video from, beside files.
_SCHEMES = (
    *(*_RTSP, "http", "https", "file", "rtmp", "rtmps", "rtmpt", "rtmpts", "rtp", "srtp"),
    *("udp", "udplite", "tcp", "tls", "mmsh", "mmst", "ftp"),
)
_USUAL = ("rtsp", "rtsps", "http", "https", "rtmp", "file", "udp")
HARDWARE = ("cuda", "vaapi", "drm", "rkmpp", "v4l2m2m", "qsv", "amf", "cuvid")
_SIZE = re.compile(r"[1-9]\d{1,4}x[1-9]\d{1,4}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|sec|m|min|h)")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[]*):(.+)")
# A path that begins so is rather an address without its scheme.
_HOST = re.compile(r"(?:[^/@]*@|(?=\d+(?:\.\d+){3})|(?=[^/:]+:\d))[\w.-]+(?::\d+)?(?:/|$)")
_UNKNOWN_KEY = re.compile(r"unknown key '(\w+)'")
_CREDENTIALS = (
    "write both into the url, as rtsp://user:password@host/path; "
    "`url: !secret NAME` takes it from secrets.yaml"
)
_FEWER = "fewer frames are processed with `max_rate` of a pipeline"
_KEYS_INSTEAD = {
    "cameras": {
        **dict.fromkeys(("username", "user", "password", "pass", "passwd"), _CREDENTIALS),
        **dict.fromkeys(
            ("fps", "framerate", "frame_rate"),
            f"{_FEWER}; the `rate` of a device, or of images, is set here",
        ),
        "max_rate": "it is a key of a pipeline",
        "max_latency_s": "it is a key of a pipeline",
        "motion_gate": "it is a key of a pipeline",
    },
    "pipelines": dict.fromkeys(("fps", "rate", "framerate", "frame_rate"), "write `max_rate`"),
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(given: object) -> object:
    found = _DURATION.fullmatch(given.strip()) if isinstance(given, str) else None
    if found:
        seconds = float(found[1]) * _SECONDS[found[2]]
        raise ValueError(f"this is a number of seconds: write {seconds:g}, not {given!r}")
    return given


Seconds = Annotated[float, BeforeValidator(_duration)]


def _size(given: object) -> object:
    if isinstance(given, list) and len(given) == 2 and all(type(each) is int for each in given):
        raise ValueError(f"write the size as one word: {given[0]}x{given[1]}")
    if isinstance(given, str) and not _SIZE.fullmatch(given):
        raise ValueError(f"{given!r} is no size: write width x height, such as 1280x720")
    return given


def _lower(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


def _hardware(name: str) -> str:
    # A decoder of libav's is named so too: h264_v4l2m2m.
    known = ("auto", "off", *HARDWARE)
    if name not in known and name.rpartition("_")[2] not in HARDWARE:
        raise ValueError(f"there is no hardware decoder {name!r}{suggestion(name, known)}")
    return name


class CameraSettings(_Part):
    """Where a camera's pictures come from, and how it is read. Its URL alone is enough."""

    url: str = Field(min_length=1, description="A file, an rtsp:// or http:// URL, or /dev/videoN.")
    transport: Annotated[Literal["auto", "tcp", "udp"], BeforeValidator(_lower)] = Field(
        default="auto", description="RTSP: `tcp`, `udp`, or `auto`: TCP, and UDP if that fails."
    )
    low_latency: bool = Field(
        default=False, description="RTSP: decode a picture before the next one begins."
    )
    hardware: Annotated[str, AfterValidator(_hardware)] = Field(
        default="auto", description="A hardware decoder's name, `auto`, or `off` for software."
    )
    silence_s: Seconds = Field(
        default=5.0, ge=0.5, le=120, description="After so long without data it is opened anew."
    )
    loop: bool = Field(default=False, description="A file: begin again at its end.")
    watch: bool = Field(default=False, description="A folder of images: wait for more.")
    rate: float | None = Field(
        default=None, gt=0, le=1000, description="A device, or images: frames for each second."
    )
    size: Annotated[str | None, BeforeValidator(_size)] = Field(
        default=None, description="A device: 1280x720, as `probe` lists."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_url(cls, given: object) -> object:
        return {"url": given} if isinstance(given, str) else given

    @property
    def width_and_height(self) -> tuple[int, int] | None:
        """The size in pixels."""
        if self.size is None:
            return None
        width, _, height = self.size.partition("x")
        return int(width), int(height)


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def _pixels(numbers: Collection[float]) -> str:
    """What to do with values that are pixels; empty where they are not."""
    most = max(numbers, default=0)
    if most <= 1:
        return ""
    return (
        f"points are in 0..1 of the picture, and {most:g} is more than 1: divide each x by its "
        "width and each y by its height in pixels (320 of 640 is 0.5)"
    )


def _row(numbers: Collection[float]) -> str:
    """What to write for numbers that stand in one row."""
    given = list(numbers)
    pairs = [f"[{x:g}, {y:g}]" for x, y in zip(given[::2], given[1::2], strict=False)]
    shown = ", ".join(pairs[:3]) + (", …" if len(pairs) > 3 else "")
    more = _pixels(given)
    return f"[{shown}]" + (f"; {more}" if more else "")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _polygon(given: object) -> object:
    if isinstance(given, str) and (numbers := _numbers(given)):
        raise ValueError(f"a polygon is a list of points: write {_row(numbers)}")
    if not isinstance(given, list):
        return given
    if given and all(map(_is_number, given)):
        raise ValueError(f"a polygon is a list of points: write {_row(given)}")
    points = [point for point in given if isinstance(point, list)]
    if told := _pixels([n for point in points for n in point if _is_number(n)]):
        raise ValueError(told)
    if len(given) < 3:
        raise ValueError(f"a polygon has at least 3 points, and this one has {len(given)}")
    return tuple(tuple(point) if isinstance(point, list) else point for point in given)


def _masks(given: object) -> object:
    if isinstance(given, str) and (numbers := _numbers(given)):
        raise ValueError(f"this is a list of polygons: write, inside of [ ], {_row(numbers)}")
    if not isinstance(given, list):
        return given
    pairs = [isinstance(one, list) and len(one) == 2 and all(map(_is_number, one)) for one in given]
    if pairs and all(pairs):
        raise ValueError("this is a list of polygons: put one more [ ] around the points")
    return tuple(given)


Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[Share, Share], ...], BeforeValidator(_polygon)]


class MotionGateSettings(_Part):
    """What counts as motion; frames of a still scene are not processed."""

    masks: Annotated[tuple[Polygon, ...], BeforeValidator(_masks)] = Field(
        default=(), description="Polygons in 0..1 of the picture where motion does not count."
    )
    threshold: float = Field(
        default=8.0, ge=1, le=100, description="Steps of 255 by which a place must change."
    )
    area_percent: float = Field(
        default=0.005, ge=0, le=100, description="How much of the picture must change, in percent."
    )
    linger_s: Seconds = Field(default=2.0, ge=0, description="It stays open so long after motion.")
    look_every_s: Seconds = Field(
        default=10.0, gt=0, description="One frame is processed this often, also if all is still."
    )


def _gate(given: object) -> object:
    return ({} if given else None) if isinstance(given, bool) else given


MotionGate = Annotated[MotionGateSettings | None, BeforeValidator(_gate)]
"""Also `true`, for all as it is by default, and `false`."""


def _names(given: object) -> object:
    return (
        (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given
    )


CameraNames = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""A list of names, or one."""


def hinted(problem: Problem) -> Problem:
    """The problem with what to write instead, where another program's key was taken."""
    found = _UNKNOWN_KEY.match(problem.what)
    instead = _KEYS_INSTEAD.get(problem.where.partition(".")[0], {})
    if not found or found[1] not in instead:
        return problem
    return replace(problem, what=f"{found[0]}: {instead[found[1]]}")


def wrong_cameras(
    cameras: Mapping[str, CameraSettings], base: Path, document: Document
) -> list[Problem]:
    """What cannot work: addresses of no kind, and keys that are of another kind of source."""
    return [
        Problem(document.mark(("cameras", name, key)), f"cameras.{name}.{key}", what)
        for name, camera in cameras.items()
        for key, what in (*_wrong_address(camera.url), *_misplaced(camera, base))
    ]


def _scheme(url: str) -> str:
    found = _URL.match(url)
    return found[1].lower() if found else ""


def _wrong_address(url: str) -> Iterator[tuple[str, str]]:
    scheme = _scheme(url)
    if scheme and scheme not in _SCHEMES:
        near = nearest(scheme, _USUAL)
        hint = f" (did you mean {near}://?)" if near else "; use rtsp://, http://, or a file"
        yield "url", f"addresses that begin with {scheme}:// are not known{hint}"
    elif scheme not in _PATHS and not _has_port_or_none(url):
        yield "url", "the port, after the `:` of the host, is a number from 1 to 65535"


def _has_port_or_none(url: str) -> bool:
    rest = url.partition("://")[2]
    found = _AUTHORITY.match(rest)
    authority = found[0] if found else ""
    port = _HOST_AND_PORT.fullmatch(authority.rpartition("@")[2])
    # With an `@` later on, this is a piece of a password that has a `/` in it.
    if port is None or "@" in rest[len(authority) :]:
        return True
    return bool(re.fullmatch(r"\d{1,5}", port[1])) and 1 <= int(port[1]) <= 65535


def _misplaced(camera: CameraSettings, base: Path) -> Iterator[tuple[str, str]]:
    scheme = _scheme(camera.url)
    is_path = scheme in _PATHS
    device = is_path and (camera.url.startswith("/dev/") or _is_device(base / _path_of(camera.url)))
    if camera.loop and (device or not (is_path or scheme in ("http", "https"))):
        yield "loop", "only a file begins again at its end, and this is a camera; leave it out"
    if camera.watch and (device or not is_path):
        yield "watch", "only a folder of images is watched; leave it out"
    if camera.transport != "auto" and scheme not in _RTSP:
        yield "transport", "only RTSP has a transport, and this is no rtsp:// address; leave it out"
    if camera.low_latency and scheme not in _RTSP:
        yield "low_latency", "this is for rtsp:// only; leave it out"
    if camera.size is not None and not device:
        yield "size", "only a device such as /dev/video0 is asked for a size; leave it out"
    if camera.rate is not None and not is_path:
        yield "rate", f"only a device, or images, are given a rate; {_FEWER}"


def _path_of(url: str) -> Path:
    return Path(unquote(url[len("file://") :]) if _scheme(url) else url)


def doubts(
    cameras: Mapping[str, CameraSettings], used: Collection[str], base: Path, document: Document
) -> list[Problem]:
    """What is probably not meant, as warnings: cameras without a use, and files not there.

    A path of one of `cameras` begins with `base`, the folder of the settings, or is absolute.
    """
    found = []
    for name, camera in cameras.items():
        where = f"cameras.{name}"
        if name not in used:
            what = "no pipeline uses this camera"
            found.append(Problem(document.key_mark(("cameras", name)), where, what, "warning"))
        if what := _missing(camera.url, base):
            mark = document.mark(("cameras", name, "url"))
            # An address without its scheme may have a password in it.
            mark = replace(mark, excerpt="") if _may_hold_password(camera.url) else mark
            found.append(Problem(mark, f"{where}.url", what, "warning"))
    return document.discreet(found)


def _is_device(path: Path) -> bool:
    try:
        return path.is_char_device()
    except (OSError, ValueError):
        # A name that no file can have, or one in a folder that may not be read.
        return False


def _may_hold_password(path: str) -> bool:
    # As user:password@host, or in what follows the name of a value.
    return "@" in path or "=" in path


def _missing(url: str, base: Path) -> str:
    """What is said of a file or device that is not there; empty where it is."""
    if _scheme(url) not in _PATHS:
        return ""
    path = _path_of(url)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as error:
        # One that may not be looked at may well be there.
        if error.errno != errno.ENAMETOOLONG:
            return ""
    else:
        return ""
    given = str(path.relative_to(base) if path.is_relative_to(base) else path)
    if _may_hold_password(url):
        return "there is no such file; a camera on the network begins with rtsp://"
    if _HOST.match(given):
        return f"there is no file {path}; a camera on the network is written rtsp://{given}"
    if url.startswith("/dev/"):
        return f"there is no device {path}; `v4l2-ctl --list-devices` lists the cameras"
    return f"there is no file {path}"
