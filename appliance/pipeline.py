"""A workflow on a stream, from Python: the daemon's own lanes, and no settings file."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self

from appliance.clock import SystemClock
from appliance.daemon import STOP_S, Daemon
from appliance.engine.errors import DefinitionError, InputError, Problem, suggestion
from appliance.engine.turn import Turn
from appliance.result import Result
from appliance.runs import CAMERA, DELIVER_S, LOOK_S, undecodable
from appliance.settings import Settings, settings_for_run
from appliance.supervisor import Supervisor, Task
from appliance.video.capture import Pace
from appliance.video.source import Opened
from appliance.video.sources import open_first
from appliance.workflow import Workflow, plain_inputs
from blocks.data import Frame

OnResult = Callable[[Result], None]


class Pipeline:
    """One workflow on one clip or camera, on threads of its own.

    Start it with `start` and wait for its end with `join`, or use it in a `with` statement, which
    starts it, and stops it at the end. It runs once. Its methods may be called by any thread;
    `on_result` is called by the lane's thread, one result after the other.

    Args:
        source: A video file, an rtsp:// or http:// URL, /dev/video0.
        workflow: A Workflow, the file of one (as `Workflow.load` takes it), or the text of one.
        on_result: Called with the result of every frame; `result.frame` is the one it is about.
            While it runs the lane waits. If it raises, the pipeline is stopped, and `join` raises
            the same. Without it no pictures are drawn.
        ticks: Call `on_result` also for turns without a frame, whose `result.frame` is None: what
            falls due between two frames, and the stop.
        inputs: The inputs of the workflow, by their names.
        connections: The outside systems that the workflow names, with their URLs.
        state_dir: Where events wait for their delivery, and are remembered; without it in a folder
            of the pipeline's own, which is gone when it has ended.
        pace: Of a clip: `fast` runs every frame as fast as it can, `realtime` skips what does not
            fit. A camera is always live.

    Raises:
        SettingsError, DefinitionError, InputError: the workflow, a connection or an input is wrong.
    """

    def __init__(  # noqa: PLR0913 - all but two are told by their names, and may be left out
        self,
        source: str | Path,
        workflow: Workflow | str | Path,
        *,
        on_result: OnResult | None = None,
        ticks: bool = False,
        inputs: Mapping[str, Any] | None = None,
        connections: Mapping[str, str] | None = None,
        state_dir: str | Path | None = None,
        pace: Literal["fast", "realtime"] = "fast",
    ) -> None:
        self._workflow = _workflow(workflow, state_dir)
        self._keeps_state = state_dir is not None
        self._settings = settings_for_run(
            self._workflow.file,
            str(source),
            plain_inputs(inputs or {}),
            connections or {},
            Path(state_dir) if state_dir is not None else None,
        )
        self._refuse_what_does_not_fit()
        self._pace = _pace(pace)
        self._on_result = on_result
        self._ticks = ticks
        self._clock = SystemClock()
        self._stopping = threading.Event()
        self._asked = threading.Lock()
        self._claim = threading.Lock()
        self._claimed = False
        self._task: Task | None = None
        self._daemon: Daemon | None = None
        self._last_status: dict[str, Any] | None = None
        self._error: Exception | None = None

    def start(self) -> Self:
        """Open the source, load the models, and begin.

        Raises:
            VideoError: the source cannot be opened.
            DefinitionError: a model is not there, or a block refuses its settings.
            OutboxError: the state directory cannot be used, such as by two at once.
            RuntimeError: it has been started before.
        """
        with self._claim:
            if self._claimed:
                raise RuntimeError("a pipeline is started once: make another one")
            self._claimed = True
        try:
            self._start()
        except BaseException:
            # Nothing has begun: it may be tried again, as with a camera that was off.
            self._claimed = False
            raise
        return self

    def _start(self) -> None:
        with ExitStack() as opened:
            settings = self._settings
            if not self._keeps_state:
                folder = TemporaryDirectory(prefix="appliance-", ignore_cleanup_errors=True)
                settings = replace(settings, state_dir=Path(opened.enter_context(folder)))
            with ExitStack() as reading:
                url = settings.cameras[CAMERA].url
                first = open_first(url, CAMERA, self._clock, self._stopping)
                reading.callback(first.source.close)
                daemon = self._made(settings, live=first.source.info.live)
                # Now the source belongs to the camera's thread.
                reading.pop_all()
            opened.callback(daemon.close)
            self._daemon = daemon
            rest = opened.pop_all()

        def loop(_stop: threading.Event) -> None:
            self._run(daemon, first, rest)

        supervisor = Supervisor(self._clock)
        self._task = supervisor.start(f"pipeline:{self._workflow.name}", loop, restart=False)

    def stop(self) -> None:
        """Ask it to end; `join` waits until it has. May be called by `on_result`, too."""
        self._stopping.set()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended and its events are delivered; say whether it has.

        Not to be called by `on_result`, for which it would wait.

        Raises:
            Exception: what `on_result` raised.
            StepError: of a file: a step failed that says `on_error: stop`.
            VideoError: not one picture of the source could be decoded.
            RuntimeError: it has not been started.
        """
        if self._task is None:
            raise RuntimeError("this pipeline has not been started: call start() first")
        ended = self._task.done.wait(timeout_s)
        if ended and self._error is not None:
            raise self._error
        return ended

    def status(self) -> dict[str, Any]:
        """How it fares, as plain data: `state`, then lanes, cameras and connections as a daemon's.

        `state` is `ready`, `running`, `ended` or `failed`; in the first there is nothing else yet.
        """
        if self._daemon is None:
            return {"state": "ready"}
        with self._asked:
            told = self._last_status or self._daemon.status()
        ended = self._task is not None and self._task.done.is_set()
        return {"state": "running" if not ended else "failed" if self._error else "ended", **told}

    def __enter__(self) -> Self:
        return self if self._task is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        try:
            self.join()
        except Exception:
            # What went wrong in the body comes first.
            if error is None:
                raise

    def _refuse_what_does_not_fit(self) -> None:
        plan = self._workflow.plan
        given = self._settings.pipelines[self._name].inputs
        plan.values(given)
        known = self._settings.connections
        problems = [misfit.problem for misfit in plan.misfits(given)]
        for need in plan.needs(given):
            if need.kind == "connection" and need.name not in known:
                what = f"there is no connection '{need.name}'{suggestion(need.name, known)}; "
                what += f'give it as connections={{"{need.name}": URL}}, such as mqtt://host:1883'
                problems.append(Problem(need.mark, need.where, what))
        if problems:
            raise DefinitionError(plan.told(problems))

    def _made(self, settings: Settings, *, live: bool) -> Daemon:
        return Daemon(
            settings,
            {self._name: self._workflow.plan},
            self._clock,
            pace=Pace.REALTIME if live else self._pace,
            on_turn=self._seen if self._on_result is not None else None,
            pictures=self._on_result is not None,
            models=self._workflow.models,
            restarts=live,
        )

    @property
    def _name(self) -> str:
        (name,) = self._settings.pipelines
        return name

    def _seen(self, turn: Turn) -> None:
        # After a failure a few turns may come until the lane has stopped.
        if self._on_result is None or self._error is not None:
            return
        if not self._ticks and not isinstance(turn.moment, Frame):
            return
        try:
            self._on_result(Result.of(turn))
        except Exception as error:  # noqa: BLE001 - whatever it is, join raises it
            self._error = error
            self.stop()

    def _run(self, daemon: Daemon, first: Opened, rest: ExitStack) -> None:
        with rest:
            try:
                daemon.start({CAMERA: first})
                while not daemon.ended and not self._clock.wait(self._stopping, LOOK_S):
                    pass
                if not self._stopping.is_set():
                    daemon.drain(DELIVER_S, self._stopping)
            finally:
                daemon.stop(STOP_S)
                # From here on nobody asks the daemon, which is about to be closed.
                with self._asked:
                    self._last_status = daemon.status()
            self._error = self._error or daemon.failure
            if self._error is None and not self._stopping.is_set():
                self._error = undecodable(daemon, self._settings.cameras[CAMERA].url)


def _workflow(given: Workflow | str | Path, state_dir: str | Path | None) -> Workflow:
    if isinstance(given, Workflow):
        return given
    if isinstance(given, str) and "\n" in given:
        return Workflow.from_text(given, state_dir=state_dir)
    return Workflow.load(given, state_dir=state_dir)


def _pace(given: str) -> Pace:
    paces = {"fast": Pace.FAST, "realtime": Pace.REALTIME}
    if given not in paces:
        raise InputError(f"pace is 'fast' or 'realtime', not {given!r}")
    return paces[given]
