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
from appliance.video.equals import Claim, Equals, sort_out
from appliance.video.levels import ALL, Level
from appliance.video.load import CameraLoad, Processors

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
# A quarter of the cameras may lag by chance.
MAY_LAG = 0.25
# What is measured follows a cut at once where decoding lags, and after a while where lanes starve.
LAGGING_CUT_EVERY_S, STARVED_CUT_EVERY_S = 2.0, 8.0
# Lags are measured over two seconds: so long after a cut is in force they are of before.
MEASURED_OVER_S = 3.0
# What other processes take of the cores before it is said of them.
OTHERS_SHARE = 0.1
CATCH_UP_EVERY_S = 3.0


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
        if self.needed_cores <= self.budget_cores:
            # It has enough by itself, and yet pictures came late, now or until a while ago.
            return (
                f"decoding is short of time beside what else is computed: it takes "
                f"{self.needed_cores:.2f} cores of {self.cores:g}; {self._how}. "
                "A sub-stream, a lower rate or H.264 takes less."
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
    # The mean of its equals, itself among them, is what it is taken to be.
    equals: Equals
    cost_s: float = 0.0
    demanded: Level = ALL
    level: Level = ALL
    low_since_s: float | None = None
    low_for_s: float = LOW_FOR_S
    lowered_s: float = -math.inf
    changed_s: float = -math.inf
    caught_up_s: float = -math.inf

    @property
    def levels(self) -> tuple[Level, ...]:
        return self.equals.structure.levels

    @property
    def claim(self) -> Claim:
        load = self.load
        return Claim(load.name, load.weight, load.structure, load.captured_rate * self.cost_s)

    @property
    def settling(self) -> bool:
        """Whether a cheaper level was asked for that is not in force yet."""
        return self.load.structure.share_of_cost(self.level) < 0.99 * (
            self.load.structure.share_of_cost(self.load.level)
        )

    def at(self, level: Level) -> int:
        """Where a level is among those there are, from the most expensive one."""
        return self.levels.index(_nearest(level, self.levels))

    def capped(self, cap: Level) -> Level:
        """What is demanded, as far as a cap allows it."""
        return self.levels[max(self.at(cap), self.at(self.demanded))]

    def cores(self, level: Level) -> float:
        """CPU seconds per second that a level takes."""
        return self.equals.cores * self.equals.structure.share_of_cost(level)

    def set(self, level: Level, now_s: float) -> None:
        if level != self.level:
            self.level, self.changed_s = level, now_s


_Group = tuple[Equals, list[_Camera]]


@dataclass(slots=True)
class Pacer:
    """Decides the levels of all cameras; asked about once a second."""

    cores: float
    # Also those that are not being read now.
    _cameras: dict[str, _Camera] = field(default_factory=dict)
    _groups: list[Equals] = field(default_factory=list)
    _over_for: int = 0
    # When levels were last asked for that were not in force yet.
    _settled_s: float = -math.inf
    _idle_cores: float = field(init=False)
    _budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self._idle_cores = self.cores
        self._budget = Budget(self.cores)

    def step(
        self, loads: Sequence[CameraLoad], now_s: float, processors: Processors | None = None
    ) -> Decision:
        """The levels for the next second; `processors` is None where that cannot be measured."""
        cameras = [self._remember(load) for load in loads]
        self._sort_out(cameras)
        self._learn(cameras, now_s, processors or Processors(self.cores, 0.0))
        for camera in cameras:
            self._follow_demand(camera, now_s)
        members = self._members(cameras)
        for group in members:
            _keep_to_one_core(*group)
        self._keep_budget(members, now_s)
        for camera in cameras:
            camera.set(camera.capped(camera.equals.cap), now_s)
        paces = {c.load.name: Pace(c.level, self._catches_up(c, now_s)) for c in cameras}
        return Decision(paces, self._shortage(cameras))

    def _learn(self, cameras: Sequence[_Camera], now_s: float, processors: Processors) -> None:
        """What is seen this second of how much time decoding may have."""
        self._budget.see_left(min(processors.own + processors.idle, self.cores))
        lags = sorted(c.load.lag_s / c.load.lag_limit_s for c in cameras)
        strain = lags[-1 - int(MAY_LAG * len(lags))] if lags else 0.0
        steady = all(now_s - camera.changed_s > BETWEEN_CHANGES_S for camera in cameras)
        full = sum(camera.cores(ALL) for camera in cameras)
        self._budget.see_relief(strain if steady else None, full)
        if any(camera.settling or now_s - camera.changed_s <= 1.0 for camera in cameras):
            self._settled_s = now_s
        cut_every_s: float | None = None
        # While processors idle, a lag has other causes than the lack of them: key frames that come
        # all at once, as after the start. Their burst is over soon, and so is an average.
        self._idle_cores += (processors.idle - self._idle_cores) * IDLE_WEIGHT
        if max(processors.idle, self._idle_cores) < IDLE_SHARE * self.cores:
            if strain > 1:
                cut_every_s = LAGGING_CUT_EVERY_S
                if now_s - self._settled_s <= MEASURED_OVER_S:
                    # What is measured is still of before the last cut.
                    cut_every_s = STARVED_CUT_EVERY_S
            elif _any_starves([camera.load for camera in cameras]):
                cut_every_s = STARVED_CUT_EVERY_S
        used = sum(camera.cores(camera.level) for camera in cameras)
        self._budget.see_strain(used, now_s, cut_every_s)

    def _remember(self, load: CameraLoad) -> _Camera:
        camera = self._cameras.get(load.name)
        if camera is None:
            camera = self._cameras[load.name] = _Camera(load, Equals((0.0, False, False)))
        camera.load = load
        cost_s = load.full_cost_s
        if cost_s:
            weight = COST_WEIGHT if camera.cost_s else 1.0
            camera.cost_s += (cost_s - camera.cost_s) * weight
        return camera

    def _sort_out(self, cameras: Sequence[_Camera]) -> None:
        """Put each camera to its equals, and its levels to those that there are now."""
        self._groups = sort_out(self._groups, [camera.claim for camera in cameras])
        group_of = {name: group for group in self._groups for name in group.members}
        for camera in cameras:
            camera.equals = group_of[camera.load.name]
            camera.level = _nearest(camera.level, camera.levels)
            camera.demanded = _nearest(camera.demanded, camera.levels)

    def _members(self, cameras: Sequence[_Camera]) -> list[tuple[Equals, list[_Camera]]]:
        """Each group, with those of it that are there."""
        found: dict[int, tuple[Equals, list[_Camera]]] = {}
        for camera in cameras:
            found.setdefault(id(camera.equals), (camera.equals, []))[1].append(camera)
        return list(found.values())

    def _follow_demand(self, camera: _Camera, now_s: float) -> None:
        load, levels = camera.load, camera.levels
        enough = _cheapest(load, levels, MARGIN_STAY)
        at = levels.index(camera.demanded)
        if levels.index(enough) < at:
            if now_s - camera.lowered_s <= PROVED_WRONG_WITHIN_S:
                camera.low_for_s = min(2 * camera.low_for_s, LOW_FOR_AT_MOST_S)
            camera.demanded, camera.low_since_s = enough, None
            return
        lower = _cheapest(load, levels, MARGIN_DOWN)
        if levels.index(lower) <= at:
            camera.low_since_s = None
            return
        if camera.low_since_s is None:
            camera.low_since_s = now_s
        waited = now_s - camera.low_since_s >= camera.low_for_s
        if waited and now_s - camera.changed_s >= BETWEEN_CHANGES_S:
            camera.demanded, camera.lowered_s, camera.low_since_s = lower, now_s, None

    def _keep_budget(self, groups: Sequence[_Group], now_s: float) -> None:
        used = sum(_used(members, equals.cap) for equals, members in groups)
        budget = self._budget.now
        self._over_for = self._over_for + 1 if used > OVER_BUDGET * budget else 0
        if self._over_for > 1 or used > 1.3 * budget or used > self.cores:
            self._shed(groups, used - budget, now_s)
        elif not self._over_for:
            self._give_back(groups, ROOM_NEEDED * budget - used, now_s)

    def _shed(self, groups: Sequence[_Group], excess: float, now_s: float) -> None:
        """One level at a time of equals, those first which take most for their weight.

        Equals go together: lanes share the processor by the frames that are there for them, and
        one of two cameras that is decoded in part would be served half as often.
        """
        while excess > 0:
            able = [group for group in groups if _cheaper(*group) and group[0].cores]
            if not able:
                return
            equals, members = max(able, key=_most)
            cap = _cheaper(equals, members)
            assert cap is not None  # noqa: S101  # chosen by it
            excess -= _used(members, equals.cap) - _used(members, cap)
            equals.cap, equals.changed_s = cap, now_s

    def _give_back(self, groups: Sequence[_Group], room: float, now_s: float) -> None:
        """One level at a time of equals, those first which have least for their weight."""
        # Who may change now may do so by more than one level.
        waiting = [group for group in groups if now_s - group[0].changed_s >= BETWEEN_CHANGES_S]
        while waiting:
            group = equals, members = min(waiting, key=_most)
            cap = _better(equals, members)
            more = math.inf if cap is None else _used(members, cap) - _used(members, equals.cap)
            if cap is None or more > room:
                waiting.remove(group)
                continue
            room -= more
            equals.cap, equals.changed_s = cap, now_s

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


def _used(members: Sequence[_Camera], cap: Level) -> float:
    """CPU seconds per second that cameras take below a cap."""
    return sum(camera.cores(camera.capped(cap)) for camera in members)


def _most(group: _Group) -> tuple[float, str]:
    """How much the greatest of some equals takes for its weight; by name where that is the same."""
    equals, members = group
    most = max(camera.cores(camera.capped(equals.cap)) for camera in members)
    return most / max(equals.kind[0], 1e-9), members[0].load.name


def _cheaper(equals: Equals, members: Sequence[_Camera]) -> Level | None:
    """The cap that gives any of them less."""
    levels = equals.structure.levels
    at = min(camera.at(camera.capped(equals.cap)) for camera in members) + 1
    return levels[at] if at < len(levels) else None


def _better(equals: Equals, members: Sequence[_Camera]) -> Level | None:
    """The cap that gives any of them more, if it is demanded and one core is enough for it."""
    at = members[0].at(equals.cap)
    if at <= min(camera.at(camera.demanded) for camera in members):
        return None
    level = equals.structure.levels[at - 1]
    return level if members[0].cores(level) <= ROOM_NEEDED * ONE_THREAD else None


def _keep_to_one_core(equals: Equals, members: Sequence[_Camera]) -> None:
    """A camera is decoded by one thread, however many cores there are."""
    while any(camera.cores(camera.capped(equals.cap)) > ONE_THREAD for camera in members):
        level = _cheaper(equals, members)
        if level is None:
            return
        equals.cap = level


def _any_starves(loads: Sequence[CameraLoad]) -> bool:
    greatest = max((load.weight for load in loads), default=1.0)
    return any(load.starved(greatest) for load in loads)


def _nearest(level: Level, levels: Sequence[Level]) -> Level:
    """The level itself, or of a stream that has changed the first of its kind, or all."""
    if level in levels:
        return level
    return next((other for other in levels if other.kind == level.kind), ALL)


def _cheapest(load: CameraLoad, levels: Sequence[Level], margin: float) -> Level:
    """The cheapest level that gives what is wanted, in even steps."""
    best = ALL
    for level in levels:
        rate = load.structure.rate(level, load.captured_rate)
        fresh = load.waits or rate * load.max_latency_s >= 2  # a frame is half of it old at most
        if level.even and fresh and rate >= margin * load.wanted_rate:
            best = level
    return best
