"""A model in a process of its own: how soon its first result is there, and what it costs.

    python -m benchmarks.inference_start SUBJECT.json STATE_DIR

It prints what `Start` holds. Several pipelines use the model, one after the other.
"""

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.inference.catalog import ModelCard
from appliance.inference.families.fitting import Form
from appliance.inference.models import Models
from appliance.inference.store import Store
from appliance.observe.log import set_up_logging
from benchmarks.inference_subjects import Subject, fresh, pictures
from benchmarks.machine import ROOT
from benchmarks.samples import Values

PIPELINES = 4
RUNS = 20
LONGEST_S = 300
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Start:
    """When the first result was there, on the machine's line of time; and memory, in MiB.

    `memory` is what one pipeline that uses the model needs, and `each` what each one more does.
    """

    first_at: float
    memory: float
    each: float


def values(subject: Subject, *, quick: bool = False) -> Values:
    """Two starts of new processes, the first of which finds nothing kept; the second's memory."""
    with tempfile.TemporaryDirectory(prefix="bench-inference-") as folder:
        cold_s, start = _started(subject, Path(folder))
        warm_s, start = (cold_s, start) if quick else _started(subject, Path(folder))
    return {"cold": cold_s, "warm": warm_s, "memory": start.memory, "each": start.each}


def _started(subject: Subject, folder: Path) -> tuple[float, Start]:
    said = folder / "subject.json"
    said.write_text(
        json.dumps({"card": subject.card.model_dump(mode="json"), "task": subject.task})
    )
    command = [sys.executable, "-m", "benchmarks.inference_start", str(said), str(folder / "state")]
    began_at = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, timeout=LONGEST_S, check=True, text=True
    )
    start = Start(**json.loads(done.stdout))
    return start.first_at - began_at, start


def measured(card: ModelCard, task: str, state: Path) -> Start:
    """Let several pipelines use the model, in this process."""
    before = _resident()
    subject = Subject(card, Path(), task, Form((1, 1)))
    lending = Models(Store(state), {card.name: card}).lend()
    # All of them ask before one computes, as when a daemon starts.
    uses = [subject.use(lending.host()) for _ in range(PIPELINES)]
    planes = pictures()
    uses[0](fresh(planes[0]))
    first_at = time.monotonic()
    grown = []
    for use in uses:
        for number in range(RUNS):
            use(fresh(planes[number % len(planes)]))
        gc.collect()
        grown.append((_resident() - before) / MIB)
    return Start(first_at, grown[0], (grown[-1] - grown[0]) / (PIPELINES - 1))


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def main(said: str, state: str) -> None:
    """Print what was measured."""
    set_up_logging("console", "WARNING")
    given = json.loads(Path(said).read_text("utf-8"))
    card = ModelCard.model_validate(given["card"])
    print(json.dumps(asdict(measured(card, given["task"], Path(state)))))


if __name__ == "__main__":
    main(*sys.argv[1:3])
