"""What leaving units out before decoding saves, and what the motion gate costs beside decoding."""

import time
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import SystemClock
from appliance.video.levels import ALL, KEYS, REFERENCES, Level, Structure
from appliance.video.motion import MotionGate, MotionSettings, small_luma
from appliance.video.reader import VideoReader
from appliance.video.selection import Selection
from appliance.video.source import LeftOut
from benchmarks.samples import Values
from benchmarks.video_clips import Format, clip_of
from benchmarks.video_site import STATE_DIR
from blocks.data import Frame

WITH_B_FRAMES = Format("h264", 1080, b_frames=2)
PLAIN = Format("h264", 1080)


def left_out(_seconds: float) -> Values:
    """What each frame that nobody refers to saves when it is left out.

    `saved` is of what it costs itself, as the camera's own meter has it; `of mean` of what a frame
    of the clip costs on the average.
    """
    clip = clip_of(WITH_B_FRAMES, STATE_DIR)
    whole = _read(clip, ALL)
    some = _read(clip, REFERENCES)
    mean_ms = whole.cpu_ms / whole.units
    saved_ms = (whole.cpu_ms - some.cpu_ms) / max(1, some.left_out)
    own_ms = mean_ms * _share_of_mean(whole.structure)
    return {
        "skipped": some.left_out / some.units,
        "saved": saved_ms / own_ms,
        "of mean": saved_ms / mean_ms,
    }


def keys_only(_seconds: float) -> Values:
    """What decoding key frames only costs, of what decoding all does."""
    clip = clip_of(PLAIN, STATE_DIR)
    return {"of all": _read(clip, KEYS).cpu_ms / _read(clip, ALL).cpu_ms}


def gate(_seconds: float) -> Values:
    """What the motion gate costs, of what decoding the same frames costs."""
    gates = MotionGate(MotionSettings())
    gate_s = decode_s = 0.0
    frames = 0
    with VideoReader(str(clip_of(PLAIN, STATE_DIR)), "c", SystemClock()) as reader:
        began_s = time.thread_time()
        for item in reader.frames():
            now = time.thread_time()
            decode_s += now - began_s
            if isinstance(item, Frame):
                gates.look(small_luma(item.image), item.at_s)
                frames += 1
            began_s = time.thread_time()
            gate_s += began_s - now
    return {"gate": gate_s / frames * 1000, "of decode": gate_s / decode_s}


def _share_of_mean(structure: Structure) -> float:
    """What a unit nobody refers to costs, of what one costs on the average."""
    keys = 1 / structure.units_per_key if structure.units_per_key else 0.0
    others = 1 - keys - structure.disposable
    disposable = structure.disposable_cost
    mean = keys * structure.key_cost + others + structure.disposable * disposable
    return disposable / mean


@dataclass(frozen=True, slots=True)
class _Reading:
    """A clip read to its end: CPU time, units, those left out, and how the stream is made."""

    cpu_ms: float
    units: int
    left_out: int
    structure: Structure


def _read(clip: Path, level: Level) -> _Reading:
    """Read a whole clip at a level."""
    selection = Selection()
    selection.want(level)
    with VideoReader(str(clip), "c", SystemClock()) as reader:
        reader.select(selection)
        began_s = time.thread_time()
        left = sum(isinstance(item, LeftOut) for item in reader.frames())
        cpu_ms = (time.thread_time() - began_s) * 1000
        return _Reading(cpu_ms, reader.demuxed, left, selection.structure)
