"""Blocks that only measurements need: one that notes what comes into its hands, one that waits."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

from pydantic import Field

from blocks.block import BlockType, Manifest, Origin, block
from blocks.data import Frame, Image
from blocks.host import Host
from blocks.loading import blocks_in
from tests.cameras.clips import read_number

# What came, by camera: when it lay in the lane's hands (monotonic), its `at_s`, and when it was
# sent, where the camera tells.
Handed = tuple[float, float, float | None]
HANDED: dict[str, list[Handed]] = defaultdict(list)
# When a camera last sent the picture of a number; asked at once, since clips begin again.
SENT: dict[str, Callable[[int], float | None]] = {}


class NotedManifest(Manifest):
    """Nothing but whether to read."""

    read: bool = Field(default=False, description="Read the number that is drawn into a picture.")


class Noted(NamedTuple):
    """The number of the frame."""

    sequence: int


@block("bench_note@1", NotedManifest)
class Note:
    """Notes when a frame came."""

    def __init__(self, manifest: NotedManifest, origin: Origin) -> None:
        self._read = manifest.read
        self._camera = origin.camera

    def run(self, frame: Frame, image: Image) -> Noted:
        """One frame."""
        now = time.monotonic()
        number = read_number(image) if self._read else None
        sent_s = None if number is None else SENT[self._camera](number)
        HANDED[self._camera].append((now, frame.at_s, sent_s))
        return Noted(frame.sequence)


class WaitManifest(Manifest):
    """How long, and how."""

    seconds: float = Field(default=1.0, description="For each frame.")
    gives_back: bool = Field(default=True, description="Whether the permit is given back.")


@block("bench_wait@1", WaitManifest)
class Wait:
    """Waits, as a step does whose model is far away."""

    def __init__(self, manifest: WaitManifest, host: Host) -> None:
        self._manifest = manifest
        self._host = host

    def run(self, frame: Frame) -> Noted:
        """One frame."""
        with self._host.waiting() if self._manifest.gives_back else nullcontext():
            time.sleep(self._manifest.seconds)
        return Noted(frame.sequence)


def blocks_of_bench() -> dict[str, BlockType]:
    """Both, by their types."""
    return {each.type: each for each in blocks_in(sys.modules[__name__])}


NOTING = """version: 1
name: noting
inputs: {image: {type: image}}
steps:
  - {name: note, type: bench_note@1, image: $inputs.image, read: READ}
outputs: {sequence: $steps.note.sequence}
"""
WAITING = """version: 1
name: waiting
inputs: {image: {type: image}}
steps:
  - {name: wait, type: bench_wait@1, gives_back: GIVES}
outputs: {sequence: $steps.wait.sequence}
"""
DETECTING = """version: 1
name: detecting
inputs: {image: {type: image}}
steps:
  - name: people
    type: object_detection@1
    image: $inputs.image
    model: people-ssdlite
    confidence: 0.2
    labels: [person]
  - name: seen
    type: event@1
    when: size(steps.people.detections) > 0
    connection: local
    data: {people: "=size(steps.people.detections)"}
outputs: {people: $steps.people.detections}
"""
