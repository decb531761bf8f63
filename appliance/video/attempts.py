"""With which options of libav a source is opened, and in what order: no I/O here.

Capture devices are untested on hardware.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from appliance.video.address import scheme_of, with_encoded_password
from appliance.video.low_latency import OPEN_OPTIONS
from appliance.video.source import SourceOptions

USER_AGENT = "vision-appliance"
# Opens four times as fast; a camera that needs more is asked again without. The duration is in
# microseconds, and 0 would mean libav's own five seconds.
FAST_PROBE = {"probesize": "32768", "analyzeduration": "100000"}
# Over UDP a key frame comes all at once, and packets come out of order. In bytes and packets.
RECEIVE_BUFFER = {"buffer_size": "4194304"}
REORDER = {"reorder_queue_size": "500"}
# What came before the newest segment is old; a segment that fails is asked for again.
HLS = {"live_start_index": "-1", "seg_max_retry": "3"}
# A playlist grows by a segment of up to 10 s at a time.
HLS_SILENCE_S = 30.0
# Larger pictures than this do not come over USB 2 at full rate unless they are compressed.
LARGEST_RAW = 640 * 480


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to open a source.

    `address` is what libav is given, `silence_s` how long nothing may come. `probes_fast` is
    whether it is to be tried once more with all the time that libav takes, if too little is seen.
    """

    address: str
    options: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    silence_s: float = 0.0
    probes_fast: bool = False


def network_attempts(uri: str, given: SourceOptions) -> tuple[Attempt, ...]:
    """How an address on the network is opened; the next where the one before gives nothing."""
    scheme = scheme_of(uri)
    address = with_encoded_password(uri)
    if scheme in ("rtsp", "rtsps"):
        return tuple(_rtsp(address, each, given) for each in _transports(scheme, given))
    options: dict[str, str] = {}
    silence_s = given.silence_s
    if scheme in ("http", "https"):
        options = {"user_agent": USER_AGENT}
        if _names_playlist(address):
            options |= HLS
            silence_s = max(silence_s, HLS_SILENCE_S)
    elif scheme == "udp":
        options = RECEIVE_BUFFER | {"overrun_nonfatal": "1"}
    return (Attempt(address, options, silence_s=silence_s),)


def device_attempts(path: str, given: SourceOptions) -> tuple[Attempt, ...]:
    """How a capture device is opened: large pictures as JPEG where it can.

    Untested on hardware.
    """
    options: dict[str, str] = {}
    if given.size is not None:
        options["video_size"] = f"{given.size[0]}x{given.size[1]}"
    if given.rate is not None:
        options["framerate"] = f"{given.rate:g}"
    plain = Attempt(path, options, "v4l2")
    if given.size is None or given.size[0] * given.size[1] <= LARGEST_RAW:
        return (plain,)
    return Attempt(path, options | {"input_format": "mjpeg"}, "v4l2"), plain


def _transports(scheme: str, given: SourceOptions) -> tuple[str, ...]:
    # What is encrypted goes over its own TCP connection only.
    if scheme == "rtsps":
        return ("tcp",)
    return ("tcp", "udp") if given.transport == "auto" else (given.transport,)


def _rtsp(address: str, transport: str, given: SourceOptions) -> Attempt:
    options = {"rtsp_transport": transport, "user_agent": USER_AGENT}
    if transport == "udp":
        options |= RECEIVE_BUFFER | REORDER
    if given.low_latency:
        # Without the parser the size is not known before the first picture, however long it takes.
        options |= OPEN_OPTIONS | FAST_PROBE
    return Attempt(address, options, silence_s=given.silence_s, probes_fast=not given.low_latency)


def _names_playlist(address: str) -> bool:
    return urlsplit(address).path.lower().endswith((".m3u8", ".m3u"))
