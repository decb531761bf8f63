"""The slow loop over all cameras: what of each is decoded, and how each fares."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from appliance.clock import Clock
from appliance.observe.bursts import Bursts
from appliance.observe.processor import Processor
from appliance.video.camera import Camera, CameraStatus
from appliance.video.load import CameraLoad, Processors, usable_rate
from appliance.video.mailbox import Mailbox
from appliance.video.pacing import Pacer

EVERY_S = 1.0
# From when on the rate of a new connection is believed; what a camera sends at once is over then.
SETTLED_S = 3.0
# Over so many looks the frames of a lane are counted: some have one in two seconds.
COUNTED_OVER = 5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Counts:
    """What a lane's account said at a look."""

    at_s: float
    taken: int
    missed: int


class Steering:
    """Looks at every camera once a second, sets its level, and tells what has changed.

    `looked` is called after each look, on the same thread.
    """

    def __init__(
        self,
        cameras: Iterable[Camera],
        clock: Clock,
        cores: int,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._cameras = list(cameras)
        self._clock = clock
        self._pacer = Pacer(cores)
        self._processor = Processor()
        self._looked = looked
        self._counts: dict[int, deque[_Counts]] = {}
        # Frames captured each second, of cameras that have been read for long enough.
        self._rates: dict[str, float] = {}
        self._told: dict[str, CameraStatus] = {}
        self._bursts = Bursts(clock)
        self.short = ""

    def loop(self, stop: threading.Event) -> None:
        """Look, until `stop` is set."""
        while not self._clock.wait(stop, EVERY_S):
            self.look()

    def look(self) -> None:
        """One look at all cameras."""
        now = self._clock.monotonic()
        watched = [camera for camera in self._cameras if camera.mailboxes]
        loads = {camera.name: self._load(camera, now) for camera in watched}
        known = [load for load in loads.values() if load is not None]
        use = self._processor.use(now)
        processors = None if use is None else Processors(use.own, use.idle)
        decision = self._pacer.step(known, now, processors)
        for camera in watched:
            pace = decision.paces.get(camera.name)
            if pace is not None and camera.selection is not None:
                camera.selection.want(pace.level)
                if pace.skip_to_key:
                    camera.selection.skip_to_key()
        self._tell_shortage("" if decision.shortage is None else str(decision.shortage))
        for camera in watched:
            self._tell(camera)
        self._looked()

    def _load(self, camera: Camera, now: float) -> CameraLoad | None:
        """What was measured of a camera; None of one that is not being read."""
        gauge, selection = camera.gauge, camera.selection
        if gauge is None or selection is None:
            return None
        figures = gauge.figures(now)
        rate = figures.rate
        if now - gauge.began_s >= SETTLED_S:
            self._rates[camera.name] = rate
        else:
            rate = self._rates.get(camera.name, rate)
        structure = selection.structure
        limits = [m.admission.limit for m in camera.mailboxes]
        return CameraLoad(
            name=camera.name,
            weight=camera.weight,
            captured_rate=rate,
            structure=structure,
            level=selection.level,
            unit_cost_s=selection.unit_cost_s or figures.cost_s,
            lag_s=figures.strain_s,
            wanted_rate=max(self._wanted(mailbox, now) for mailbox in camera.mailboxes),
            max_latency_s=camera.max_latency_s,
            waits=all(limit is not None for limit in limits),
        )

    def _wanted(self, mailbox: Mailbox, now: float) -> float:
        """Frames for each second that a lane can use; infinite if more than it is given."""
        buckets = mailbox.buckets.snapshot()
        missed = sum(buckets.get(name, 0) for name in ("replaced", "stale", "late"))
        taken = sum(buckets.get(name, 0) for name in ("processed", "failed", "outbox"))
        counts = self._counts.setdefault(id(mailbox), deque(maxlen=COUNTED_OVER + 1))
        wanted = math.inf
        if counts and now > counts[0].at_s:
            first, passed_s = counts[0], now - counts[0].at_s
            wanted = usable_rate(
                (taken - first.taken) / passed_s, (missed - first.missed) / passed_s
            )
        counts.append(_Counts(now, taken, missed))
        limit = mailbox.admission.limit
        return wanted if limit is None else min(wanted, limit.rate)

    def _tell_shortage(self, short: str) -> None:
        self.short = short
        # It may come and go with the load: once a minute is often enough.
        if short and self._bursts.add("decoding", short):
            log.warning(short)

    def _tell(self, camera: Camera) -> None:
        """A line in the log where the state of a camera has changed."""
        status = camera.status()
        last = self._told.get(camera.name)
        self._told[camera.name] = status
        # What is offline, its own thread has told.
        if last is None or status.state == last.state or status.state in ("offline", "ended"):
            return
        say = log.warning if status.state == "degraded" else log.info
        say(f"camera {status.state}", camera=camera.name, why=status.why)
