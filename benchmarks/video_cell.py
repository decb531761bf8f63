"""One cell of the matrix in a process of its own: `python -m benchmarks.video_cell JSON`.

Prints one line of JSON: a number for each metric, and in words what the status said.
"""

import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.observe.log import set_up_logging
from appliance.observe.processor import core_count
from benchmarks.video_bare import bare
from benchmarks.video_baselines import Found, loop_of_opencv, model_for, process_for_each
from benchmarks.video_blocks import DETECTING
from benchmarks.video_clips import RATE, Format, clip_of
from benchmarks.video_costs import Costs, measure
from benchmarks.video_load import percentile, rss_mib
from benchmarks.video_site import STATE_DIR, Site, Span, counting, looped

# The daemon with the whole workflow that counts people, and with one that only detects them: what
# else a workflow computes is no part of L.
DAEMON = ("daemon", "detector")
BARE = "bare"
DESIGNS = (*DAEMON, BARE, "opencv loop", "process each")
MAX_LATENCY_S = 0.5


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: a design, cameras, their format; `seconds` long, after `settle_s`."""

    design: str
    cameras: int
    format: Format
    seconds: float
    settle_s: float

    @property
    def name(self) -> str:
        """As the tables have it."""
        return f"{self.design}, {self.cameras} x {self.format}"


def main(text: str) -> None:
    """Measure a cell and print what was found."""
    set_up_logging("console", "ERROR")
    given = json.loads(text)
    cell = Cell(**{**given, "format": Format(**given["format"])})
    clip = clip_of(cell.format, STATE_DIR)
    print(json.dumps(_daemon(cell, clip) if cell.design in DAEMON else _baseline(cell, clip)))


def _daemon(cell: Cell, clip: Path) -> dict[str, Any]:
    cameras = looped(clip, cell.cameras)
    counts = counting(list(cameras), max_latency_s=MAX_LATENCY_S)
    if cell.design == "detector":
        counts["count"]["workflow"] = "detecting.yaml"
    site = Site(cameras, counts, {"detecting.yaml": DETECTING})
    callers = min(cell.cameras, core_count())
    costs = [measure(site.model, clip, callers)]
    with site:
        time.sleep(cell.settle_s)
        span = site.watch(cell.seconds)
        rss, status = rss_mib(), site.daemon.status()
    costs.append(measure(site.model, clip, callers))
    levels = Counter(camera["level"] for camera in status["cameras"].values())
    words = ", ".join(f"{count} x {level}" for level, count in levels.most_common())
    told = "; ".join(filter(None, [words, status["short"]]))
    values = _figures(span, Costs.of(costs), rss)
    values["told short"] = float("decoding is short" in status["short"])
    return {"values": values, "told": told}


def _figures(span: Span, costs: Costs, rss: float) -> dict[str, float]:
    captured = sum(map(span.captured, span.buckets))
    decoding = costs.decoding(span.decoded, captured)
    cores, results = span.use.cores, sum(span.rates)
    limit = costs.limit(cores, RATE * len(span.buckets), decoding)
    ages = [age for lane in span.ages_ms.values() for age in lane]
    worst = max((percentile(list(lane), 0.95) for lane in span.ages_ms.values()), default=0.0)
    return {
        "results": results,
        "limit": limit,
        "efficiency": results / limit if limit else 0.0,
        "p50": percentile(ages, 0.5),
        "p95": percentile(ages, 0.95),
        "p99": percentile(ages, 0.99),
        "worst p95": worst,
        "fairness": min(span.rates) / max(*span.rates, 1e-9),
        "least": min(span.rates),
        "captured": captured,
        "decoded": span.decoded,
        "cpu captured": span.use.own / captured * 1000 if captured else 0.0,
        "cpu processed": span.use.own / results * 1000 if results else 0.0,
        "rss": rss,
        "k": cores,
        "idle": span.use.idle,
        "d": costs.decode,
        "key": costs.key,
        "c": costs.inference,
        "o": costs.around,
        "decode share": costs.decode * captured / (cores * 1000),
    }


def _bare(cell: Cell, clip: Path) -> tuple[Found, dict[str, float]]:
    """The bare program, and its part of the limit."""
    callers = min(cell.cameras, core_count())
    model = model_for(callers)
    measured = [measure(model, clip, callers)]
    found = bare(clip, model, callers, cell.cameras, settle_s=cell.settle_s, seconds=cell.seconds)
    measured.append(measure(model, clip, callers))
    costs, sent = Costs.of(measured), float(RATE * cell.cameras)
    # It decodes all that is sent.
    limit = costs.limit(found.use.cores, sent, costs.decoding(sent, sent))
    own = {"d": costs.decode, "key": costs.key, "c": costs.inference, "o": costs.around}
    return found, own | {"limit": limit, "efficiency": sum(found.rates) / limit if limit else 0.0}


def _baseline(cell: Cell, clip: Path) -> dict[str, Any]:
    if cell.design == BARE:
        found, more = _bare(cell, clip)
        return _told(found, more)
    run = loop_of_opencv if cell.design == "opencv loop" else process_for_each
    return _told(run(clip, cell.cameras, cell.settle_s, cell.seconds), {})


def _told(found: Found, more: dict[str, float]) -> dict[str, Any]:
    results = sum(found.rates)
    ages = [age for lane in found.ages_ms for age in lane]
    values = {
        "results": results,
        "p50": percentile(ages, 0.5),
        "p95": percentile(ages, 0.95),
        "p99": percentile(ages, 0.99),
        "worst p95": max(percentile(lane, 0.95) for lane in found.ages_ms),
        "fairness": min(found.rates) / max(*found.rates, 1e-9),
        "least": min(found.rates),
        "cpu processed": found.use.own / results * 1000 if results else 0.0,
        "rss": found.rss_mib,
        "k": found.use.cores,
        "idle": found.use.idle,
    }
    return {"values": values | more, "told": ""}


def arguments(cell: Cell) -> str:
    """What `main` is given for a cell."""
    return json.dumps(asdict(cell))


if __name__ == "__main__":
    main(sys.argv[1])
