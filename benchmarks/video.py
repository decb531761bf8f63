"""Cameras through the daemon: results, ages and memory, against what the processor leaves room for.

Every cell runs in a process of its own, and all in turns. The limit L of a cell is what is left of
the cores (those that were ours, and those that were idle) after decoding, over what an inference
and the work around it take: each of these measured alone, in that process, before and after.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from appliance.inference.catalog import find, load_catalog
from appliance.inference.fetch import pull
from appliance.inference.store import Store
from benchmarks.harness import MISSED, RESULTS
from benchmarks.machine import ROOT, Load, SystemMeter, package_versions, this_code, this_machine
from benchmarks.report import Measurement, write_json
from benchmarks.samples import Goal, Round, Rounds, Values
from benchmarks.video_cell import BARE, DAEMON, MAX_LATENCY_S, Cell, arguments
from benchmarks.video_clips import KEY_EVERY, RATE, Format, clip_of
from benchmarks.video_scenarios import GOALS, NEEDED_CLIPS, SCENARIOS, UNITS
from benchmarks.video_site import MODEL, STATE_DIR
from benchmarks.video_table import head_of, table_of, verdict_lines

ABOUT = "cameras through the daemon, against its limit and against plain programs"
FULL = (1, 2, 4, 8, 16)
SOME = (1, 4)
LONGEST_S = 300.0
CELL_UNITS = {
    "results": "results/s",
    "limit": "results/s",
    "efficiency": "times",
    "p50": "ms",
    "p95": "ms",
    "p99": "ms",
    "worst p95": "ms",
    "fairness": "times",
    "least": "results/s",
    "captured": "frames/s",
    "decoded": "frames/s",
    "cpu captured": "ms/frame",
    "cpu processed": "ms/frame",
    "rss": "MiB",
    "k": "cores",
    "idle": "cores",
    "d": "ms",
    "key": "ms",
    "c": "ms",
    "o": "ms",
    "decode share": "times",
    "told short": "times",
}
# Where decoding alone leaves less than a fifth of the cores, no share of L is asked for.
DECODE_MOST = 0.8


def cells(counts: Sequence[int], seconds: float, settle_s: float, *, quick: bool) -> list[Cell]:
    """All cells of a run, for these numbers of cameras."""

    def cell(design: str, cameras: int, wanted: Format) -> Cell:
        return Cell(design, cameras, wanted, seconds, settle_s)

    usual = Format()
    both = (*DAEMON, BARE)
    found = [cell(design, n, usual) for n in FULL if n in counts for design in both]
    if not quick:
        others = [Format("h264", 1080), Format("h265", 720), Format("h265", 1080)]
        found += [cell("daemon", n, other) for other in others for n in SOME if n in counts]
        if max(FULL) in counts:
            found += [cell("daemon", max(FULL), Format(codec, 1080)) for codec in ("h264", "h265")]
    some = [n for n in SOME if n in counts]
    found += [cell(design, n, usual) for n in some for design in ("opencv loop", "process each")]
    return found


def goals_of(cell: Cell, decode_share: float) -> list[Goal]:
    """What is asked of a cell of the daemon; of others nothing."""
    if cell.design not in DAEMON:
        return []
    name = cell.name
    goals = [
        Goal(
            f"{name}: p95 age of the worst lane",
            lambda r: r[name, "worst p95"],
            "at most",
            MAX_LATENCY_S * 1000,
        )
    ]
    if decode_share > DECODE_MOST:
        short = f"{name}: whether the status says that decoding is short"
        goals.append(Goal(short, lambda r: r[name, "told short"], "at least", 1.0))
        goals.append(
            Goal(
                f"{name}: results/s of the least lane, of its key frames nine tenths",
                lambda r: r[name, "least"],
                "at least",
                0.9 * RATE / KEY_EVERY,
            )
        )
    else:
        goal = 0.90 if cell.cameras <= 8 else 0.85
        goals.append(Goal(f"{name}: efficiency", lambda r: r[name, "efficiency"], "at least", goal))
    if cell.format.lines == 1080:
        most = 350.0 + 15.0 * cell.cameras
        goals.append(Goal(f"{name}: memory", lambda r: r[name, "rss"], "at most", most))
    return goals


def main(given: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 if a goal is missed."""
    options = _options(given)
    wanted = _cells(options)
    scenarios = [name for name in SCENARIOS if _chosen(options.only, name)]
    if options.quick and not options.only:
        scenarios = []
    pull(find(load_catalog(), MODEL), Store(STATE_DIR), _say)
    for each in {cell.format for cell in wanted}:
        clip_of(each, STATE_DIR)
    for each in NEEDED_CLIPS if scenarios else ():
        clip_of(each, STATE_DIR)
    began_at = datetime.now(UTC)
    rounds: list[Round] = []
    told: dict[str, Counter[str]] = {}
    for number in range(options.rounds):
        rounds.append(_round(number, wanted, scenarios, options.seconds, told))
        _say(f"round {number + 1} of {options.rounds}")
    measured = Rounds(CELL_UNITS | UNITS, tuple(rounds))
    goals = [goal for cell in wanted for goal in goals_of(cell, _share(measured, cell))]
    goals += [goal for name in scenarios for goal in GOALS[name]]
    measurement = Measurement(
        "video", ABOUT, began_at, this_machine(), this_code(), package_versions(), measured,
        [goal.verdict(measured) for goal in goals],
    )  # fmt: skip
    print(
        "\n".join([*head_of(measurement), *table_of(measured, told), *verdict_lines(measurement)])
    )
    if options.quick:
        print("\na quick run: these figures mean nothing, and are not kept")
        return 0
    if options.only or options.cameras != FULL:
        print("\na part of the benchmark: it is not kept")
    else:
        print(f"\nwritten to {write_json(measurement, RESULTS)}")
    return 0 if all(each.met for each in measurement.verdicts) else MISSED


def _round(
    number: int, wanted: Sequence[Cell], scenarios: Sequence[str], seconds: float,
    told: dict[str, Counter[str]],
) -> Round:  # fmt: skip
    """Everything once; each round begins with another one."""
    meter = SystemMeter()
    before = meter.read()
    taken: dict[str, Values] = {}
    work: list[Cell | str] = [*wanted, *scenarios]
    first = number % len(work)
    for each in [*work[first:], *work[:first]]:
        name = each.name if isinstance(each, Cell) else each
        _say(name)
        if isinstance(each, Cell):
            found = _child("benchmarks.video_cell", arguments(each))
            if found["told"]:
                told.setdefault(name, Counter())[found["told"]] += 1
        else:
            found = _child("benchmarks.video_scenarios", each, str(seconds))
        taken[name] = found["values"]
    ordered = {name: taken[name] for name in [*(c.name for c in wanted), *scenarios]}
    return Round(ordered, Load.between(before, meter.read()))


def _child(module: str, *given: str) -> Mapping[str, Any]:
    """What a process of its own found: the last line of its output."""
    command = [sys.executable, "-m", module, *given]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S, check=True
    )
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _share(measured: Rounds, cell: Cell) -> float:
    """Of the cores, what decoding every frame takes."""
    if cell.design not in DAEMON:
        return 0.0
    return measured[cell.name, "decode share"].median


def _cells(options: argparse.Namespace) -> list[Cell]:
    found = cells(options.cameras, options.seconds, options.settle, quick=options.quick)
    return [cell for cell in found if _chosen(options.only, cell.name)]


def _chosen(only: str, name: str) -> bool:
    return only in name


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=ABOUT)
    parser.add_argument("--rounds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each cell")
    parser.add_argument("--settle", type=float, default=12.0, help="seconds before them")
    parser.add_argument(
        "--cameras", type=_numbers, default=FULL, help="how many, as 1,4 (default: 1,2,4,8,16)"
    )
    parser.add_argument("--only", default="", help="what has this in its name")
    parser.add_argument(
        "--quick", "--short", action="store_true",
        help="only see whether it works: one round of little work, no scenario unless --only",
    )  # fmt: skip
    options = parser.parse_args(given)
    if options.quick:
        options.rounds, options.seconds, options.settle = 1, 2.0, 1.5
        if options.cameras == FULL:
            options.cameras = (1, 4)
    if not _cells(options) and not any(_chosen(options.only, name) for name in SCENARIOS):
        parser.error(f"nothing has '{options.only}' in its name")
    return options


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) in FULL for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of 1, 2, 4, 8 and 16")
    return tuple(map(int, parts))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
