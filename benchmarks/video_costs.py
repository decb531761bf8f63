"""What each part of the work costs by itself, and the most results that leaves room for."""

import ctypes
import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av

from appliance.inference.models import LoadedModel
from appliance.video.planes import image_of
from benchmarks.video_clips import KEY_EVERY
from blocks.data import Image

CONFIDENCE = 0.2
_RUNS = 25
_IMAGES = 25


@dataclass(frozen=True, slots=True)
class Costs:
    """What is done costs by itself, in ms of CPU time.

    Attributes:
        decode: A unit of the stream, demuxed and decoded.
        key: The same for key frames, all others being demuxed only.
        inference: The session alone, with as many callers as there will be.
        around: The pixels before it and the boxes after it, of a picture not looked at before.
    """

    decode: float
    key: float
    inference: float
    around: float

    @classmethod
    def of(cls, measured: Sequence["Costs"]) -> "Costs":
        """The medians of several."""
        fields = ("decode", "key", "inference", "around")
        return cls(*(median(getattr(each, name) for each in measured) for name in fields))

    def decoding(self, decoded_rate: float, captured_rate: float) -> float:
        """CPU ms/s of decoding so many units/s, of which all keys of those captured are part."""
        keys = min(decoded_rate, captured_rate / KEY_EVERY)
        plain = (self.decode * KEY_EVERY - self.key) / (KEY_EVERY - 1)
        return keys * self.key + (decoded_rate - keys) * plain

    def limit(self, cores: float, source_rate: float, decoding: float) -> float:
        """L: the most results/s, decoding taking `decoding` ms/s of `cores`, without a gate."""
        room = (cores * 1000 - decoding) / (self.inference + self.around)
        return max(0.0, min(source_rate, room))


def measure(model: LoadedModel, clip: Path, callers: int) -> Costs:
    """Measure all, one after the other. Takes about two seconds, and leaves no memory behind."""
    costs = _measured(model, clip, callers)
    # The 25 pictures are no part of what the daemon takes, and libc would keep their place.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return costs


def _measured(model: LoadedModel, clip: Path, callers: int) -> Costs:
    images = _images(clip, _IMAGES)
    tensor, _ = model.fit(images[0])
    outputs = model.session.run(tensor)
    inference = _in_parallel(lambda: model.session.run(tensor), callers)
    began_s = time.thread_time()
    # Not the first picture: what it was converted to is kept with it.
    for image in images[1:]:
        model.decode(outputs, model.fit(image)[1], CONFIDENCE)
    around = (time.thread_time() - began_s) / (len(images) - 1) * 1000
    return Costs(
        decode_cost(clip, 2 * KEY_EVERY, lambda _packet: True),
        decode_cost(clip, 5 * KEY_EVERY, lambda packet: bool(packet.is_keyframe)),
        inference,
        around,
    )


def decode_cost(clip: Path, units: int, wanted: Callable[[Any], bool]) -> float:
    """CPU ms for each unit that is `wanted` of the first ones, demuxing of all included."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "SLICE"
        began_s, decoded = time.thread_time(), 0
        for number, packet in enumerate(container.demux(stream)):
            if number >= units:
                break
            if packet.size and wanted(packet):
                packet.decode()
                decoded += 1
        return (time.thread_time() - began_s) / max(1, decoded) * 1000


def _images(clip: Path, count: int) -> list[Image]:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        pictures = zip(range(count), container.decode(stream), strict=False)
        return [image_of(picture, stream.codec_context.name) for _, picture in pictures]


def _in_parallel(work: Callable[[], object], callers: int) -> float:
    """CPU ms of the process for each call."""

    def run() -> None:
        for _ in range(_RUNS):
            work()

    threads = [threading.Thread(target=run) for _ in range(callers)]
    began_s = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - began_s) / (_RUNS * callers) * 1000
