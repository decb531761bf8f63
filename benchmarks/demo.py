"""The demo through the daemon, against the loop that one would write for this one clip.

The loop decodes, detects and tracks in one thread, and does nothing else; the daemon also counts,
keeps accounts and stores events, with its decoder on a thread of its own.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import av

from appliance.clock import SystemClock
from appliance.daemon import STOP_S, Daemon
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.turn import Turn
from appliance.inference.catalog import find, load_catalog, model_cards
from appliance.inference.fetch import pull, pull_demo_clip
from appliance.inference.models import Models
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from appliance.pipelines.planning import plan_pipelines
from appliance.runs import CAMERA
from appliance.settings import Settings, settings_for_run
from appliance.video.capture import Pace
from appliance.video.planes import image_of
from appliance.video.reader import VideoReader
from appliance.video.sources import open_first
from benchmarks.harness import Benchmark, Options, Variant, main
from benchmarks.machine import ROOT
from benchmarks.samples import Goal, Values
from blocks.block import Origin
from blocks.data import Frame, Image
from blocks.host import Detector
from blocks.loading import load_blocks
from blocks.tracking.byte_track import ByteTrack, ByteTrackManifest

MODEL = "people-ssdlite"
# Few, so that the variants of a round are close in time, and rounds many.
FRAMES = 100
FRAMES_IF_QUICK = 5
STATE_DIR = ROOT / ".appliance"
LONGEST_S = 120.0


def prepare(options: Options, stack: ExitStack) -> Sequence[Variant]:
    """Fetch model and clip if they are not there; both variants then do the same first frames."""
    set_up_logging("console", "WARNING")
    frames = FRAMES_IF_QUICK if options.quick else FRAMES
    catalog, store = load_catalog(), Store(STATE_DIR)
    pull(find(catalog, MODEL), store, _say)
    clip = pull_demo_clip(catalog, store, _say)
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-demo-", dir=STATE_DIR))
    )
    # Events of a benchmark do not belong among the user's own; what was fetched is shared.
    for shared in ("models", "probes"):
        (folder / shared).symlink_to(STATE_DIR / shared)
    settings = settings_for_run(ROOT / "workflows/people-count.yaml", str(clip), {}, {}, folder)
    plans = plan_pipelines(settings, load_blocks(), model_cards(catalog))
    models = Models(store, model_cards(catalog))
    (plan,) = plans.values()

    taken = [name for name, kind in plan.output_types.items() if kind is not Image]
    confidence = float(plan.values({})["confidence"])

    def fresh() -> Run:
        origin = Origin("", "bench", CAMERA, "")
        return plan.start({}, models, origin, SystemClock().monotonic, taken)

    return [
        Variant("daemon", lambda: by_daemon(settings, plans, frames)),
        Variant("one thread", lambda: in_one_thread(fresh(), clip, frames)),
        Variant(
            "plain loop", lambda: by_plain_loop(models.detector(MODEL), confidence, clip, frames)
        ),
    ]


class Stopwatch:
    """Times `frames` frames, from the end of a first one, which pays for all that is done once."""

    def __init__(self, frames: int) -> None:
        self.enough = threading.Event()
        self._frames = frames
        self._seen = 0
        self._began = self._ended = (0.0, 0.0)

    def seen(self, _turn: Turn | None = None) -> None:
        """One frame more is done."""
        if self._seen == 0:
            self._began = (time.perf_counter(), time.process_time())
        if self._seen == self._frames:
            self._ended = (time.perf_counter(), time.process_time())
            self.enough.set()
        self._seen += 1

    def values(self) -> Values:
        """Frames for each second, and the processor time of each.

        Raises:
            RuntimeError: fewer frames came than were wanted.
        """
        if not self.enough.is_set():
            raise RuntimeError(f"only {self._seen} of {self._frames + 1} frames came")
        wall_s, cpu_s = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        return {"speed": self._frames / wall_s, "cpu": cpu_s / self._frames * 1000}


def by_daemon(settings: Settings, plans: Mapping[str, Plan], frames: int) -> Values:
    """As `appliance run --fast` does without --output."""
    clock, watch = SystemClock(), Stopwatch(frames)
    first = open_first(settings.cameras[CAMERA].url, CAMERA, clock, threading.Event())
    daemon = Daemon(settings, plans, clock, pace=Pace.FAST, on_turn=watch.seen)
    try:
        daemon.start({CAMERA: first})
        watch.enough.wait(LONGEST_S)
    finally:
        daemon.stop(STOP_S)
        daemon.close()
    return watch.values()


def in_one_thread(run: Run, clip: Path, frames: int) -> Values:
    """The whole workflow, without the daemon round it."""
    watch = Stopwatch(frames)
    with VideoReader(str(clip), CAMERA, SystemClock()) as reader:
        for item in reader.frames():
            if isinstance(item, Frame):
                run.turn(item)
                watch.seen()
            if watch.enough.is_set():
                break
    return watch.values()


def by_plain_loop(detector: Detector, confidence: float, clip: Path, frames: int) -> Values:
    """Decode, detect, track: one after the other, and nothing else."""
    watch, tracker = Stopwatch(frames), ByteTrack(ByteTrackManifest())
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        # As the daemon's decoder does it.
        codec.thread_count, codec.thread_type = 1, "SLICE"
        for sequence, picture in enumerate(container.decode(stream)):
            at_s = float(picture.time or 0.0)
            image = image_of(picture, codec.name)
            found = detector.detect(image, confidence)
            tracker.run(Frame(CAMERA, at_s, at_s, sequence=sequence, image=image), found)
            watch.seen()
            if watch.enough.is_set():
                break
    return watch.values()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


BENCHMARK = Benchmark(
    name="demo",
    about="counting people in the demo clip: the daemon against a loop that decodes, detects, "
    "tracks",
    units={"speed": "frames/s", "cpu": "ms/frame"},
    prepare=prepare,
    goals=[
        Goal(
            "speed of the daemon, that of the loop being 1",
            lambda r: r["daemon", "speed"] / r["plain loop", "speed"],
            "at least",
            0.95,
        ),
    ],
    rounds=15,
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
