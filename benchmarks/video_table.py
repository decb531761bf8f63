"""The figures of cameras as tables: one line for each cell, one for each scenario."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.report import QUIET_CORES, Measurement, number
from benchmarks.samples import Rounds

_COLUMNS = (
    ("results", "results/s"),
    ("limit", "L"),
    ("efficiency", "eff"),
    ("p50", "p50 ms"),
    ("p95", "p95 ms"),
    ("p99", "p99 ms"),
    ("worst p95", "worst"),
    ("fairness", "min/max"),
    ("cpu captured", "ms/captured"),
    ("cpu processed", "ms/processed"),
    ("rss", "MiB"),
    ("k", "k"),
    ("idle", "idle"),
    ("d", "d"),
    ("key", "key"),
    ("c", "c"),
    ("o", "o"),
    ("decoded", "decoded/s"),
)


def head_of(measurement: Measurement) -> list[str]:
    """What was measured, on what, and how loaded it was."""
    machine, code, rounds = measurement.machine, measurement.code, measurement.rounds.rounds
    commit = f"commit {code.commit or 'unknown'}{' with changes' if code.modified else ''}"
    others = median(each.load.other_cores for each in rounds)
    noisy = ": noisy, trust what is normalised only" if others > QUIET_CORES else ""
    return [
        f"{measurement.name}: {measurement.about}",
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}",
        f"{measurement.began_at:%Y-%m-%d %H:%M} UTC, {commit}",
        ", ".join(f"{name} {version}" for name, version in measurement.versions.items()),
        f"{len(rounds)} rounds, medians; all others used {others:.2f} cores{noisy}",
        "",
    ]


def table_of(rounds: Rounds, told: Mapping[str, Counter[str]]) -> list[str]:
    """The cells in columns, what their status said most often, and then the scenarios."""
    cells = [name for name, values in rounds.rounds[0].samples.items() if "k" in values]
    rows = [("cell", *(title for _, title in _COLUMNS))]
    for name in cells:
        known = rounds.rounds[0].samples[name]
        figures = [
            number(rounds[name, metric].median) if metric in known else "" for metric, _ in _COLUMNS
        ]
        rows.append((name, *figures))
    lines = _aligned(rows) if cells else []
    lines += [""] + [
        f"  {name}: {said.most_common(1)[0][0]}" for name, said in told.items() if said
    ]
    for variant, metric, series in rounds.all_series():
        if variant not in cells:
            lines.append(
                f"{variant}, {metric}: {number(series.median)} ± {number(series.spread)} "
                f"{series.unit}"
            )
    return lines


def verdict_lines(measurement: Measurement) -> list[str]:
    """Each goal, and whether it is met."""
    lines = ["", "goals (medians of the rounds)"]
    for each in measurement.verdicts:
        word = "PASS" if each.met else "FAIL"
        lines.append(
            f"  {word} {each.name}: {number(each.measured)} ± {number(each.series.spread)} "
            f"{each.series.unit} ({each.bound} {each.goal:g})"
        )
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
