"""The composition root: settings become cameras, lanes and deliveries that run until the stop."""

import random
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import structlog

from appliance import __version__
from appliance.clock import Clock
from appliance.control import ControlError, ControlServer
from appliance.delivery.delivery import Delivery
from appliance.delivery.outbox import Outbox
from appliance.delivery.store import Totals
from appliance.delivery.transports import make_transport
from appliance.delivery.transports.transport import ConnectionSettings, Site
from appliance.engine.errors import StepError
from appliance.engine.plan import Plan
from appliance.engine.run import Run
from appliance.engine.turn import Turn
from appliance.explain import Watched, answered
from appliance.inference.declared import cards
from appliance.inference.loading import Patience
from appliance.inference.models import Models
from appliance.inference.store import Store
from appliance.observe.buckets import Buckets
from appliance.observe.history import History
from appliance.observe.processor import core_count
from appliance.pipelines.lane import Lane, LaneName
from appliance.pipelines.permits import Permits
from appliance.pipelines.source_time import SourceTime
from appliance.pipelines.terms import Deadline, Terms
from appliance.settings import MotionGateSettings, Settings
from appliance.starting import begin
from appliance.supervisor import Supervisor, Task
from appliance.video.admission import Admission
from appliance.video.camera import Camera
from appliance.video.capture import Pace
from appliance.video.decode_turns import DecodeTurns
from appliance.video.mailbox import Mailbox
from appliance.video.motion import MotionGate, MotionSettings
from appliance.video.source import Opened, SourceOptions
from appliance.video.steering import Steering

log = structlog.get_logger(__name__)

OnTurn = Callable[[Turn], None]

# What produces has a higher rank than what consumes, and is stopped before it.
WRITER, DELIVERIES, LAST_TURNS, LANES, CAMERAS = range(5)
# What a stop leaves to each connection for what still waits.
DRAIN_S = 0.6
STOP_S = 1.8
# And to a camera: nothing but its own timeout wakes libav, which may wait for data for seconds.
CAMERA_S = 0.25
LOOK_S = 0.02
# More than there are cores: lanes that are between two steps leave none of them idle.
SPARE_PERMITS = 2


class Daemon:
    """Everything that runs for one set of settings.

    `pace` says how clips are read; cameras are always live, and are not to be read with Pace.FAST,
    in which no time passes between two frames. `on_turn` is told of every turn, with a frame or
    without, on the lane's own thread. Outputs that are pictures are only made where
    `pictures` are asked for: nobody else looks at them. `models` are those of a program that has
    them already, else they lie in the state directory. With `restarts` a lane that a step has ended
    begins anew; without it stays ended, and `failure` says why.

    Raises:
        DefinitionError, SettingsError: a workflow cannot be started, or what declares a model is
            wrong.
        OutboxError: the state directory cannot be used.
    """

    def __init__(  # noqa: PLR0913 - a root is given all that others share with it
        self,
        settings: Settings,
        plans: Mapping[str, Plan],
        clock: Clock,
        *,
        pace: Pace = Pace.REALTIME,
        on_turn: OnTurn | None = None,
        pictures: bool = False,
        models: Models | None = None,
        restarts: bool = True,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._pace = pace
        self._restarts = restarts
        self._supervisor = Supervisor(clock)
        # For what runs once, and for which no stop waits.
        self._aside = partial(self._supervisor.start, restart=False, rank=CAMERAS, patience_s=0.0)
        self._models = models or _models(settings, plans, clock)
        self._began_s = clock.monotonic()
        self._turns = DecodeTurns(core_count())
        self._cameras = {name: self._camera(name) for name in settings.cameras}
        self._permits = Permits(core_count() + SPARE_PERMITS, clock)
        self._lane_tasks: list[Task] = []
        self._hanging: list[str] = []
        self._history = History()
        self._deadline = Deadline()
        self._lending = self._models.lend(Patience(self._permits.waiting, self._deadline.until))
        self._steering = Steering(self._cameras.values(), clock, core_count(), self._sample)
        # Before the outbox is opened, so that a workflow that cannot start leaves no lock behind.
        begun = begin(settings, plans, self._lending, clock.monotonic, pictures=pictures)
        self._refused = begun.refused
        self._outbox = Outbox(settings.state_dir, clock)
        self._deliveries = {name: self._delivery(name) for name in self._used_connections(plans)}
        self.lanes = [
            self._lane(pipeline, camera, run, on_turn) for pipeline, camera, run in begun.runs
        ]

    def start(self, opened: Mapping[str, Opened] | None = None) -> None:
        """Start every thread. A camera whose source is given is open already: it is ours now."""
        start = self._supervisor.start
        self._lending.begin(self._aside)
        start("outbox", self._outbox.writer, rank=WRITER)
        for name, delivery in self._deliveries.items():
            start(f"delivery:{name}", delivery.deliver, rank=DELIVERIES)
        self._lane_tasks = [
            start(
                f"lane:{lane.name}",
                lane.loop if self._restarts else partial(_once, lane),
                expected=(StepError,),
                rank=LANES,
            )
            for lane in self.lanes
        ]
        start("last-turns", self._last_turns, rank=LAST_TURNS)
        for name, camera in self._cameras.items():
            if opened and name in opened:
                camera.take(opened[name])
            if camera.mailboxes:
                start(f"camera:{name}", camera.loop, rank=CAMERAS, patience_s=CAMERA_S)
        if self._pace is not Pace.FAST:
            start("steering", self._steering.loop, rank=CAMERAS)

    @property
    def ended(self) -> bool:
        """Whether all sources have ended and all their frames are done."""
        return all(task.done.is_set() for task in self._lane_tasks)

    @property
    def failure(self) -> StepError | None:
        """What has ended a lane that does not begin anew."""
        if self._restarts:
            return None
        return next((lane.error for lane in self.lanes if lane.error is not None), None)

    def drain(self, timeout_s: float, stop: threading.Event) -> bool:
        """Wait until every event is committed and delivered, or `stop` is set; say whether all is.

        A connection that is down is not waited for: its events stay in the outbox.
        """
        deadline = self._clock.monotonic() + timeout_s
        while not stop.is_set():
            # What is not committed yet is not among the totals.
            committed = self._outbox.flush(LOOK_S)
            done = committed and not self._deliverable
            if done or self._clock.monotonic() > deadline:
                break
            self._clock.wait(stop, LOOK_S)
        return self._outbox.flush(0.0) and not self.pending

    @property
    def _deliverable(self) -> bool:
        up = [name for name, d in self._deliveries.items() if not d.status().failures_in_a_row]
        totals = self._outbox.totals()
        return any(totals[name].pending for name in up if name in totals)

    @property
    def pending(self) -> int:
        """Events that wait for the outside systems this daemon delivers to."""
        totals = self._outbox.totals()
        return sum(totals[name].pending for name in self._deliveries if name in totals)

    def stop(self, timeout_s: float) -> None:
        """End every thread, cameras first and the outbox last; what can be delivered is."""
        self._lending.stop()
        self._hanging = self._supervisor.stop(timeout_s)
        for lane in self.lanes:
            lane.close()
        if self._hanging:
            log.warning("did not stop in time", threads=self._hanging)
        if self._outbox.uncommitted:
            lost, error = self._outbox.uncommitted, self._outbox.last_error
            log.error("events could not be written and are lost", events=lost, error=error)

    def close(self) -> None:
        """Let the models and the state directory go; what hangs keeps this until the exit."""
        self._lending.close()
        if all(name.startswith("camera:") for name in self._hanging):
            self._outbox.close()

    def status(self) -> dict[str, Any]:
        """Everything worth knowing, as plain data."""
        return {
            "version": __version__,
            "uptime_s": round(self._clock.monotonic() - self._began_s, 1),
            "state_dir": str(self._settings.state_dir.absolute()),
            "cameras": {name: asdict(camera.status()) for name, camera in self._cameras.items()},
            "lanes": [asdict(lane.status()) for lane in self.lanes],
            "outbox": {
                "uncommitted": self._outbox.uncommitted,
                "last_error": self._outbox.last_error,
            },
            "connections": self._connections(),
            "models": self._models.status(),
            "refused": dict(self._refused),
            "short": self._steering.short,
        }

    def explain(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What became of the frames of a camera, as `appliance explain` asks for it."""
        watched = {str(lane.name): self._watched(lane) for lane in self.lanes}
        return answered(request, self._history, self._cameras, watched, self._clock.now())

    def _watched(self, lane: Lane) -> Watched:
        given = self._settings.pipelines[lane.name.pipeline]
        gate = given.motion_gate
        opens_at = gate.area_percent if gate is not None else None
        return Watched(lane.buckets, given.max_latency_s, given.max_rate, opens_at)

    def _sample(self) -> None:
        """Once a second: the figures of the moment, for those who ask later."""
        cameras = {name: asdict(camera.status()) for name, camera in self._cameras.items()}
        lanes = [asdict(lane.status()) for lane in self.lanes]
        self._history.add(self._clock.now(), cameras, lanes, self._steering.short)

    def _last_turns(self, stop: threading.Event) -> None:
        """After the lanes: the last turn of one that was stopped while it waited to begin anew."""
        stop.wait()
        for lane, task in zip(self.lanes, self._lane_tasks, strict=True):
            # One that hangs is still in a turn.
            if task.done.is_set():
                lane.finish()

    def _camera(self, name: str) -> Camera:
        given = self._settings.cameras[name]
        options = SourceOptions(
            transport=given.transport,
            low_latency=given.low_latency,
            hardware=given.hardware,
            silence_s=given.silence_s,
            loop=given.loop,
            watch=given.watch,
            rate=given.rate,
            size=given.width_and_height,
        )
        return Camera(
            name,
            given.url,
            self._clock,
            self._pace,
            options=options,
            chance=random.random,
            start=self._aside,
            turns=self._turns,
            busy=lambda: self._permits.all_held,
        )

    def _lane(self, pipeline: str, camera: str, run: Run, on_turn: OnTurn | None) -> Lane:
        given = self._settings.pipelines[pipeline]
        gate = _gate(given.motion_gate)
        mailbox = Mailbox(Buckets(), Admission(gate, given.max_rate))
        self._cameras[camera].watch(mailbox, given.priority, given.max_latency_s)
        name = LaneName(pipeline, camera, socket.gethostname())
        time = SourceTime(self._clock, passes=self._pace is not Pace.FAST)
        terms = Terms(self._permits, given.max_latency_s, given.priority, self._deadline)
        return Lane(name, run, mailbox, self._outbox, time, terms, on_turn)

    def _used_connections(self, plans: Mapping[str, Plan]) -> Sequence[str]:
        """Those that a workflow names, and those that an earlier run left events for."""
        named = {
            need.name
            for name, plan in plans.items()
            for need in plan.needs(self._settings.pipelines[name].inputs)
            if need.kind == "connection"
        }
        left = {name for name, totals in self._outbox.totals().items() if totals.pending}
        return sorted((named | left) & set(self._settings.connections))

    def _delivery(self, name: str) -> Delivery:
        given = self._settings.connections[name]
        url, options = self._settings.connection_url(name), self._settings.connection_options(name)
        site = Site(__version__, tuple(self._settings.pipelines), self._cameras_online)
        settings = ConnectionSettings(name, given.type, url, options, site)
        transport = make_transport(settings, self._clock)
        return Delivery(transport, name, self._outbox, self._clock, drain_s=DRAIN_S)

    def _cameras_online(self) -> Mapping[str, bool]:
        states = {name: camera.status().state for name, camera in self._cameras.items()}
        return {name: state in ("running", "degraded") for name, state in states.items()}

    def _connections(self) -> dict[str, Any]:
        """Each connection in use, with what became of its events; others while they hold some."""
        totals = self._outbox.totals()
        found: dict[str, Any] = {}
        for name in sorted(self._deliveries.keys() | totals.keys()):
            delivery = self._deliveries.get(name)
            if delivery is None and not totals[name].pending:
                continue
            if delivery is None:
                state = {"connected": False, "last_error": "no pipeline of these settings uses it"}
            else:
                now = delivery.status()
                state = {"connected": now.connected, "last_error": now.last_error}
            state["suppressed"] = self._outbox.suppressed(name)
            found[name] = state | asdict(totals.get(name, Totals()))
        return found


def _models(settings: Settings, plans: Mapping[str, Plan], clock: Clock) -> Models:
    needs = [n for name, plan in plans.items() for n in plan.needs(settings.pipelines[name].inputs)]
    return Models(Store(settings.state_dir), cards(settings, needs), clock=clock, unloads=True)


def _gate(given: MotionGateSettings | None) -> MotionGate | None:
    return MotionGate(MotionSettings(**given.model_dump())) if given is not None else None


def _once(lane: Lane, stop: threading.Event) -> None:
    """The loop of a lane that is over when a step has ended it."""
    try:
        lane.loop(stop)
    except StepError:
        lane.close()


def serve(
    settings: Settings, plans: Mapping[str, Plan], clock: Clock, stop: threading.Event
) -> None:
    """Run the daemon until `stop` is set, and answer commands; ControlError says why it cannot."""
    daemon = Daemon(settings, plans, clock)
    control = Supervisor(clock)
    handlers = {"status": daemon.status, "stop": _set(stop)}
    server = ControlServer(settings.state_dir, handlers, {"explain": daemon.explain})
    try:
        server.listen()
        daemon.start()
        control.start("control", server.loop, expected=(ControlError,))
        log.info("running", pipelines=list(plans), state_dir=str(settings.state_dir))
        stop.wait()
    finally:
        log.info("stopping")
        daemon.stop(STOP_S)
        control.stop(STOP_S)
        server.close()
        daemon.close()
    log.info("stopped")


def _set(stop: threading.Event) -> Callable[[], Mapping[str, Any]]:
    def handler() -> Mapping[str, Any]:
        stop.set()
        return {"stopping": True}

    return handler
