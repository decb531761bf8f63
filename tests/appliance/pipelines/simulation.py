"""A machine in virtual time: cameras, decoding threads, lanes with permits, and the pacing loop.

The levels, the skipper, the pacer and the shares are the real ones; only time, the processors and
the pictures are not. The processors are shared evenly by all threads that can run, as an operating
system shares them in the mean.
"""

import heapq
import math
import random
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from appliance.pipelines.permits import FairShares
from appliance.video.access_units import UnitMarks
from appliance.video.decode_turns import PATIENCE_S
from appliance.video.levels import ALL, Level, Skipper, StructureMeter
from appliance.video.load import CameraLoad, Processors, usable_rate
from appliance.video.pacing import Decision, Pacer
from appliance.video.selection import LATE_S

KEY, PLAIN = UnitMarks(key=True, closed=True), UnitMarks()
SPARE, INTRA = UnitMarks(disposable=True), UnitMarks(key=True, closed=True, disposable=True)

Curve = Callable[[float], float]


def always(value: float) -> Curve:
    return lambda _: value


NONE, FULL = always(0.0), always(1.0)


def during(start_s: float, end_s: float, value: float, otherwise: float) -> Curve:
    return lambda now: value if start_s <= now < end_s else otherwise


@dataclass
class CameraPlan:
    """A camera, the cost of decoding it, and the lane that takes its frames.

    Costs are CPU seconds: of a plain unit, of a key as a multiple of it; `service_s` is that of a
    turn, `remote_s` what the turn waits for something outside;
    `again_s` is how long a connection lasts. `spare` of 2 makes every second unit
    disposable. `gop` of 1 is a stream without references, of 0 one without keys.
    """

    name: str
    rate: Curve = field(default_factory=lambda: always(25.0))
    jitter_s: float = 0.004
    gop: int = 50
    spare: int = 0
    unit_s: float = 0.002
    key_cost: float = 4.0
    service_s: Curve = field(default_factory=lambda: always(0.045))
    remote_s: float = 0.0
    again_s: float = math.inf
    # Where in its group it begins, as a share of it; by chance where that is not said.
    phase: float | None = None
    weight: float = 1.0
    max_latency_s: float = 0.5


@dataclass(slots=True)
class _Unit:
    marks: UnitMarks
    arrived_s: float
    work_s: float


class SimulatedCamera:
    """The state of one camera and its lane, and what is measured of them."""

    def __init__(self, plan: CameraPlan) -> None:
        self.plan = plan
        self.skipper, self.meter = Skipper(), StructureMeter()
        self.wanted = ALL
        self.queue: deque[_Unit] = deque()
        self.decoding = False
        self.slot: float | None = None
        # "idle", "ready", "running" or "away"; what is left of a turn that comes back.
        self.lane = "idle"
        self.frame_s = 0.0
        self.rest_s = 0.0
        self.granted_s = 0.0
        # When the turn began, and how long a turn takes, over the last ones.
        self.began_s = self.turn_s = 0.0
        self.sent = 0
        # Of this second: units captured, lags, frames taken and missed.
        self.captured = self.taken = self.replaced = 0
        self.lags: list[float] = []
        self.rates = (0.0, 0.0, 0.0)
        # Of the whole run.
        self.committed_at, self.ages = array("d"), array("d")
        self.buckets = {"replaced": 0, "stale": 0, "skipped": 0}
        self.total = 0
        self.longest_queue = 0

    def next_unit(self, now: float, noise: float) -> _Unit:
        gop, spare = self.plan.gop, self.plan.spare
        at = self.sent % gop if gop else self.sent
        self.sent += 1
        work_s = self.plan.unit_s * noise
        if gop == 1:
            return _Unit(INTRA, now, work_s)
        if at == 0:
            return _Unit(KEY, now, work_s * self.plan.key_cost)
        return _Unit(SPARE if spare and at % spare else PLAIN, now, work_s)

    def load(self) -> CameraLoad:
        """What the pacer is told of the last second; averages over three."""
        newest = (self.captured, self.taken, self.replaced)
        weight = 0.4 if self.rates[0] else 1.0
        captured, taken, replaced = (
            old + (new - old) * weight for old, new in zip(self.rates, newest, strict=True)
        )
        self.rates = (captured, taken, replaced)
        lags = sorted(self.lags)
        load = CameraLoad(
            self.plan.name,
            self.plan.weight,
            captured,
            self.meter.structure,
            self.skipper.level,
            self.meter.plain_cost_s * self.meter.structure.unit_cost(self.skipper.level),
            lags[int(0.95 * (len(lags) - 1))] if lags else 0.0,
            usable_rate(taken, replaced),
            self.plan.max_latency_s,
        )
        self.captured = self.taken = self.replaced = 0
        self.lags.clear()
        return load


class Simulation:
    """Runs a site.

    `others` is how many threads of other processes want to run all the time,
    `speed` that of the processors; `sees_others` whether the pacer is told what they take.
    """

    def __init__(
        self,
        plans: Sequence[CameraPlan],
        *,
        cores: int = 2,
        others: Curve = NONE,
        speed: Curve = FULL,
        sees_others: bool = True,
        seed: int = 1,
    ) -> None:
        self.cores, self.others, self.speed, self.sees_others = cores, others, speed, sees_others
        self.now = 0.0
        self.cameras = {plan.name: SimulatedCamera(plan) for plan in plans}
        self.pacer = Pacer(float(cores))
        self.decisions: list[tuple[float, Decision]] = []
        self.changes: list[tuple[float, str, Level]] = []
        self.busy_s = 0.0
        self._chance = random.Random(seed)
        self._noise = [self._chance.lognormvariate(0.0, 0.2) for _ in range(4096)]
        self._shares = FairShares()
        self._free = cores
        # Turns to decode that are free, and who waits for one.
        self._turns = cores
        self._waiting: deque[tuple[SimulatedCamera, _Unit]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        # What each thread has got since the beginning; a job ends when this reaches its mark.
        self._served_s = 0.0
        self._others, self._speed = others(0.0), speed(0.0)
        self._taken_by_others_s = self._own_s = 0.0
        for plan in plans:
            self._shares.join(plan.name, plan.weight)
            camera = self.cameras[plan.name]
            camera.sent = self._chance.randrange(plan.gop or 1000) + (not plan.gop)
            if plan.phase is not None:
                camera.sent = round(plan.phase * plan.gop)
            self._at(self._chance.random() / plan.rate(0.0), self._arrival(camera, 0.0))
            if plan.again_s < math.inf:
                self._at(plan.again_s * self._chance.random(), partial(self._reopen, camera))
        self._at(1.0, self._second)

    def run(self, until_s: float) -> "Simulation":
        while self.now < until_s:
            running = len(self._jobs) + self._others
            share = min(1.0, self.cores / running) if running else 1.0
            step_s = self._timers[0][0] - self.now
            done = False
            if self._jobs:
                left_s = (self._jobs[0][0] - self._served_s) / (share * self._speed)
                if left_s < step_s:
                    step_s, done = left_s, True
            step_s = max(step_s, 0.0)
            self.now += step_s
            self._served_s += step_s * share * self._speed
            self.busy_s += step_s * min(running, self.cores)
            self._taken_by_others_s += step_s * share * self._others
            self._own_s += step_s * share * len(self._jobs)
            heapq.heappop(self._jobs if done else self._timers)[2]()
        return self

    def _at(self, time_s: float, call: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._timers, (time_s, self._number, call))

    def _compute(self, work_s: float, call: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._jobs, (self._served_s + work_s, self._number, call))

    def _random(self) -> float:
        return self._noise[self._number & 4095]

    def _arrival(self, camera: SimulatedCamera, due_s: float) -> Callable[[], None]:
        def arrive() -> None:
            unit = camera.next_unit(self.now, self._random())
            camera.captured += 1
            camera.total += 1
            camera.meter.add(unit.marks, self.now)
            camera.queue.append(unit)
            camera.longest_queue = max(camera.longest_queue, len(camera.queue))
            next_s = max(due_s, self.now - 1.0) + 1 / camera.plan.rate(self.now)
            jitter_s = self._chance.random() * camera.plan.jitter_s
            self._at(max(self.now, next_s + jitter_s), self._arrival(camera, next_s))
            if not camera.decoding:
                self._decode(camera)

        return arrive

    def _reopen(self, camera: SimulatedCamera) -> None:
        """A new connection, which begins with a key: what was decoded of the last one is over."""
        camera.meter, camera.skipper = StructureMeter(camera.meter), Skipper()
        camera.skipper.want(camera.wanted)
        camera.sent = 0
        self._at(self.now + camera.plan.again_s, partial(self._reopen, camera))

    def _decode(self, camera: SimulatedCamera) -> None:
        camera.decoding = False
        while camera.queue and not camera.decoding:
            unit = camera.queue.popleft()
            if self.now - unit.arrived_s > LATE_S:
                camera.skipper.skip_to_key(self.now)
            camera.decoding = camera.skipper.admits(unit.marks, unit.arrived_s)
            if camera.decoding:
                self._wait_for_turn(camera, unit)
            else:
                camera.buckets["skipped"] += 1

    def _wait_for_turn(self, camera: SimulatedCamera, unit: _Unit) -> None:
        """A turn if one is free, otherwise the next, or none after a while."""
        if self._turns:
            self._turns -= 1
            self._compute(unit.work_s, partial(self._decoded, camera, unit, turn=True))
            return
        waits = (camera, unit)
        self._waiting.append(waits)

        def lose_patience() -> None:
            if waits in self._waiting:
                self._waiting.remove(waits)
                self._compute(unit.work_s, partial(self._decoded, camera, unit, turn=False))

        self._at(self.now + PATIENCE_S, lose_patience)

    def _give_turn_back(self) -> None:
        self._turns += 1
        if self._waiting:
            # Nobody says which of them comes first.
            place = self._chance.randrange(len(self._waiting))
            self._waiting.rotate(-place)
            self._wait_for_turn(*self._waiting.popleft())

    def _decoded(self, camera: SimulatedCamera, unit: _Unit, *, turn: bool) -> None:
        if turn:
            self._give_turn_back()
        cpu_s = unit.work_s / self._speed
        camera.meter.took(unit.marks, cpu_s)
        camera.lags.append(self.now - unit.arrived_s)
        if camera.slot is not None:
            camera.replaced += 1
            camera.buckets["replaced"] += 1
        camera.slot = unit.arrived_s
        if camera.lane == "idle":
            self._ready(camera)
        self._decode(camera)

    def _ready(self, camera: SimulatedCamera) -> None:
        camera.lane = "ready"
        self._shares.ready(camera.plan.name)
        self._grant()

    def _grant(self) -> None:
        while self._free:
            name = self._shares.pick()
            if name is None:
                return
            self._free -= 1
            camera = self.cameras[name]
            camera.lane, camera.granted_s = "running", self.now
            if camera.rest_s:
                self._compute(camera.rest_s, partial(self._commit, camera))
            else:
                self._take(camera)

    def _take(self, camera: SimulatedCamera) -> None:
        assert camera.slot is not None
        camera.frame_s, camera.slot = camera.slot, None
        camera.taken += 1
        camera.began_s = self.now
        # A frame whose result would be too old is not worth computing.
        latest_s = max(camera.plan.max_latency_s - 1.2 * camera.turn_s, 0.0)
        if self.now - camera.frame_s > max(latest_s, 0.2 * camera.plan.max_latency_s):
            camera.buckets["stale"] += 1
            self._release(camera)
            self._next(camera)
            return
        work_s = camera.plan.service_s(self.now) * self._random()
        if camera.plan.remote_s:
            self._compute(work_s / 2, lambda: self._go_away(camera, work_s / 2))
        else:
            self._compute(work_s, lambda: self._commit(camera))

    def _go_away(self, camera: SimulatedCamera, rest_s: float) -> None:
        camera.lane, camera.rest_s = "away", rest_s
        self._at(self.now + camera.plan.remote_s, lambda: self._ready(camera))
        self._release(camera)

    def _commit(self, camera: SimulatedCamera) -> None:
        camera.rest_s = 0.0
        camera.turn_s += (self.now - camera.began_s - camera.turn_s) * 0.1
        camera.committed_at.append(self.now)
        camera.ages.append(self.now - camera.frame_s)
        self._release(camera)
        self._next(camera)

    def _release(self, camera: SimulatedCamera) -> None:
        self._free += 1
        self._shares.charge(camera.plan.name, self.now - camera.granted_s)
        if camera.lane == "away":
            self._grant()

    def _next(self, camera: SimulatedCamera) -> None:
        camera.lane = "idle"
        if camera.slot is not None:
            self._ready(camera)
        else:
            self._grant()

    def _second(self) -> None:
        own, idle = self._own_s, self.cores - self._own_s - self._taken_by_others_s
        processors = Processors(own, idle) if self.sees_others else None
        self._own_s = self._taken_by_others_s = 0.0
        self._others, self._speed = self.others(self.now), self.speed(self.now)
        loads = [camera.load() for camera in self.cameras.values()]
        decision = self.pacer.step(loads, self.now, processors)
        self.decisions.append((self.now, decision))
        for load in loads:
            pace = decision.paces[load.name]
            camera = self.cameras[load.name]
            last = next((c for c in reversed(self.changes) if c[1] == load.name), None)
            if pace.level != (last[2] if last else load.level):
                self.changes.append((self.now, load.name, pace.level))
            camera.wanted = pace.level
            camera.skipper.want(pace.level)
            if pace.skip_to_key:
                camera.skipper.skip_to_key(self.now)
        self._at(self.now + 1.0, self._second)

    def rates(self, start_s: float, end_s: float) -> dict[str, float]:
        """Results/s of each camera."""
        return {
            name: sum(start_s <= at < end_s for at in camera.committed_at) / (end_s - start_s)
            for name, camera in self.cameras.items()
        }

    def age(self, share: float, start_s: float, end_s: float) -> float:
        """A quantile of the age at commit over all cameras, in seconds."""
        ages = sorted(
            age
            for camera in self.cameras.values()
            for at, age in zip(camera.committed_at, camera.ages, strict=True)
            if start_s <= at < end_s
        )
        return ages[int(share * (len(ages) - 1))] if ages else math.inf

    def short(self, start_s: float, end_s: float) -> float:
        """For what share of the seconds the pacer said that decoding is short."""
        seconds = [d.shortage is not None for at, d in self.decisions if start_s <= at < end_s]
        return sum(seconds) / len(seconds)

    def changes_between(self, start_s: float, end_s: float) -> list[tuple[float, str, Level]]:
        return [change for change in self.changes if start_s <= change[0] < end_s]


def jain(values: Sequence[float]) -> float:
    """Jain's index of fairness: 1 if all are equal, 1/n if one has all."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))
