"""The least that a thread for each camera can do: decode, hand on the newest, detect.

It keeps no order, no state, no accounts and no results, never skips, looks at no age and reacts to
nothing: what it reaches is what this machine, this interpreter and so many threads allow.
"""

import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import av

from appliance.inference.models import LoadedModel
from appliance.video.planes import image_of
from benchmarks.video_baselines import Found, span_of
from benchmarks.video_clips import KEY_EVERY, RATE
from benchmarks.video_costs import CONFIDENCE
from blocks.data import Image

_LOOK_S = 0.5


@dataclass
class Bare:
    """Cameras whose newest frame lies in a slot, and workers that take the one served least."""

    clip: Path
    model: LoadedModel
    cameras: int
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._slots: dict[int, tuple[float, Image]] = {}
        self._busy: set[int] = set()
        self.done: list[list[tuple[float, float]]] = [[] for _ in range(self.cameras)]

    def threads(self, workers: int) -> list[threading.Thread]:
        """All of them, not started yet."""
        cameras = [threading.Thread(target=self._read, args=(n,)) for n in range(self.cameras)]
        return cameras + [threading.Thread(target=self.work) for _ in range(workers)]

    def _read(self, camera: int) -> None:
        due_s = time.monotonic() + camera * KEY_EVERY / RATE / self.cameras
        for clip in cycle([str(self.clip)]):
            with av.open(clip) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "SLICE"
                for packet in container.demux(stream):
                    time.sleep(max(0.0, due_s - time.monotonic()))
                    if self.stop.is_set():
                        return
                    for picture in packet.decode():
                        self.put(camera, due_s, image_of(picture, stream.codec_context.name))
                    due_s += 1 / RATE if packet.size else 0.0

    def put(self, camera: int, due_s: float, image: Image) -> None:
        """A frame has come, which was due at that moment."""
        with self._changed:
            self._slots[camera] = (due_s, image)
            if camera not in self._busy:
                self._changed.notify()

    def work(self) -> None:
        """Look at frames until the stop."""
        while not self.stop.is_set():
            with self._changed:
                ready = [camera for camera in self._slots if camera not in self._busy]
                if not ready:
                    self._changed.wait(_LOOK_S)
                    continue
                camera = min(ready, key=lambda each: len(self.done[each]))
                due_s, image = self._slots.pop(camera)
                self._busy.add(camera)
            self.model.detect(image, CONFIDENCE)
            self.done[camera].append((time.monotonic(), due_s))
            self._busy.discard(camera)


def bare(
    clip: Path, model: LoadedModel, callers: int, cameras: int, *, settle_s: float, seconds: float
) -> Found:
    """Run it for a while, with as many workers as the model has callers."""
    program = Bare(clip, model, cameras)
    return span_of(program.threads(callers), program.stop, lambda: program.done, settle_s, seconds)
