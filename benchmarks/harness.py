"""Runs the variants of one piece of work in turns, round by round, as the command of a benchmark.

A machine is never quiet, and its speed drifts; but what two variants did in the same round still
compares. So only numbers of one run are compared: within each round, and of that the median.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import (
    ROOT,
    Load,
    Meter,
    SystemMeter,
    package_versions,
    this_code,
    this_machine,
)
from benchmarks.report import Measurement, text_of, write_json
from benchmarks.samples import Goal, Round, Rounds, Values

RESULTS = ROOT / "benchmarks" / "results"
MISSED = 1


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do the work. `measure` does it once, and gives a number for each metric."""

    name: str
    measure: Callable[[], Values]


@dataclass(frozen=True, slots=True)
class Options:
    """How a benchmark is run. `quick`: as little as shows that it works; figures mean nothing."""

    rounds: int
    quick: bool


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A topic: its variants, the units of their metrics, and the goals.

    `name` is that of its module. `prepare` makes the variants; what is to be closed after the last
    round it enters into the stack. `rounds` is how many there are unless the user says.
    """

    name: str
    about: str
    units: Mapping[str, str]
    prepare: Callable[[Options, ExitStack], Sequence[Variant]]
    goals: Sequence[Goal]
    rounds: int = 11


def seconds(work: Callable[[], object], passes: int = 1) -> float:
    """How long a call takes: the fastest of some passes, the one that was disturbed least."""
    taken = []
    for _ in range(passes):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def run_rounds(variants: Sequence[Variant], count: int, meter: Meter) -> Iterator[Round]:
    """Run each variant once to warm up, then all of them in every round.

    Each round begins with another one, so that none always has the same one before it.
    """
    for variant in variants:
        variant.measure()
    for i in range(count):
        first = i % len(variants)
        taken = {}
        before = meter.read()
        for variant in [*variants[first:], *variants[:first]]:
            # The garbage of one variant is not to be cleared away in another one's time.
            gc.collect()
            taken[variant.name] = variant.measure()
        load = Load.between(before, meter.read())
        yield Round({variant.name: taken[variant.name] for variant in variants}, load)


def main(
    benchmark: Benchmark,
    arguments: Sequence[str] | None = None,
    *,
    meter: Meter | None = None,
    results: Path = RESULTS,
) -> int:
    """Run a benchmark as a command: print what was found, and write it to NAME.json in `results`.

    The exit status is 1 if a goal is missed, else 0. A quick run writes nothing and gives 0.
    """
    options = _options(benchmark, arguments)
    began_at = datetime.now(UTC)
    rounds: list[Round] = []
    with ExitStack() as stack:
        variants = benchmark.prepare(options, stack)
        for each in run_rounds(variants, options.rounds, meter or SystemMeter()):
            rounds.append(each)
            print(f"round {len(rounds)} of {options.rounds}", file=sys.stderr)
    measured = Rounds(benchmark.units, tuple(rounds))
    measurement = Measurement(
        name=benchmark.name,
        about=benchmark.about,
        began_at=began_at,
        machine=this_machine(),
        code=this_code(),
        versions=package_versions(),
        rounds=measured,
        verdicts=[goal.verdict(measured) for goal in benchmark.goals],
    )
    print(text_of(measurement))
    if options.quick:
        print("\na quick run: these figures mean nothing, and are not kept")
        return 0
    print(f"\nwritten to {write_json(measurement, results)}")
    return 0 if all(each.met for each in measurement.verdicts) else MISSED


def _options(benchmark: Benchmark, arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{benchmark.name}", description=benchmark.about
    )
    parser.add_argument(
        "--rounds", type=_count, default=benchmark.rounds, help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only see whether it works: one round of little work"
    )
    given = parser.parse_args(arguments)
    return Options(rounds=1 if given.quick else given.rounds, quick=given.quick)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of rounds: 1 or more")
    return int(text)
