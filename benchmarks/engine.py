"""What the engine adds to the blocks it calls, and how long it takes to check a file."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from appliance.clock import SystemClock
from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.testing import FixedHost, frame
from benchmarks.harness import Benchmark, Options, Variant, main, seconds
from benchmarks.nasty_texts import nasty_texts
from benchmarks.samples import Goal, Values
from blocks.block import BlockType, Manifest, Origin, block
from blocks.data import Event, Moment

STEPS = 20
TURNS = 250
TURNS_IF_QUICK = 5
PASSES = 8
MANY_STEPS = 500
ELEMENTS = 100
# Of a size that is still read: larger files are refused unseen.
NASTY_SIZE = 249_000
NASTY_SIZE_IF_QUICK = 2_000
SEED = 11
LASTING_TURNS = 1_000_000
LASTING_TURNS_IF_QUICK = 1_000
WARM_UP_TURNS = 20_000


class PassOnManifest(Manifest):
    """Nothing can be set."""


class PassedOn(NamedTuple):
    """What came in."""

    value: float


class SplitUpManifest(Manifest):
    """How many values there are."""

    count: int = ELEMENTS


class SplitUp(NamedTuple):
    """The value, as often as was set."""

    values: tuple[float, ...]


@block("pass_on@1", PassOnManifest)
class PassOn:
    """As little as a block can do: what is measured beside it is the engine."""

    def __init__(self, manifest: PassOnManifest) -> None:
        del manifest

    def run(self, value: float) -> PassedOn:
        """Give the value back."""
        return PassedOn(value)


@block("pass_all_on@1", PassOnManifest)
class PassAllOn(PassOn):
    """The same for all elements in one call."""

    def run_many(self, value: Sequence[float]) -> list[PassedOn]:
        """Give the values back."""
        return [PassedOn(one) for one in value]


@block("split_up@1", SplitUpManifest)
class Split:
    """Makes many of one."""

    def __init__(self, manifest: SplitUpManifest) -> None:
        self._count = manifest.count

    def run(self, value: float) -> SplitUp:
        """Give the value many times."""
        return SplitUp((value,) * self._count)


@block("sum_up@1", PassOnManifest)
class SumUp:
    """Collects."""

    def __init__(self, manifest: PassOnManifest) -> None:
        del manifest

    def run(self, values: tuple[float, ...]) -> PassedOn:
        """Give the first of the values, or 0."""
        return PassedOn(values[0] if values else 0.0)


@block("say@1", PassOnManifest)
class Say:
    """A sink."""

    def __init__(self, manifest: PassOnManifest) -> None:
        del manifest

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event:
        """Say what is wired to it."""
        return Event("local", "said", "bench", moment.captured_at, data)


def workflow(steps: int, *, conditions: bool) -> str:
    """The text of a chain of steps, each wired to the one before it, perhaps each with a `when`."""
    lines = ["version: 1", "name: chain", "inputs:", "  start: {type: number, default: 1.0}"]
    lines.append("steps:")
    source = "inputs.start"
    for i in range(steps):
        lines += [f"  - name: step{i}", "    type: pass_on@1", f"    value: ${source}"]
        if conditions:
            lines.append(f"    when: {source} > 0.5")
        source = f"steps.step{i}.value"
    return "\n".join([*lines, f"outputs: {{last: ${source}}}"])


def many(line: str) -> str:
    """The text of one step that makes many values, and ten behind it; `{i}` is their number."""
    head = ["version: 1", "name: many", "steps:"]
    head.append("- {name: split, type: split_up@1, value: $frame.sequence}")
    return "\n".join([*head, *(line.replace("{i}", str(i)) for i in range(10))])


EACH = {
    "once for each": "- {name: s{i}, type: pass_on@1, value: $steps.split.values}",
    "once for each, when": "- {name: s{i}, type: pass_on@1, value: $steps.split.values, "
    "when: item > -1}",
    "all in one call": "- {name: s{i}, type: pass_all_on@1, value: $steps.split.values}",
    "collecting": "- {name: s{i}, type: sum_up@1, values: $steps.split.values}",
}
"""A step over many values, by the name of its variant."""


def sinks(data: str) -> str:
    """The text of twenty sinks that are given some data."""
    lines = [f"- {{name: s{i}, type: say@1, data: {data}}}" for i in range(STEPS)]
    return "\n".join(["version: 1", "name: sinks", "steps:", *lines])


def checked(text: str) -> Plan:
    """The workflow, read and checked."""
    found: list[BlockType] = [
        vars(cls)["block_type"] for cls in (PassOn, PassAllOn, Split, SumUp, Say)
    ]
    return load_plan(text, "chain.yaml", {each.type: each for each in found})


def started(text: str) -> Run:
    """The workflow on a lane, its steps timed as the daemon does it."""
    return checked(text).start(
        {}, FixedHost(), Origin("", "bench", "bench", ""), SystemClock().monotonic
    )


def worst(texts: Mapping[str, str]) -> tuple[float, str]:
    """How long the slowest of the texts takes to be refused or read, in seconds; and its name."""
    return max((seconds(partial(_told, text)), name) for name, text in texts.items())


def _told(text: str) -> None:
    try:
        checked(text)
    except DefinitionError as error:
        str(error)


def resident_mib() -> float:
    """How much of this process is in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class _Growth:
    """How much larger the process is after a million turns."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self._run = started(LASTING)
        self._grown: float | None = None

    def __call__(self) -> Values:
        """Measure it, the first time; then say it again, as the turns take half a minute."""
        if self._grown is None:
            self._turn(min(WARM_UP_TURNS, self._turns))
            before = resident_mib()
            self._turn(self._turns)
            self._grown = resident_mib() - before
        return {"memory": self._grown}

    def _turn(self, turns: int) -> None:
        still = frame(sequence=1)
        for _ in range(turns):
            self._run.turn(still)


LASTING = """version: 1
name: lasting
steps:
- {name: s, type: split_up@1, value: $frame.sequence, count: 2}
- {name: e, type: pass_on@1, value: $steps.s.values, when: item > 0.5}
- {name: t, type: sum_up@1, values: $steps.e.value}
- {name: o, type: say@1, data: {t: "= steps.t.value + 1", at: $frame.captured_at}}
outputs: {t: $steps.t.value, e: $steps.e.value}
"""
"""A little of everything."""


def prepare(options: Options, _stack: ExitStack) -> Sequence[Variant]:
    """The variants: chains of steps, elements, sinks; files to check; and a million turns."""
    turns = TURNS_IF_QUICK if options.quick else TURNS
    calls = [PassOn(PassOnManifest()).run for _ in range(STEPS)]

    def plain() -> None:
        for _ in range(turns):
            value = 1.0
            for call in calls:
                (value,) = call(value)

    def step_us(work: Callable[[], None]) -> Callable[[], Values]:
        return lambda: {"step": seconds(work, PASSES) / (turns * STEPS) * 1e6}

    def element_us(text: str) -> Callable[[], Values]:
        few = max(turns // 10, 1)
        work = _turns(text, few)
        return lambda: {"element": seconds(work, PASSES) / (few * ELEMENTS * 10) * 1e6}

    def check_s(text: str) -> Callable[[], Values]:
        return lambda: {"check": seconds(lambda: checked(text))}

    nasty = nasty_texts(SEED, NASTY_SIZE_IF_QUICK if options.quick else NASTY_SIZE)
    lasting = LASTING_TURNS_IF_QUICK if options.quick else LASTING_TURNS

    def worst_s() -> Values:
        taken, name = worst(nasty)
        print(f"the worst file: {name}", file=sys.stderr)
        return {"check": taken}

    return [
        Variant("plain calls", step_us(plain)),
        Variant("engine", step_us(_turns(workflow(STEPS, conditions=False), turns))),
        Variant("engine, when", step_us(_turns(workflow(STEPS, conditions=True), turns))),
        Variant("data", step_us(_turns(sinks("{a: $frame.sequence}"), turns))),
        Variant("data, expression", step_us(_turns(sinks('{a: "= frame.sequence + 1"}'), turns))),
        *(Variant(name, element_us(many(line))) for name, line in EACH.items()),
        Variant("500 steps", check_s(workflow(MANY_STEPS, conditions=False))),
        Variant("500 steps, when", check_s(workflow(MANY_STEPS, conditions=True))),
        Variant("worst file", worst_s),
        Variant("a million turns", _Growth(lasting)),
    ]


def _turns(text: str, count: int) -> Callable[[], None]:
    run, still = started(text), frame(sequence=1)

    def turn() -> None:
        for _ in range(count):
            run.turn(still)

    return turn


BENCHMARK = Benchmark(
    name="engine",
    about="what the engine adds to the blocks it calls, and how long it takes to check a file",
    units={"step": "µs", "element": "µs", "check": "s", "memory": "MiB"},
    prepare=prepare,
    goals=[
        Goal(
            "the engine's part of a step",
            lambda r: r["engine", "step"] - r["plain calls", "step"],
            "at most",
            3.0,
        ),
        Goal(
            "a step by the engine, a plain call being 1",
            lambda r: r["engine", "step"] / r["plain calls", "step"],
            "at most",
            13.0,
        ),
        Goal(
            "what a `when` on a number adds to it",
            lambda r: r["engine, when", "step"] - r["engine", "step"],
            "at most",
            6.0,
        ),
        Goal("once for each", lambda r: r["once for each", "element"], "at most", 5.0),
        Goal("all in one call", lambda r: r["all in one call", "element"], "at most", 5.0),
        Goal("collecting", lambda r: r["collecting", "element"], "at most", 5.0),
        Goal("checking 500 steps", lambda r: r["500 steps", "check"], "at most", 1.0),
        Goal(
            "checking 500 steps, each with `when`",
            lambda r: r["500 steps, when", "check"],
            "at most",
            1.0,
        ),
        Goal("checking the worst file", lambda r: r["worst file", "check"], "at most", 2.0),
        Goal(
            "what a million turns leave in memory",
            lambda r: r["a million turns", "memory"],
            "at most",
            1.0,
        ),
    ],
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
