"""How many results a model gives on a provider, as a program of its own.

    python -m appliance.inference.rating CELL

It prints a `Rate` in JSON as its last line, or ends with the reason of a failure.
"""

import resource
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from appliance.clock import Clock, SystemClock
from appliance.inference.families.fitting import Form
from appliance.inference.memory_need import MIB
from appliance.inference.sampling import picture, tensor_of
from appliance.inference.session import Computes, Session
from appliance.supervisor import Supervisor

WARM_UP = 3


class Cell(BaseModel):
    """What is rated: a file on a provider in a precision, with so many callers for so long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path
    provider: str
    precision: Computes
    form: Form
    callers: int
    seconds: float


class Rate(BaseModel):
    """Results a second of all callers, the median of the times for one, and the memory taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results_s: float
    p50_ms: float
    memory_mib: int


def rate(cell: Cell, clock: Clock) -> Rate:
    """Run the model on a drawn picture.

    Raises:
        Exception: onnxruntime cannot load or run it.
    """
    before = _resident_mib()
    session = Session(cell.model, cell.provider, cell.callers, cell.precision)
    tensor = tensor_of(picture(), cell.form, session.input_type, session.input_shape)
    for _ in range(WARM_UP):
        session.run(tensor)
    began = clock.monotonic()
    times = _times(session, tensor, cell, clock)
    took = clock.monotonic() - began
    return Rate(
        results_s=round(len(times) / took, 2),
        p50_ms=round(float(np.median(times)) * 1000, 3),
        memory_mib=_resident_mib() - before,
    )


def _times(session: Session, tensor: NDArray[np.generic], cell: Cell, clock: Clock) -> list[float]:
    """How long each run took, in seconds, of all callers together."""
    until = clock.monotonic() + cell.seconds
    times: list[float] = []

    def call(stop: threading.Event) -> None:
        while not stop.is_set() and clock.monotonic() < until:
            began = clock.monotonic()
            session.run(tensor)
            times.append(clock.monotonic() - began)

    supervisor = Supervisor(clock)
    tasks = [supervisor.start(f"caller-{n}", call, restart=False) for n in range(cell.callers)]
    for task in tasks:
        task.done.wait()
    return times


def _resident_mib() -> int:
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize() // MIB
    return 0


def main(text: str) -> int:
    """Rate one cell; the exit status."""
    # A crash may be what comes of it, and its memory image is of no use to anybody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rated = rate(Cell.model_validate_json(text), SystemClock())
    sys.stdout.write(f"\n{rated.model_dump_json()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
