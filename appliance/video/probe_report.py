"""The findings of a probe as lines for a person, as data for a program, and as settings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.video.address import file_of, scheme_of
from appliance.video.errors import redact
from appliance.video.findings import Findings, HardwareTrial
from appliance.video.probe_advice import (
    cameras_possible,
    cores_in_words,
    oddities,
    recommendations,
)

MANY_CAMERAS = 100
_NAMES = {"h264": "H.264", "hevc": "H.265", "mjpeg": "MJPEG", "av1": "AV1"}


def codec_name(codec: str) -> str:
    """A codec as people call it."""
    return _NAMES.get(codec, codec)


def settings_lines(uri: str, found: Findings) -> Sequence[str]:
    """Lines for the settings file that declare this source as a camera; no secret is in them."""
    if file_of(uri) is None and redact(uri) != uri:
        url = "!secret camera_url"
        secret = f'  # secrets.yaml beside this file: camera_url: "{redact(uri)}"'
    else:
        path = file_of(uri)
        url, secret = _scalar(uri if path is None else str(path.absolute())), ""
    lines = ["cameras:", "  camera:", f"    url: {url}{secret}"]
    only_udp = found.transports.get("tcp") and found.transports.get("udp") == ""
    if scheme_of(uri) in ("rtsp", "rtsps") and only_udp:
        lines.append("    transport: udp")
    return lines


def _scalar(text: str) -> str:
    plain = all(letter.isalnum() or letter in "/:._-?=&+@%" for letter in text)
    return text if plain and Path(text).parts and text[0] not in "-?@%&=:" else json.dumps(text)


def report_lines(found: Findings, cores: int) -> Sequence[str]:
    """The findings as lines for a person, a heading before each."""
    rows = {
        "video": _video(found),
        "rate": _rate(found),
        "key frames": _key_frames(found),
        "bit rate": f"{found.bit_rate / 1e6:.2f} Mbit/s" if found.bit_rate else "unknown",
        "skipping": _skipping(found),
        "modes": "; ".join(found.modes),
        "decoding": _decoding(found, cores),
        "hardware": _hardware(found.hardware),
        "transports": ", ".join(
            f"{name}: {problem}" if problem else f"{name} works"
            for name, problem in found.transports.items()
        ),
        "times": _times(found),
        "audio": ", ".join(found.audio) or "none",
        "watched": f"{found.watched_s:.1f} s, {found.units} frames",
    }
    return [found.where, *(f"  {name:11} {text}" for name, text in rows.items() if text)]


def _video(found: Findings) -> str:
    info = found.info
    profile = f" {found.profile}" if found.profile else ""
    return f"{codec_name(info.codec)}{profile}, {info.width}x{info.height}, {found.pixel_format}"


def _rate(found: Findings) -> str:
    if found.info.every:
        # Images have none of their own.
        return f"{found.rate:.4g} images/s; `rate` sets it" if found.rate else "as they come"
    delivered = f"{found.rate:.4g} frames/s" if found.rate else "unknown"
    declared = f", {found.info.rate:.4g} declared" if found.info.rate else ", none declared"
    return delivered + declared


def _key_frames(found: Findings) -> str:
    if found.key_distance is None:
        return f"{found.key_frames} in {found.watched_s:.1f} s"
    if found.key_distance == 1:
        return "every frame"
    seconds = f" ({found.key_distance_s:.1f} s)" if found.key_distance_s else ""
    return f"every {found.key_distance} frames{seconds}"


def _skipping(found: Findings) -> str:
    if found.key_distance == 1:
        return "every frame can be left out before decoding"
    if found.skippable:
        return f"{found.skippable:.0%} of the frames can be left out before decoding"
    return "no frame can be left out before decoding, but for all between two key frames"


def _decoding(found: Findings, cores: int) -> str:
    if found.decode_ms is None:
        return "no frame could be decoded"
    text = f"{found.decode_ms:.1f} ms of CPU a frame"
    possible = cameras_possible(found, cores)
    if found.load is None or possible is None:
        return text
    count = str(possible) if possible <= MANY_CAMERAS else f"more than {MANY_CAMERAS}"
    return (
        f"{text}, {found.load:.1%} of a core; {cores_in_words(cores)} decode {count} such cameras "
        "in full, with no model running"
    )


def _hardware(trials: Sequence[HardwareTrial]) -> str:
    told = [
        f"{trial.name}: {trial.problem}"
        if trial.decode_ms is None
        else f"{trial.name}: {trial.decode_ms:.1f} ms of CPU a frame"
        for trial in trials
    ]
    return "; ".join(told) or "none found for this codec"


def _times(found: Findings) -> str:
    if not found.timed:
        return "no time stamps; frames are dated by their arrival"
    text = "stamps in order" if found.stamps.sane else f"stamps not in order: {oddities(found)}"
    if found.sender_ahead_s is not None:
        word = "ahead of" if found.sender_ahead_s >= 0 else "behind"
        text += f"; sender reports: its clock is {abs(found.sender_ahead_s):.2f} s {word} ours"
    elif found.transports:
        text += "; no sender report came"
    return text


def report_data(found: Findings, cores: int, uri: str) -> dict[str, Any]:
    """The findings for a program: plain values only."""
    stamps, info = found.stamps, found.info
    return {
        "source": found.where,
        "live": info.live,
        "codec": info.codec,
        "profile": found.profile,
        "width": info.width,
        "height": info.height,
        "pixel_format": found.pixel_format,
        "declared_rate": None if info.every else info.rate,
        "rate": found.rate,
        "bit_rate": found.bit_rate,
        "watched_s": found.watched_s,
        "frames": found.units,
        "key_frames": found.key_frames,
        "key_distance_frames": found.key_distance,
        "key_distance_s": found.key_distance_s,
        "skippable": found.skippable,
        "reorder_depth": found.reorder_depth,
        "decode_ms": found.decode_ms,
        "undecodable": found.undecodable,
        "cores": cores,
        "cameras_possible": cameras_possible(found, cores),
        "hardware": [
            {"name": each.name, "decode_ms": each.decode_ms, "problem": each.problem}
            for each in found.hardware
        ],
        "modes": list(found.modes),
        "transports": dict(found.transports),
        "stamps": {
            "sane": found.timed and stamps.sane,
            "missing": stamps.missing,
            "backward": stamps.backward,
            "jumps": stamps.jumps,
            "pace": stamps.pace,
        },
        "sender_ahead_s": found.sender_ahead_s,
        "audio": list(found.audio),
        "ended": found.ended,
        "recommendations": list(recommendations(found, cores)),
        "settings": "\n".join(settings_lines(uri, found)),
    }
