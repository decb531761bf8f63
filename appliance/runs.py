"""`appliance run`: one workflow on one source from its beginning to its end, and a summary."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.clock import Clock
from appliance.daemon import STOP_S, Daemon
from appliance.engine.plan import Plan
from appliance.engine.turn import Turn
from appliance.inference.declared import cards
from appliance.pipelines.planning import plan_pipelines
from appliance.report import RunReport
from appliance.settings import LOCAL, Settings
from appliance.video.address import file_of
from appliance.video.capture import Pace
from appliance.video.errors import VideoError, redact
from appliance.video.source import DEFAULT_RATE, Opened
from appliance.video.sources import open_first
from appliance.video.writer import VideoWriter
from blocks.data import Frame, Image
from blocks.loading import load_blocks

CAMERA = "source"
LOOK_S = 0.1
# How long a run that has come to its end waits for outside systems that are slow or down.
DELIVER_S = 10.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: where the annotated video goes, and whether a clip keeps its own pace."""

    output: Path | None = None
    realtime: bool = False


class RunStopped(Exception):  # noqa: N818 - what it says is the summary of a run
    """A step that says `on_error: stop` has ended a run; the text is the summary."""


class Recorder:
    """Writes the annotated pictures of a run; a disk that refuses ends the video, not the run.

    A lane that hangs at the end may still write while the video is closed.
    """

    def __init__(self, path: Path | None, plan: Plan, rate: float | None) -> None:
        self.path = path
        self.error = ""
        self._lock = threading.Lock()
        self._output = _picture_output(plan, path) if path is not None else ""
        self._writer = VideoWriter(path, rate or DEFAULT_RATE) if path is not None else None

    def write(self, turn: Turn) -> None:
        """Add the picture of a frame's turn, if it has one; other turns are at no frame's time."""
        if not isinstance(turn.moment, Frame):
            return
        image = turn.outputs.get(self._output)
        with self._lock:
            if self._writer is None or not isinstance(image, Image):
                return
            try:
                self._writer.write(image, turn.moment.at_s)
            except VideoError as error:
                self.error = str(error)
                self._finish(self._writer)

    def close(self) -> None:
        """Finish the video."""
        with self._lock:
            if self._writer is not None:
                self._finish(self._writer)

    def _finish(self, writer: VideoWriter) -> None:
        self._writer = None
        try:
            writer.close()
        except VideoError as error:
            self.error = self.error or str(error)


def run_workflow(
    settings: Settings,
    options: RunOptions,
    clock: Clock,
    stop: threading.Event,
    on_begin: Callable[[], None] | None = None,
) -> str:
    """Run the one pipeline of the settings until its source ends or `stop` is set; sum it up.

    `stop` is looked at only once `on_begin` has been called: a camera may take long to open.
    A file ends with the first failure of a step that says `on_error: stop`; a camera goes on.

    Raises:
        RunStopped: such a step has ended the run; with the summary.
        DefinitionError, InputError, ModelError, VideoError, OutboxError: it cannot be begun, or the
            source held no picture.
    """
    plans = plan_pipelines(settings, load_blocks(), cards(settings))
    (plan,) = plans.values()
    url = settings.cameras[CAMERA].url
    with ExitStack() as opened:
        first = open_first(url, CAMERA, clock, stop)
        source = first.source
        opened.callback(source.close)
        _refuse_overwriting(options.output, url)
        recorder = Recorder(options.output, plan, source.info.rate)
        opened.callback(recorder.close)
        report = RunReport(plan.name, redact(url), source.info, clock)
        pace = Pace.REALTIME if options.realtime or source.info.live else Pace.FAST
        on_turn = _both(report.seen, recorder.write)
        pictures = options.output is not None
        daemon = Daemon(
            settings,
            plans,
            clock,
            pace=pace,
            on_turn=on_turn,
            pictures=pictures,
            restarts=source.info.live,
        )
        # Now the source belongs to the camera's thread, which may still be in it at the end.
        opened.pop_all()
    if on_begin is not None:
        on_begin()
    try:
        status = _until_the_end(daemon, first, report, clock, stop)
    finally:
        daemon.close()
        recorder.close()
    refusal = undecodable(daemon, url)
    if refusal is not None and daemon.failure is None and not stop.is_set():
        raise refusal
    database = settings.local_database if LOCAL in status["connections"] else None
    results = {"events": database, "video": recorder.path}
    there = {what: path for what, path in results.items() if path is not None and path.exists()}
    if daemon.failure is not None:
        summary = report.summary(status, there, recorder.error, str(daemon.failure))
        raise RunStopped(summary) from daemon.failure
    return report.summary(status, there, recorder.error)


def _until_the_end(
    daemon: Daemon, first: Opened, report: RunReport, clock: Clock, stop: threading.Event
) -> dict[str, Any]:
    """Run, and give the status at the end. Ctrl-C leaves a second to what waits for delivery."""
    report.begin()
    daemon.start({CAMERA: first})
    try:
        while not daemon.ended and not clock.wait(stop, LOOK_S):
            report.progress()
        report.end()
        if not stop.is_set():
            daemon.drain(DELIVER_S, stop)
    finally:
        daemon.stop(STOP_S)
    return daemon.status()


def undecodable(daemon: Daemon, url: str) -> VideoError | None:
    """What is to be said of a source that has come to its end without one picture."""
    buckets = daemon.lanes[0].buckets
    if buckets.captured > buckets.snapshot().get("decode-error", 0):
        return None
    return VideoError(f"{redact(url)}: not one picture in it could be decoded")


def _refuse_overwriting(output: Path | None, url: str) -> None:
    source = file_of(url)
    if output is not None and source is not None and output.exists() and source.samefile(output):
        raise VideoError(
            f"{output}: this is the source itself; give the annotated video another name"
        )


def _both(first: Callable[[Turn], None], second: Callable[[Turn], None]) -> Callable[[Turn], None]:
    def both(turn: Turn) -> None:
        first(turn)
        second(turn)

    return both


def _picture_output(plan: Plan, path: Path) -> str:
    """The first output of the workflow that is a picture."""
    for name, annotation in plan.output_types.items():
        if annotation is Image:
            return name
    raise VideoError(
        f"{path}: the workflow {plan.name} has no picture among its outputs; add one, such as "
        "annotated: $steps.picture.image"
    )
