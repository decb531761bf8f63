"""Why frames of a camera were skipped: its account of a span of time, with the figures of then."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from appliance.control import RefusedError
from appliance.engine.errors import suggestion
from appliance.observe.buckets import MEANINGS, Buckets, Ended
from appliance.observe.history import History, Second

USUAL_S, MOST_S = 10.0, 600.0
# Of a max_rate: with less of it, something else was short.
ENOUGH = 0.8
# Where frames end that lay before their lane.
_REACHED = ("processed", "failed", "outbox", "replaced")


@dataclass(frozen=True, slots=True)
class Watched:
    """A lane of the camera: its account, and what the settings say of its frames.

    `opens_at_percent` is how much of the picture must change for its motion gate to open.
    """

    buckets: Buckets
    max_latency_s: float = 0.5
    max_rate: float | None = None
    opens_at_percent: float | None = None


def answered(
    request: Mapping[str, Any],
    history: History,
    cameras: Collection[str],
    lanes: Mapping[str, Watched],
    now: float,
) -> dict[str, Any]:
    """The answer to a request of the control socket; `now` is UTC.

    A request has `camera`, and may have `at` (the middle of the span in UTC; without it the last
    `seconds` are explained), `seconds` and `frames` (whether single frames are listed).

    Raises:
        RefusedError: it asks for no camera there is, or for a time of which nothing is known.
    """
    camera = request.get("camera")
    if not isinstance(camera, str):
        raise RefusedError(f"camera is a name, not {camera!r}")
    if camera not in cameras:
        hint = suggestion(camera, cameras, " (there is none)")
        raise RefusedError(f"there is no camera '{camera}'{hint}")
    seconds = _number(request, "seconds", USUAL_S)
    if not 1 <= seconds <= MOST_S:
        raise RefusedError(f"seconds are 1 to {MOST_S:g}, not {seconds:g}")
    latest = now if history.latest is None else history.latest
    at = _number(request, "at", latest - seconds / 2)
    begin, end = at - seconds / 2, at + seconds / 2
    return explained(history, lanes, camera, begin, end, frames=bool(request.get("frames")))


def explained(
    history: History,
    lanes: Mapping[str, Watched],
    camera: str,
    begin: float,
    end: float,
    *,
    frames: bool = False,
) -> dict[str, Any]:
    """What became of the frames of a camera from `begin` to `end`, in UTC, as plain data.

    For each lane that was sampled then: `captured` and `ended` frames, `in_hand` those that had not
    ended [before, after], so that before + captured = ended + after; `buckets` with frames, share
    and meaning; `age_ms`; `why` as sentences; and `frames`, those that are remembered. Times of day
    in sentences are those of the machine's time zone.

    Raises:
        RefusedError: nothing is known of that time.
    """
    seconds = history.around(camera, (begin + end) / 2, end - begin)
    if not seconds:
        raise RefusedError(_unknown(history, begin, end))
    names = dict.fromkeys(name for second in seconds for name in second.lanes)
    view = _View(history, camera, seconds, _asked(names, lanes))
    found = [_lane(view, name, lanes.get(name), frames=frames) for name in names]
    return {
        "camera": camera,
        "begin": seconds[0].begin,
        "end": seconds[-1].end,
        "status": dict(seconds[-1].camera),
        "why": view.sentences(),
        "lanes": found,
    }


def _asked(names: Iterable[str], lanes: Mapping[str, Watched]) -> tuple[float, str] | None:
    """The highest max_rate and its lane; None where one asks for all there is, or is gone."""
    found = [(lanes[name].max_rate if name in lanes else None, name) for name in names]
    rates = [(rate, name) for rate, name in found if rate is not None]
    return max(rates) if rates and len(rates) == len(found) else None


def _pipeline(lane: str) -> str:
    """The name of the pipeline of a lane, as it stands in the settings."""
    return lane.rpartition(":")[0]


def time_of_day(utc: float) -> str:
    """A moment as a clock on the wall shows it: `14:02:50`."""
    return f"{datetime.fromtimestamp(utc, UTC).astimezone():%H:%M:%S}"


def day_and_time(utc: float) -> str:
    """The same with its day: `2026-11-22 14:02:50`."""
    return f"{datetime.fromtimestamp(utc, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def _number(request: Mapping[str, Any], name: str, usual: float) -> float:
    given = request.get(name)
    if given is None:
        return usual
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not abs(given) < 1e11:
        raise RefusedError(f"{name} is a number of seconds, not {given!r}")
    return float(given)


def _unknown(history: History, begin: float, end: float) -> str:
    what = f"nothing is known of {day_and_time(begin)} to {time_of_day(end)}"
    known = history.known()
    if known is None:
        return f"{what}: the daemon has only just begun; ask again in a second"
    return f"{what}; what is known goes from {day_and_time(known[0])} to {day_and_time(known[1])}"


@dataclass(frozen=True, slots=True)
class _View:
    """The seconds of one camera that are asked for.

    `asked` is the frames a second that all of its lanes are content with, and which asks for most.
    """

    history: History
    camera: str
    seconds: Sequence[Second]
    asked: tuple[float, str] | None

    @property
    def span_s(self) -> float:
        return sum(second.end - second.begin for second in self.seconds)

    def sentences(self) -> list[str]:
        """What was wrong with the camera, and when that changed."""
        said = [
            f"at {time_of_day(second.begin)} the clock was set by {second.jumped_s:+.0f} s, "
            "or nothing ran for so long"
            for second in self.seconds
            if second.jumped_s
        ]
        spells = self._spells()
        for begin, state, why in spells:
            reason = f": {why}" if why else ""
            if len(spells) > 1:
                said.append(f"{state} from {time_of_day(begin)}{reason}")
            elif why:
                said.append(f"{state}{self.since('state')}{reason}")
        short = self.short
        return [*said, short] if short else said

    @property
    def short(self) -> str:
        """What all cameras were short of, as it was said last, and when."""
        told = next((s for s in reversed(self.seconds) if s.short), None)
        return "" if told is None else f"at {time_of_day(told.end)}, {told.short}"

    def since(self, figure: str) -> str:
        """Since when the state or the level is what it was at the end; empty if not known."""
        change = self.history.since(self.camera, figure, self.seconds[-1].end)
        if change is None or change.value != self.seconds[-1].camera.get(figure, ""):
            return ""
        return f" since {time_of_day(change.utc)}" + (", or before" if change.first else "")

    def _spells(self) -> list[tuple[float, str, str]]:
        """Each state in its turn: when it began, and the last reason given for it."""
        spells: list[tuple[float, str, str]] = []
        for second in self.seconds:
            state, why = second.camera.get("state", ""), second.camera.get("why", "")
            if spells and spells[-1][1] == state:
                spells[-1] = (spells[-1][0], state, why or spells[-1][2])
            else:
                spells.append((second.begin, state, why))
        return spells


@dataclass(frozen=True, slots=True)
class _Account:
    """What is said of one lane is said of these."""

    view: _View
    name: str
    seconds: Sequence[Second]
    samples: Sequence[Mapping[str, Any]]
    counts: Counter[str]
    ended: Sequence[Ended]
    watched: Watched

    @property
    def age_ms(self) -> dict[str, float]:
        """The ages of results, and the parts of the p95: the middle of those told each second."""
        told = [s["age_ms"] for s in self.samples if s.get("age_ms", {}).get("p95")]
        return {p: round(median(t[p] for t in told), 1) for p in told[-1]} if told else {}

    @property
    def short(self) -> str:
        """What the lane was short of, as it was said last, and when."""
        pairs = zip(self.seconds, self.samples, strict=True)
        told = [(second.end, lane["short"]) for second, lane in pairs if lane.get("short")]
        return f"at {time_of_day(told[-1][0])}, {told[-1][1]}" if told else ""

    def last(self, figure: str) -> Any:
        """A figure as it was told last."""
        return next((s[figure] for s in reversed(self.samples) if s.get(figure)), "")

    def numbers(self, bucket: str) -> list[float]:
        """The figures behind the frames that ended in a bucket, of those that are remembered."""
        return [e.number for e in self.ended if e.bucket == bucket and e.number is not None]

    def rate(self, count: int) -> float:
        """Frames for each second of the span."""
        return count / self.view.span_s


def _lane(view: _View, name: str, watched: Watched | None, *, frames: bool) -> dict[str, Any]:
    pairs = [(second, second.lanes[name]) for second in view.seconds if name in second.lanes]
    samples = [lane for _, lane in pairs]
    counts: Counter[str] = Counter()
    for sample in samples:
        counts.update(sample["buckets"])
    told = [second for second, _ in pairs]
    remembered = watched.buckets.between(told[0].begin, told[-1].end) if watched else []
    account = _Account(view, name, told, samples, counts, remembered, watched or Watched(Buckets()))
    captured, after = sum(sample["captured"] for sample in samples), samples[-1]["in_hand"]
    ended = counts.total()
    found = {
        "lane": name,
        "captured": captured,
        "ended": ended,
        "in_hand": [after + ended - captured, after],
        "buckets": [
            {
                "bucket": bucket,
                "frames": count,
                "share": round(count / ended, 4),
                "meaning": MEANINGS.get(bucket, ""),
            }
            for bucket, count in sorted(counts.items(), key=lambda each: _place(each[0]))
        ],
        "rate": round(account.rate(counts["processed"]), 2),
        "age_ms": account.age_ms,
        "why": _reasons(account),
    }
    return found | {"frames": [_frame(each) for each in remembered]} if frames else found


def _place(bucket: str) -> int:
    known = list(MEANINGS)
    return known.index(bucket) if bucket in known else len(known)


def _frame(ended: Ended) -> dict[str, Any]:
    return {
        "sequence": ended.sequence,
        "captured_at": ended.captured_at,
        "bucket": ended.bucket,
        "number": ended.number,
    }


def _reasons(account: _Account) -> list[str]:
    """A sentence for each bucket of skipped frames, and for what the lane was short of."""
    said = [
        f"{count} {bucket}: {_REASONS.get(bucket, _meaning)(account, bucket)}"
        for bucket, count in sorted(account.counts.items(), key=lambda each: _place(each[0]))
        if bucket != "processed"
    ]
    short = account.short
    return [*said, short] if short else said


def _meaning(_account: _Account, bucket: str) -> str:
    return MEANINGS.get(bucket, "nothing more is known of it")


def _replaced(account: _Account, _bucket: str) -> str:
    used = account.rate(account.counts["processed"])
    offered = account.rate(sum(account.counts[reached] for reached in _REACHED))
    used_of = f"the lane used {used:.1f} of {offered:.1f} frames/s that were offered"
    age_ms = account.age_ms
    if not age_ms:
        return f"{used_of}; there was no result whose time is known"
    slowest = _slowest(account.last("steps_ms") or {})
    step = f" (of its steps {slowest})" if slowest else ""
    return (
        f"a turn took {age_ms['turn']:.0f} ms{step} and waited {age_ms['wait']:.0f} ms for the "
        f"processor, so that {used_of}"
    )


def _slowest(steps_ms: Mapping[str, float]) -> str:
    if not steps_ms:
        return ""
    step = max(steps_ms, key=lambda name: steps_ms[name])
    return f"{step} takes most, {steps_ms[step]:.0f} ms on the average"


def _stale(account: _Account, bucket: str) -> str:
    ages = account.numbers(bucket)
    limit = (
        f"max_latency_s: {account.watched.max_latency_s:g} of pipeline {_pipeline(account.name)}"
    )
    if not ages:
        return f"too late to be decoded for {limit}"
    turn_ms = account.age_ms.get("turn")
    turn = f", a turn took {turn_ms:.0f} ms" if turn_ms else ""
    return f"{_between(ages, '.2f')} s old when the turn came{turn}, and the limit is {limit}"


def _between(numbers: Sequence[float], form: str) -> str:
    least, most = format(min(numbers), form), format(max(numbers), form)
    return least if least == most else f"{least} to {most}"


def _over_budget(account: _Account, _bucket: str) -> str:
    view = account.view
    levels = list(dict.fromkeys(s.camera.get("level", "") for s in view.seconds))
    level = levels[-1] or "not all"
    before = f" (before: {', '.join(levels[:-1])})" if levels[:-1] else ""
    decoded = f"level {level}{view.since('level')}{before}"
    return f"{decoded}: {_of_max_rate(account) or view.short or _of_use(account)}"


def _of_use(account: _Account) -> str:
    used = account.rate(account.counts["processed"])
    return f"the lanes could not use more; this one used {used:.1f} frames/s"


def _of_max_rate(account: _Account) -> str:
    """That no more was asked for; empty where more was, or less came than that."""
    captured = account.rate(sum(sample["captured"] for sample in account.samples))
    if account.view.asked is None or account.view.asked[0] >= captured:
        return ""
    asked, lane = account.view.asked
    came = account.rate(account.counts.total() - account.counts["over-budget"])
    own = account.watched.max_rate or asked
    if account.view.short and came < ENOUGH * own:
        return ""
    return (
        f"the lanes asked for {asked:g} of {captured:.3g} frames/s because of max_rate {asked:g} "
        f"of pipeline {_pipeline(lane)}"
    )


def _no_motion(account: _Account, bucket: str) -> str:
    opens = account.watched.opens_at_percent
    limit = f"the gate opens at {opens:g} %" if opens is not None else "the gate stayed shut"
    shares = account.numbers(bucket) or [s["moved"] for s in account.samples if "moved" in s]
    most = max(shares, default=0.0)
    changed = f"at most {most * 100:.2g} %" if most else "no part"
    return f"{changed} of the picture changed, {limit}"


def _over_rate(account: _Account, bucket: str) -> str:
    rate = account.watched.max_rate
    return f"max_rate is {rate:g} frames/s" if rate is not None else _meaning(account, bucket)


def _failed(account: _Account, bucket: str) -> str:
    return account.last("last_failure") or _meaning(account, bucket)


def _undecodable(account: _Account, bucket: str) -> str:
    why = next((s.camera["why"] for s in reversed(account.view.seconds) if s.camera.get("why")), "")
    return _meaning(account, bucket) + (f"; {why}" if why else "")


_REASONS: Mapping[str, Callable[[_Account, str], str]] = {
    "replaced": _replaced,
    "stale": _stale,
    "over-budget": _over_budget,
    "no-motion": _no_motion,
    "over-rate": _over_rate,
    "failed": _failed,
    "decode-error": _undecodable,
}
