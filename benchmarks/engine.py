"""What the engine adds to the blocks it calls, and how long it takes to check a big workflow."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from appliance.clock import SystemClock
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.testing import frame
from benchmarks.harness import Benchmark, Options, Variant, main, seconds
from benchmarks.samples import Goal, Values
from blocks.block import BlockType, Detector, Manifest, Origin, block

STEPS = 20
TURNS = 250
TURNS_IF_QUICK = 5
PASSES = 8
MANY_STEPS = 500


class PassOnManifest(Manifest):
    """Nothing can be set."""


class PassedOn(NamedTuple):
    """What came in."""

    value: float


@block("pass_on@1", PassOnManifest)
class PassOn:
    """As little as a block can do: what is measured beside it is the engine."""

    def __init__(self, manifest: PassOnManifest) -> None:
        del manifest

    def run(self, value: float) -> PassedOn:
        """Give the value back."""
        return PassedOn(value)


class NoModels:
    """A host for workflows without models."""

    def detector(self, model: str) -> Detector:
        """Refuse."""
        raise LookupError(f"there is no model {model!r} in this benchmark")


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


def checked(text: str) -> Plan:
    """The workflow, read and checked."""
    pass_on: BlockType = vars(PassOn)["block_type"]
    return load_plan(text, "chain.yaml", {pass_on.type: pass_on})


def started(text: str) -> Run:
    """The workflow on a lane, its steps timed as the daemon does it."""
    return checked(text).start(
        {}, NoModels(), Origin("", "bench", "bench", ""), SystemClock().monotonic
    )


def prepare(options: Options, _stack: ExitStack) -> Sequence[Variant]:
    """Twenty steps by plain calls, by the engine, and with conditions; five hundred to check."""
    turns = TURNS_IF_QUICK if options.quick else TURNS
    calls = [PassOn(PassOnManifest()).run for _ in range(STEPS)]
    still = frame()

    def plain() -> None:
        for _ in range(turns):
            value = 1.0
            for call in calls:
                (value,) = call(value)

    def engine(run: Run) -> Callable[[], None]:
        def turn() -> None:
            for _ in range(turns):
                run.turn(still)

        return turn

    def step_us(work: Callable[[], None]) -> Callable[[], Values]:
        return lambda: {"step": seconds(work, PASSES) / (turns * STEPS) * 1e6}

    def check_s(text: str) -> Callable[[], Values]:
        return lambda: {"check": seconds(lambda: checked(text))}

    return [
        Variant("plain calls", step_us(plain)),
        Variant("engine", step_us(engine(started(workflow(STEPS, conditions=False))))),
        Variant("engine, when", step_us(engine(started(workflow(STEPS, conditions=True))))),
        Variant("500 steps", check_s(workflow(MANY_STEPS, conditions=False))),
        Variant("500 steps, when", check_s(workflow(MANY_STEPS, conditions=True))),
    ]


BENCHMARK = Benchmark(
    name="engine",
    about="what the engine adds to the blocks it calls, for each step and frame",
    units={"step": "µs", "check": "s"},
    prepare=prepare,
    goals=[
        Goal(
            "the engine's part of a step",
            lambda r: r["engine", "step"] - r["plain calls", "step"],
            "at most",
            3.0,
        ),
        Goal(
            "what a `when` on a number adds to it",
            lambda r: r["engine, when", "step"] - r["engine", "step"],
            "at most",
            6.0,
        ),
        Goal("checking 500 steps", lambda r: r["500 steps", "check"], "at most", 1.0),
        Goal(
            "checking 500 steps, each with `when`",
            lambda r: r["500 steps, when", "check"],
            "at most",
            1.0,
        ),
    ],
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK))
