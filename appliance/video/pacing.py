"""How much of each camera is decoded: a slow loop over measured costs, about once a second.

Two reasons make a camera's level cheaper. Demand: its lanes use fewer frames anyway. Shortage: all
cameras together would take more processor time than decoding may have. The budget of decoding is
found as TCP finds its window (additive increase, multiplicative decrease: Chiu and Jain, 1989),
within a share of the cores that other processes leave; docs/decisions/0015 has the reasons.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from appliance.video.budget import BUDGET_SHARE, Budget
from appliance.video.levels import ALL, Level, Structure

# A level must give more than is wanted, or lanes wait for frames: by this to go down to it, and by
# this to stay there.
MARGIN_DOWN, MARGIN_STAY = 1.5, 1.1
# How long demand must be low before a level follows it; doubled each time that proves wrong.
LOW_FOR_S, LOW_FOR_AT_MOST_S = 5.0, 320.0
PROVED_WRONG_WITHIN_S = 60.0
# How long between two changes of one camera that are not urgent.
BETWEEN_CHANGES_S = 5.0
# Costs of a second are noisy; this is the weight of the newest in their average.
COST_WEIGHT = 0.3
OVER_BUDGET, ROOM_NEEDED = 1.05, 0.9
# Idle cores beyond this share are no shortage; and what one thread may take of a core.
IDLE_SHARE, ONE_THREAD = 0.15, 0.85
IDLE_WEIGHT = 0.4
# Cameras whose costs differ by less than this factor are treated alike.
ALIKE = 1.5
# What is measured follows a cut at once where decoding lags, and after a while where lanes starve.
LAGGING_CUT_EVERY_S, STARVED_CUT_EVERY_S = 2.0, 8.0
# A lag above this share of what is allowed, beside the time of decoding itself, shows a shortage.
BEARABLE_LAG_SHARE = 0.2
# A picture may always be so late, and never later.
LATE_S, LATEST_S = 0.15, 1.0
# What other processes take of the cores before it is said of them.
OTHERS_SHARE = 0.1
# What a camera is guaranteed is its key frames; what is measured of that is noisy.
STARVED_SHARE = 0.9
CATCH_UP_EVERY_S = 3.0
# A lane that leaves out fewer than this share of its frames might use more than it is given.
NOTABLE_SHARE = 0.05


def usable_rate(taken_rate: float, replaced_rate: float) -> float:
    """Frames/s that a lane can use, from what it took and what it missed, both frames/s.

    Infinite if it took all it was given: how many more it could use is then not known.
    """
    given = taken_rate + replaced_rate
    return taken_rate if given and replaced_rate >= NOTABLE_SHARE * given else math.inf


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """What was measured of one camera over the last second or few.

    Attributes:
        captured_rate: Units/s that came, whatever became of them.
        level: What is in force now.
        unit_cost_s: CPU time per unit that was decoded; 0 if none was.
        lag_s: p95, over the last second, of the time from a unit's arrival to its picture.
        wanted_rate: Frames/s that its lanes can use; infinite if all they can get.
        max_latency_s: The greatest of its lanes.
        waits: Its lanes wait for a fresh frame rather than take an old one (those with a
            `max_rate`), so that a long time from one frame to the next makes no frame older.
    """

    name: str
    weight: float
    captured_rate: float
    structure: Structure
    level: Level
    unit_cost_s: float
    lag_s: float
    wanted_rate: float = math.inf
    max_latency_s: float = 0.5
    waits: bool = False

    @property
    def full_cost_s(self) -> float:
        """CPU time per captured unit if all were decoded; 0 if it is not known."""
        relative = self.structure.unit_cost(ALL) / self.structure.unit_cost(self.level)
        return self.unit_cost_s * relative

    @property
    def lag_limit_s(self) -> float:
        """The lag that shows that its decoding does not get the time it needs."""
        key_s = self.unit_cost_s * self.structure.key_cost / self.structure.unit_cost(self.level)
        bearable_s = BEARABLE_LAG_SHARE * self.max_latency_s + 2 * max(key_s, self.unit_cost_s)
        return min(bearable_s, 0.8 * self.latest_s)

    @property
    def starved(self) -> bool:
        """Whether its lanes get through fewer frames than there are keys, 1/s at most."""
        if self.waits or self.structure.units_per_key is None:
            return False
        keys = self.structure.rate(self.structure.levels[-1], self.captured_rate)
        return self.wanted_rate < STARVED_SHARE * min(keys, 1.0)

    @property
    def late(self) -> bool:
        """Whether it is so late that what waits is better left out."""
        return self.lag_s > self.latest_s

    @property
    def latest_s(self) -> float:
        """How late its pictures may be: what is left is for its lanes."""
        return min(LATEST_S, max(LATE_S, self.max_latency_s / 2))


@dataclass(frozen=True, slots=True)
class Processors:
    """What became of the cores in the last second: used by this process, and idle; in cores."""

    own: float
    idle: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What a camera shall do; `skip_to_key`: leave out at once what waits to be decoded."""

    level: Level
    skip_to_key: bool = False


@dataclass(frozen=True, slots=True)
class Shortage:
    """Decoding is short: what is wanted takes more than there is, both in cores.

    `left_cores` is what other processes leave; `cut` names the cameras that are decoded in part,
    `late` those whose pictures come late.
    """

    needed_cores: float
    budget_cores: float
    left_cores: float
    cores: float
    cut: Sequence[str]
    late: Sequence[str]

    def __str__(self) -> str:
        """What is short, and by how much, in one sentence."""
        needed = f"decoding is short: it takes {self.needed_cores:.2f} cores and"
        others = self.cores - self.left_cores
        # Alone it would have had enough.
        if others > OTHERS_SHARE * self.cores and self.needed_cores <= BUDGET_SHARE * self.cores:
            return (
                f"{needed} other processes take {others:.2f} of {self.cores:g}; {self._how}. "
                "Fewer of them beside it, or a sub-stream, would help."
            )
        return (
            f"{needed} may have {self.budget_cores:.2f} of {self.cores:g}; {self._how}. "
            "A sub-stream, a lower rate or H.264 takes less."
        )

    @property
    def _how(self) -> str:
        names, how = (self.cut, "in part only") if self.cut else (self.late, "late")
        few = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        who = "1 camera is" if len(names) == 1 else f"{len(names)} cameras are"
        return f"{who} decoded {how}: {few}"


@dataclass(frozen=True, slots=True)
class Decision:
    """The pace of each camera, and what is short, if anything is."""

    paces: Mapping[str, Pace]
    shortage: Shortage | None


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera between two steps."""

    load: CameraLoad
    cost_s: float = 0.0
    demanded: Level = ALL
    level: Level = ALL
    low_since_s: float | None = None
    low_for_s: float = LOW_FOR_S
    lowered_s: float = -math.inf
    changed_s: float = -math.inf
    caught_up_s: float = -math.inf

    def cores(self, level: Level) -> float:
        """CPU seconds per second that a level takes."""
        return self.load.captured_rate * self.cost_s * self.load.structure.share_of_cost(level)

    def next_cheaper(self) -> Level | None:
        levels = self.load.structure.levels
        at = levels.index(self.level) + 1
        return levels[at] if at < len(levels) else None

    def next_better(self) -> Level | None:
        """The level above the one in force, not above what is demanded."""
        levels = self.load.structure.levels
        at = levels.index(self.level)
        return levels[at - 1] if at > levels.index(self.demanded) else None

    def equals(self, other: "_Camera") -> bool:
        """Whether it has the same claim, costs about as much, and is at the same level."""
        mine, its = self.load, other.load
        return (
            mine.weight == its.weight
            and (self.level, self.demanded) == (other.level, other.demanded)
            and self.next_cheaper() == other.next_cheaper()
            and self.cores(ALL) <= ALIKE * other.cores(ALL)
            and other.cores(ALL) <= ALIKE * self.cores(ALL)
        )

    def set(self, level: Level, now_s: float) -> None:
        if level != self.level:
            self.level, self.changed_s = level, now_s


@dataclass(slots=True)
class Pacer:
    """Decides the levels of all cameras; asked about once a second."""

    cores: float
    _cameras: dict[str, _Camera] = field(default_factory=dict)
    _over_for: int = 0
    _room_for: int = 0
    _idle_cores: float = field(init=False)
    _budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self._idle_cores = self.cores
        self._budget = Budget(self.cores)

    def step(
        self, loads: Sequence[CameraLoad], now_s: float, processors: Processors | None = None
    ) -> Decision:
        """The levels for the next second; `processors` is None where that cannot be measured."""
        self._cameras = {load.name: self._remember(load) for load in loads}
        cameras = list(self._cameras.values())
        self._learn(cameras, now_s, processors or Processors(self.cores, 0.0))
        for camera in cameras:
            self._follow_demand(camera, now_s)
            self._keep_to_one_core(camera, now_s)
        self._keep_budget(cameras, now_s)
        paces = {c.load.name: Pace(c.level, self._catches_up(c, now_s)) for c in cameras}
        return Decision(paces, self._shortage(cameras))

    def _learn(self, cameras: Sequence[_Camera], now_s: float, processors: Processors) -> None:
        """What is seen this second of how much time decoding may have."""
        self._budget.see_left(min(processors.own + processors.idle, self.cores))
        strain = max((c.load.lag_s / c.load.lag_limit_s for c in cameras), default=0.0)
        steady = all(now_s - camera.changed_s > BETWEEN_CHANGES_S for camera in cameras)
        full = sum(camera.cores(ALL) for camera in cameras)
        self._budget.see_relief(strain if steady else None, full)
        cut_every_s: float | None = None
        # While processors idle, a lag has other causes than the lack of them: key frames that come
        # all at once, as after the start. Their burst is over soon, and so is an average.
        self._idle_cores += (processors.idle - self._idle_cores) * IDLE_WEIGHT
        if max(processors.idle, self._idle_cores) < IDLE_SHARE * self.cores:
            if strain > 1:
                cut_every_s = LAGGING_CUT_EVERY_S
            elif any(camera.load.starved for camera in cameras):
                cut_every_s = STARVED_CUT_EVERY_S
        used = sum(camera.cores(camera.level) for camera in cameras)
        self._budget.see_strain(used, now_s, cut_every_s)

    def _remember(self, load: CameraLoad) -> _Camera:
        camera = self._cameras.get(load.name) or _Camera(load)
        camera.load = load
        cost_s = load.full_cost_s
        if cost_s:
            weight = COST_WEIGHT if camera.cost_s else 1.0
            camera.cost_s += (cost_s - camera.cost_s) * weight
        levels = load.structure.levels
        camera.level = _nearest(camera.level, levels)
        camera.demanded = _nearest(camera.demanded, levels)
        return camera

    def _follow_demand(self, camera: _Camera, now_s: float) -> None:
        enough = _cheapest(camera.load, MARGIN_STAY)
        levels = camera.load.structure.levels
        at = levels.index(camera.demanded)
        if levels.index(enough) < at:
            if now_s - camera.lowered_s <= PROVED_WRONG_WITHIN_S:
                camera.low_for_s = min(2 * camera.low_for_s, LOW_FOR_AT_MOST_S)
            if camera.level == camera.demanded:
                camera.set(enough, now_s)
            camera.demanded, camera.low_since_s = enough, None
            return
        lower = _cheapest(camera.load, MARGIN_DOWN)
        if levels.index(lower) <= at:
            camera.low_since_s = None
            return
        if camera.low_since_s is None:
            camera.low_since_s = now_s
        waited = now_s - camera.low_since_s >= camera.low_for_s
        if waited and now_s - camera.changed_s >= BETWEEN_CHANGES_S:
            camera.demanded, camera.lowered_s, camera.low_since_s = lower, now_s, None
            if levels.index(camera.level) < levels.index(lower):
                camera.set(lower, now_s)

    def _keep_to_one_core(self, camera: _Camera, now_s: float) -> None:
        """A camera is decoded by one thread, however many cores there are."""
        while camera.cores(camera.level) > ONE_THREAD:
            level = camera.next_cheaper()
            if level is None:
                return
            camera.set(level, now_s)

    def _keep_budget(self, cameras: Sequence[_Camera], now_s: float) -> None:
        used = sum(camera.cores(camera.level) for camera in cameras)
        budget = self._budget.now
        self._over_for = self._over_for + 1 if used > OVER_BUDGET * budget else 0
        if self._over_for > 1 or used > 1.3 * budget or used > self.cores:
            self._shed(cameras, used - budget, now_s)
        elif not self._over_for:
            self._give_back(cameras, ROOM_NEEDED * budget - used, now_s)

    def _shed(self, cameras: Sequence[_Camera], excess: float, now_s: float) -> None:
        """One level at a time of a camera and its equals, those which take most for their weight.

        Equals go together: lanes share the processor by the frames that are there for them, and
        one of two cameras that is decoded in part would be served half as often.
        """
        while excess > 0:
            able = [camera for camera in cameras if camera.next_cheaper() and camera.cost_s]
            if not able:
                return
            most = max(able, key=lambda c: (c.cores(c.level) / c.load.weight, c.load.name))
            for camera in [other for other in able if other.equals(most)]:
                level = camera.next_cheaper()
                assert level is not None  # noqa: S101  # chosen by it
                excess -= camera.cores(camera.level) - camera.cores(level)
                camera.set(level, now_s)

    def _give_back(self, cameras: Sequence[_Camera], room: float, now_s: float) -> None:
        """One level at a time of a camera and its equals, those which have least for theirs."""
        waiting = list(cameras)
        # Who may change now may do so by more than one level.
        early = {c.load.name for c in cameras if now_s - c.changed_s < BETWEEN_CHANGES_S}
        while waiting:
            least = min(waiting, key=lambda c: (c.cores(c.level) / c.load.weight, c.load.name))
            equals = [other for other in waiting if other.equals(least)]
            more = [_growth(camera) for camera in equals]
            if sum(more) > room or any(camera.load.name in early for camera in equals):
                waiting = [other for other in waiting if other not in equals]
                continue
            room -= sum(more)
            for camera in equals:
                level = camera.next_better()
                assert level is not None  # noqa: S101  # without one its growth is infinite
                camera.set(level, now_s)

    def _catches_up(self, camera: _Camera, now_s: float) -> bool:
        load = camera.load
        if not load.late or now_s - camera.caught_up_s < CATCH_UP_EVERY_S:
            return False
        camera.caught_up_s = now_s
        return True

    def _shortage(self, cameras: Sequence[_Camera]) -> Shortage | None:
        cut = [c.load.name for c in cameras if c.level != c.demanded]
        late = [c.load.name for c in cameras if c.load.late]
        if not cut and not late:
            return None
        needed = sum(camera.cores(camera.demanded) for camera in cameras)
        budget = self._budget
        return Shortage(needed, budget.now, budget.left_cores, self.cores, cut, late)


def _growth(camera: _Camera) -> float:
    """The cores it takes to raise a camera by a level; infinite if it cannot be."""
    level = camera.next_better()
    if level is None:
        return math.inf
    more = camera.cores(level)
    return math.inf if more > ROOM_NEEDED * ONE_THREAD else more - camera.cores(camera.level)


def _nearest(level: Level, levels: Sequence[Level]) -> Level:
    """The level itself, or of a stream that has changed the first of its kind, or all."""
    if level in levels:
        return level
    return next((other for other in levels if other.kind == level.kind), ALL)


def _cheapest(load: CameraLoad, margin: float) -> Level:
    """The cheapest level that gives what is wanted, in even steps."""
    best = ALL
    for level in load.structure.levels:
        rate = load.structure.rate(level, load.captured_rate)
        fresh = load.waits or rate * load.max_latency_s >= 2  # a frame is half of it old at most
        if level.even and fresh and rate >= margin * load.wanted_rate:
            best = level
    return best
