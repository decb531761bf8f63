"""Opens a source with libav, by what its address is, and tells what it says of itself."""

import errno
import stat
from collections.abc import Sequence

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from appliance.video.address import file_of, scheme_of
from appliance.video.attempts import FAST_PROBE, Attempt, device_attempts, network_attempts
from appliance.video.errors import (
    VideoError,
    cannot_open,
    refused_settings,
    sends_nothing,
    unusable_file,
)
from appliance.video.source import SourceOptions, StreamInfo

OPEN_TIMEOUT_S = 5.0
# Formats without time stamps: libav counts 25 frames for each second, whatever the camera sends.
_UNTIMED = ("mpjpeg", "mjpeg", "h264", "hevc")


def open_container(uri: str, where: str, given: SourceOptions) -> InputContainer:
    """The container, opened by what the address is; a `VideoError` says why not."""
    path = file_of(uri)
    if path is None:
        return _connected(where, network_attempts(uri, given))
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unusable_file(path, error) from None
    if stat.S_ISREG(found.st_mode) and found.st_size == 0:
        raise VideoError(f"{where}: the file is empty (0 bytes); copy or record it again")
    if stat.S_ISCHR(found.st_mode):
        return _device(where, device_attempts(str(path), given))
    try:
        # With `file:` before it, a name with a colon or a percent sign is still a name.
        return av.open(f"file:{path}", metadata_errors="replace")
    except av.FFmpegError as error:
        raise cannot_open(where, error, network=False, timeout_s=OPEN_TIMEOUT_S) from None


def hands_out_fragments(uri: str, given: SourceOptions) -> bool:
    """Whether its packets are to be as RTP carried them, for `LowLatencyUnits` to join."""
    return given.low_latency and scheme_of(uri) in ("rtsp", "rtsps")


def _connected(where: str, attempts: Sequence[Attempt]) -> InputContainer:
    """The first attempt of which something comes; the last one's failure, if none is."""
    for attempt in attempts:
        last = attempt is attempts[-1]
        try:
            container = _fully_probed(attempt)
        except av.FFmpegError as error:
            # A camera says so that it does not send over this transport.
            if last or error.errno != errno.EPROTONOSUPPORT:
                failure = cannot_open(where, error, network=True, timeout_s=OPEN_TIMEOUT_S)
                raise failure from None
            continue
        if not attempt.probes_fast or not _is_silent(container):
            return container
        if last and _has_size(container):
            return container
        container.close()
    raise sends_nothing(where, OPEN_TIMEOUT_S)


def _fully_probed(attempt: Attempt) -> InputContainer:
    if not attempt.probes_fast:
        return _opened(attempt, {})
    container = _opened(attempt, FAST_PROBE)
    if _has_size(container) or _is_silent(container):
        return container
    container.close()
    return _opened(attempt, {})


def _opened(attempt: Attempt, more: dict[str, str]) -> InputContainer:
    # libav hands out one packet more before it reports silence: the error comes after twice this.
    silence_s = attempt.silence_s / 2
    return av.open(
        attempt.address,
        options=attempt.options | more,
        # Cameras name their sessions in character sets of their own.
        metadata_errors="replace",
        timeout=(OPEN_TIMEOUT_S, silence_s),
    )


def _device(where: str, attempts: Sequence[Attempt]) -> InputContainer:
    for attempt in attempts:
        try:
            return av.open(attempt.address, format=attempt.format, options=attempt.options)
        except av.FFmpegError as error:
            if error.errno != errno.EINVAL:
                failure = cannot_open(where, error, network=False, timeout_s=OPEN_TIMEOUT_S)
                raise failure from None
    raise refused_settings(where)


def _has_size(container: InputContainer) -> bool:
    stream = container.streams.best("video")
    return isinstance(stream, VideoStream) and stream.codec_context.width > 0


def _is_silent(container: InputContainer) -> bool:
    """Whether nothing has come while it was opened: all of RTP is stamped."""
    stream = container.streams.best("video")
    return isinstance(stream, VideoStream) and stream.start_time is None


def video_stream(container: InputContainer, where: str) -> VideoStream:
    """The stream to read of a container; a `VideoError` says why there is none."""
    stream = container.streams.best("video")
    if container.format.name == "tty":
        raise VideoError(f"{where}: this is a text file, not a video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = ", ".join(sorted({each.type for each in container.streams})) or "nothing"
        raise VideoError(f"{where}: there is no video stream in it, only {kinds}")
    # av's annotations do not tell that it is None for a codec this build has no decoder for.
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(f"{where}: its codec has no decoder here; convert it to H.264")
    return stream


def stream_info(uri: str, container: InputContainer, stream: VideoStream) -> StreamInfo:
    """What the source says of itself."""
    duration_s = None
    if stream.duration is not None and stream.time_base is not None:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_s = container.duration / av.time_base
    live = _is_live(uri, container)
    rate = None if live and is_untimed(container) else stream.average_rate or stream.guessed_rate
    return StreamInfo(
        codec=stream.codec_context.name,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        rate=float(rate) if rate else None,
        frames=stream.frames or None,
        duration_s=duration_s,
        live=live,
        stamped=not (live and is_untimed(container)),
        bursts=live and "hls" in container.format.name,
    )


def is_untimed(container: InputContainer) -> bool:
    """Whether its time stamps are libav's invention."""
    return container.format.name in _UNTIMED


def _is_named_pipe(uri: str) -> bool:
    """Whether it can be opened again: that which a shell makes for one program ends as a clip."""
    path = file_of(uri)
    try:
        return path is not None and path.resolve().is_fifo()
    except OSError:
        return False


def _is_live(uri: str, container: InputContainer) -> bool:
    scheme = scheme_of(uri)
    if scheme in ("", "file"):
        return "v4l2" in container.format.name or _is_named_pipe(uri)
    if scheme not in ("http", "https") or container.duration is not None:
        return container.duration is None
    # A server that knows how long its answer is sends a file; a playlist's length says nothing.
    return "hls" in container.format.name or (container.size or 0) <= 0
