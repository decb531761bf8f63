"""What a benchmark found, as a text for people and as JSON for later comparison."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import Code, Machine
from benchmarks.samples import Rounds, Verdict

# Above this, figures of single variants are too slow; ratios within a round still hold.
QUIET_CORES = 0.4
_TITLES = ("variant", "metric", "median", "±", "low", "high", "unit")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run of one benchmark. `began_at` is UTC."""

    name: str
    about: str
    began_at: datetime
    machine: Machine
    code: Code
    versions: Mapping[str, str]
    rounds: Rounds
    verdicts: Sequence[Verdict]


def text_of(measurement: Measurement) -> str:
    """The machine, the figures as a table, the load, and the goals."""
    machine, code, rounds = measurement.machine, measurement.code, measurement.rounds
    commit = f"commit {code.commit or 'unknown'}{' with changes' if code.modified else ''}"
    lines = [
        f"{measurement.name}: {measurement.about}",
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}",
        f"{measurement.began_at:%Y-%m-%d %H:%M} UTC, {commit}",
        ", ".join(f"{name} {version}" for name, version in measurement.versions.items()),
        "",
        *_table(rounds),
        "",
        f"{len(rounds.rounds)} rounds, the variants in turns; ± is the median absolute deviation",
        _load(rounds),
        "",
        "goals (each round compared by itself; the median of that)",
        *map(_goal, measurement.verdicts),
    ]
    return "\n".join(lines)


def write_json(measurement: Measurement, folder: Path) -> Path:
    """Write it to NAME.json in the folder, all samples included; say where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{measurement.name}.json"
    path.write_text(json.dumps(_plain(measurement), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def _plain(measurement: Measurement) -> dict[str, Any]:
    return {
        "name": measurement.name,
        "about": measurement.about,
        "date": measurement.began_at.isoformat(timespec="seconds"),
        "machine": asdict(measurement.machine),
        "code": asdict(measurement.code),
        "versions": dict(measurement.versions),
        "units": dict(measurement.rounds.units),
        "medians": [
            {"variant": variant, "metric": metric, "unit": series.unit}
            | {"median": series.median, "spread": series.spread}
            for variant, metric, series in measurement.rounds.all_series()
        ],
        "rounds": [
            {"samples": each.samples, "load": asdict(each.load)}
            for each in measurement.rounds.rounds
        ],
        "goals": [
            {"name": each.name, "bound": each.bound, "goal": each.goal}
            | {"measured": each.measured, "unit": each.series.unit, "met": each.met}
            | {"spread": each.series.spread, "rounds": each.series.values}
            for each in measurement.verdicts
        ],
    }


def _table(rounds: Rounds) -> list[str]:
    rows = [_TITLES]
    for variant, metric, series in rounds.all_series():
        numbers = (series.median, series.spread, min(series.values), max(series.values))
        median_, spread, low, high = map(number, numbers)
        rows.append((variant, metric, median_, spread, low, high, series.unit))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    texts = {0, 1, len(_TITLES) - 1}
    return [
        "  ".join(
            cell.ljust(width) if i in texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _load(rounds: Rounds) -> str:
    own = median(each.load.own_cores for each in rounds.rounds)
    others = [each.load.other_cores for each in rounds.rounds]
    noisy = median(others) > QUIET_CORES
    return (
        f"load: this program {own:.2f} cores, others {median(others):.2f} "
        f"({max(others):.2f} in the busiest round)"
        f"{': noisy, trust the comparisons only' if noisy else ''}"
    )


def _goal(verdict: Verdict) -> str:
    series = verdict.series
    return (
        f"  {'met' if verdict.met else 'NOT met':8} {verdict.name}: {number(verdict.measured)} "
        f"± {number(series.spread)} {series.unit} ({verdict.bound} {verdict.goal:g})"
    )


def number(value: float) -> str:
    """A value with three digits that say something."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(6, max(0, decimals))}f}"
