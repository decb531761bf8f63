"""What the findings of a probe mean: sentences with what to set, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from appliance.video.findings import Findings, HardwareTrial

# A key frame ends damage, begins a new connection, and is all that is decoded at the deepest level.
LONGEST_KEY_DISTANCE_S = 2.0
# Where one camera takes more of a core than this, decoding is what a small machine runs short of.
HEAVY_LOAD = 0.1
RATE_TOLERANCE = 0.05
CLOCK_TOLERANCE_S = 1.0
_EASY_FORMATS = ("yuv420p", "yuvj420p", "bgr24")


def cameras_possible(found: Findings, cores: int) -> int | None:
    """How many such cameras the cores decode in full, with nothing left for anything else."""
    return int(cores / found.load) if found.load else None


def recommendations(found: Findings, cores: int) -> Sequence[str]:
    """What to set at the camera or here, each with its reason; the weightiest first."""
    sentences = [
        *_on_picture(found),
        *_on_transport(found.transports),
        *(_on_key_frames(found) if found.info.live else ()),
        *_on_load(found, cores),
        *(_on_time(found) if found.info.live else ()),
        *_on_hardware(found.hardware),
    ]
    return tuple(sentences)


def _on_picture(found: Findings) -> Iterator[str]:
    if found.ended:
        yield f"Look after the connection first: {found.ended}."
    if found.undecodable:
        yield (
            f"Look for losses on the network: {found.undecodable} of {found.units} frames could "
            "not be decoded."
        )
    if found.pixel_format and found.pixel_format not in _EASY_FORMATS:
        yield (
            f"Choose 8 bits and 4:2:0 at the camera, if it lets you: each picture is converted "
            f"from {found.pixel_format} otherwise."
        )


def _on_transport(transports: Mapping[str, str]) -> Iterator[str]:
    if transports.get("tcp") and transports.get("udp") == "":
        yield "Set `transport: udp` for this camera: pictures do not come over TCP."
    elif transports.get("tcp") == "" and transports.get("udp"):
        yield "Leave the transport as it is, TCP: pictures do not come over UDP."


def _on_key_frames(found: Findings) -> Iterator[str]:
    seconds = found.key_distance_s
    if seconds is None and found.watched_s > LONGEST_KEY_DISTANCE_S:
        yield (
            "Set the camera's key frame interval to 1 to 2 s (and turn off “smart” or “plus” "
            f"coding): no two key frames came in {found.watched_s:.0f} s, so that after a lost "
            "packet or a new connection the picture may be damaged or missing for longer than that."
        )
    elif seconds is not None and seconds > LONGEST_KEY_DISTANCE_S:
        yield (
            f"Set the camera's key frame interval to 1 to 2 s: now it is {seconds:.1f} s, so that "
            "after a lost packet or a new connection the picture may be damaged or missing for so "
            f"long, and where decoding is short one frame in {seconds:.1f} s is all that is left."
        )


def _on_load(found: Findings, cores: int) -> Iterator[str]:
    load, info = found.load, found.info
    working = any(trial.decode_ms is not None for trial in found.hardware)
    if load is not None and load > HEAVY_LOAD and info.live and not working:
        yield (
            f"Use the camera's sub stream (about 640x360) where it shows enough: {info.width}x"
            f"{info.height} at {found.rate:.3g}/s costs {found.decode_ms:.1f} ms of CPU a frame, "
            f"{load:.0%} of a core; {cores_in_words(cores)} can decode "
            f"{cameras_possible(found, cores)} such cameras and then have nothing left for models."
        )
        if info.codec == "hevc":
            yield (
                "Choose H.264 at the camera if the network bears it: decoding H.265 costs a "
                "fifth to a half more."
            )
    if info.codec == "mjpeg" and info.live:
        yield (
            "Choose the camera's H.264 stream if it has one: MJPEG takes "
            f"{(found.bit_rate or 0) / 1e6:.1f} Mbit/s here, several times as much for the same "
            "picture."
        )
    if found.reorder_depth and info.live and found.rate:
        keep = (
            f"; keep them where decoding is short, since {found.skippable:.0%} of the frames can "
            "be left out undecoded"
            if found.skippable
            else ""
        )
        yield (
            f"Turn B-frames off at the camera where latency counts: they delay each picture by "
            f"{found.reorder_depth / found.rate * 1000:.0f} ms{keep}."
        )


def _on_time(found: Findings) -> Iterator[str]:
    declared, rate = found.info.rate, found.rate
    if found.timed and not found.stamps.sane:
        yield (
            "Look at the camera's firmware: its time stamps cannot be trusted "
            f"({oddities(found)}); frames are dated by their arrival instead."
        )
    ahead_s = found.sender_ahead_s
    if ahead_s is not None and abs(ahead_s) > CLOCK_TOLERANCE_S:
        word = "ahead of" if ahead_s > 0 else "behind"
        yield (
            f"Set the camera's clock by NTP: it is {abs(ahead_s):.0f} s {word} this machine's, so "
            "that its own times are not used."
        )
    if declared and rate and abs(rate / declared - 1) > RATE_TOLERANCE:
        yield (
            f"Nothing is to be done about the rate: it declares {declared:.3g} frames/s and "
            f"delivers {rate:.3g}, and only what it delivers counts."
        )


def oddities(found: Findings) -> str:
    """What is odd about the time stamps; empty where they are sane."""
    stamps = found.stamps
    counts = {"missing": stamps.missing, "backward": stamps.backward, "jumping": stamps.jumps}
    odd = [f"{count} {what}" for what, count in counts.items() if count]
    if not odd and stamps.pace is not None:
        odd = [f"{stamps.pace:.2f} s for each second that passes"]
    return ", ".join(odd)


def _on_hardware(trials: Iterable[HardwareTrial]) -> Iterator[str]:
    best = min(
        (trial for trial in trials if trial.decode_ms is not None),
        key=lambda trial: trial.decode_ms or 0.0,
        default=None,
    )
    if best is not None:
        yield (
            f"Leave hardware decoding on: {best.name} decodes a frame for {best.decode_ms:.1f} ms "
            "of CPU."
        )


def cores_in_words(count: int) -> str:
    """How many cores this machine has."""
    return "this machine's one core" if count == 1 else f"this machine's {count} cores"
