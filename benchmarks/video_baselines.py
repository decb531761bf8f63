"""Two programs that one would write without the daemon, on the same clips at the same pace.

Neither counts, keeps accounts nor stores anything: they detect and track.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from appliance.inference.catalog import load_catalog, model_cards
from appliance.inference.models import LoadedModel, Models
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from benchmarks.machine import ROOT
from benchmarks.video_clips import RATE
from benchmarks.video_costs import CONFIDENCE
from benchmarks.video_load import Counters, Use, rss_mib
from benchmarks.video_site import MODEL, STATE_DIR
from blocks.data import Frame, Image
from blocks.tracking.byte_track import ByteTrack, ByteTrackManifest

QUEUE = 64


@dataclass(frozen=True, slots=True)
class Found:
    """Results/s of each camera and how old they were, in ms; what was used, and memory in MiB."""

    rates: list[float]
    ages_ms: list[list[float]]
    use: Use
    rss_mib: float


@dataclass
class Watcher:
    """Detects and tracks what one camera shows, and notes when each frame was due and done."""

    model: LoadedModel
    tracker: ByteTrack = field(default_factory=lambda: ByteTrack(ByteTrackManifest()))
    done: list[tuple[float, float]] = field(default_factory=list)

    def look(self, due_s: float, sequence: int, pixels: NDArray[Any]) -> None:
        """One frame."""
        image = Image((pixels,))
        frame = Frame("c", due_s, due_s, sequence=sequence, image=image)
        self.tracker.run(frame, self.model.detect(image, CONFIDENCE))
        self.done.append((time.monotonic(), due_s))


def ages_ms(done: list[tuple[float, float]], since_s: float, until_s: float) -> list[float]:
    """Of the frames, (done, due), that were done in a span."""
    return [(at - due) * 1000 for at, due in done if since_s <= at < until_s]


def loop_of_opencv(clip: Path, cameras: int, settle_s: float, seconds: float) -> Found:
    """A thread for each camera grabs and retrieves into one queue of 64; one loop detects."""
    model = model_for(cameras=1)
    watchers = [Watcher(model) for _ in range(cameras)]
    frames: queue.Queue[tuple[int, float, int, NDArray[Any]]] = queue.Queue(QUEUE)
    stop = threading.Event()

    def read(camera: int) -> None:
        capture, began_s = cv2.VideoCapture(str(clip)), time.monotonic() + camera / RATE / cameras
        for number in _numbers(capture):
            due_s = began_s + number / RATE
            if stop.wait(max(0.0, due_s - time.monotonic())):
                return
            fits, pixels = capture.retrieve()
            while fits and not stop.is_set():
                try:
                    frames.put((camera, due_s, number, pixels), timeout=0.1)
                    break
                except queue.Full:
                    continue

    def detect() -> None:
        while not stop.is_set():
            try:
                camera, due_s, number, pixels = frames.get(timeout=0.1)
            except queue.Empty:
                continue
            watchers[camera].look(due_s, number, pixels)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(cameras)]
    threads.append(threading.Thread(target=detect))
    return span_of(threads, stop, lambda: [each.done for each in watchers], settle_s, seconds)


def span_of(
    threads: list[threading.Thread],
    stop: threading.Event,
    done: Callable[[], list[list[tuple[float, float]]]],
    settle_s: float,
    seconds: float,
) -> Found:
    """Run threads; of a span of that time, what `done` says of each camera: (done, due)."""
    for thread in threads:
        thread.start()
    time.sleep(settle_s)
    before = Counters.now()
    time.sleep(seconds)
    now = Counters.now()
    memory = rss_mib()
    stop.set()
    for thread in threads:
        thread.join()
    ages = [ages_ms(camera, before.wall_s, now.wall_s) for camera in done()]
    use = now.since(before)
    return Found([len(lane) / use.wall_s for lane in ages], ages, use, memory)


def process_for_each(clip: Path, cameras: int, settle_s: float, seconds: float) -> Found:
    """A process for each camera, with a session of its own, which skips what it is too slow for."""
    command = [sys.executable, "-m", "benchmarks.video_baselines", str(clip)]
    pipes = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(cameras)
    ]
    pids = tuple(process.pid for process in pipes)
    try:
        for process in pipes:
            _line(process)
        time.sleep(settle_s)
        before = Counters.now(pids)
        time.sleep(seconds)
        now, memory = Counters.now(pids), rss_mib(pids)
        asked = json.dumps([before.wall_s, now.wall_s])
        ages = [json.loads(process.communicate(asked + "\n")[0]) for process in pipes]
    finally:
        for process in pipes:
            process.kill()
            process.wait()
    use = now.since(before)
    return Found([len(lane) / use.wall_s for lane in ages], ages, use, memory)


def _line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None:
        raise RuntimeError("a process without an output")
    return process.stdout.readline()


def _numbers(capture: cv2.VideoCapture) -> Iterator[int]:
    """Grab frame after frame, the clip again at its end; the number of each."""
    for number in count():
        if not capture.grab():
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            capture.grab()
        yield number


def _one_camera(
    clip: str, stop: threading.Event, watcher: Watcher, ready: Callable[[], None]
) -> None:
    capture, began_s = cv2.VideoCapture(clip), 0.0
    for number in _numbers(capture):
        if not number:
            ready()
            began_s = time.monotonic()
        due_s = began_s + number / RATE
        if due_s < time.monotonic() - 1 / RATE:
            continue
        if stop.wait(max(0.0, due_s - time.monotonic())):
            return
        fits, pixels = capture.retrieve()
        if fits:
            watcher.look(due_s, number, pixels)


def model_for(cameras: int) -> LoadedModel:
    """The detector, for so many callers."""
    cards = model_cards(load_catalog())
    return Models(Store(STATE_DIR), cards, {MODEL: cameras}).detector(MODEL).loaded


def _main(clip: str) -> None:
    """Run one camera until a line with a span comes; print the ages of that span."""
    set_up_logging("console", "ERROR")
    watcher, stop = Watcher(model_for(cameras=1)), threading.Event()
    ready = lambda: print("ready", flush=True)  # noqa: E731 - one word to the parent
    thread = threading.Thread(target=_one_camera, args=(clip, stop, watcher, ready))
    thread.start()
    since_s, until_s = json.loads(sys.stdin.readline())
    stop.set()
    thread.join()
    print(json.dumps(ages_ms(watcher.done, since_s, until_s)))


if __name__ == "__main__":
    _main(sys.argv[1])
