"""Tries a model on a provider, as a program of its own, because a provider may crash on a model.

    python -m appliance.inference.probe TRIAL

`TRIAL` is a `Trial` in JSON. It ends with 0 and prints `Measured` in JSON as its last line, or with
the reason why the provider should not be used as the last line of its error output.
"""

import resource
import sys
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from appliance.clock import Clock, SystemClock
from appliance.inference.families.fitting import Form
from appliance.inference.memory_need import MIB
from appliance.inference.precision import TOLERANCE, difference
from appliance.inference.sampling import noise, picture, tensor_of
from appliance.inference.session import Computes, Session, short

# Of what is tried and how: with another number, all is tried again.
VERSION = 2
# A few runs beside each other are enough to tell fast from slow: the shortest of each counts.
MEASURE_S, MOST_ROUNDS = 1.0, 40
# The stacks of threads, and memory that is only reserved.
MEMORY_MARGIN_MIB = 256
# In bf16, whether a difference matters is for others to say; no number at all is of no use.
_ANY_NUMBER = 1e6
# Two providers that round sums of 8 bits in their own ways differ by 0.02.
_INT8_TOLERANCE = 0.1


class Trial(BaseModel):
    """What is tried: a model on a provider in a precision, on an input of `shape`.

    With a `form`, that is a drawn picture, else noise. `reference` is the provider, in float32,
    whose outputs it is held against and whose speed is measured beside its own. `memory_mib` is
    what it may take; 0 is without limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Path
    provider: str
    precision: Computes = "fp32"
    shape: tuple[int, ...]
    form: Form | None = None
    reference: str = ""
    memory_mib: int = 0


class Measured(BaseModel):
    """What was measured of one caller: the shortest runs, and the memory that loading and one took.

    `difference` is that of `precision.difference`, in the output `output`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    result_ms: float = 0.0
    reference_ms: float = 0.0
    difference: float = 0.0
    output: str = ""
    memory_mib: int = 0


class UnlikeError(ValueError):
    """A provider does not give what the reference gives."""


def carry_out(trial: Trial, clock: Clock) -> Measured:
    """Run the model as the trial says.

    Raises:
        UnlikeError: its outputs are unlike those of the reference, in float32; or no numbers.
        Exception: onnxruntime cannot load or run it.
    """
    before_mib = _peak_mib()
    session = Session(trial.model, trial.provider, precision=trial.precision)
    tensor = _tensor(trial, session)
    began = clock.monotonic()
    found = session.run(tensor)
    first_ms = round((clock.monotonic() - began) * 1000, 3)
    memory_mib = max(1, _peak_mib() - before_mib)
    if first_ms > MEASURE_S * 1000 and not trial.reference:
        return Measured(result_ms=first_ms, memory_mib=memory_mib)
    if not trial.reference:
        (ours,) = _times([session], tensor, clock)
        return Measured(result_ms=ours, memory_mib=memory_mib)
    trusted = Session(trial.model, trial.reference)
    off, output = difference(found, trusted.run(tensor))
    if not off <= _tolerance(trial):
        raise UnlikeError(f"the output {output} differs from that on {short(trial.reference)}")
    ours, theirs = _times([session, trusted], tensor, clock)
    return Measured(
        result_ms=ours,
        reference_ms=theirs,
        difference=round(off, 6),
        output=output,
        memory_mib=memory_mib,
    )


def _tolerance(trial: Trial) -> float:
    if trial.precision == "bf16":
        return _ANY_NUMBER
    return _INT8_TOLERANCE if is_quantized(trial.model) else TOLERANCE


def is_quantized(model: Path) -> bool:
    """Whether a file computes in 8 bits somewhere: it names the operator that leads back."""
    with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return content.find(b"DequantizeLinear") >= 0


def _tensor(trial: Trial, session: Session) -> NDArray[Any]:
    if trial.form is None:
        return noise(trial.shape, session.input_type)
    return tensor_of(picture(), trial.form, session.input_type, session.input_shape)


def _times(sessions: list[Session], tensor: NDArray[Any], clock: Clock) -> list[float]:
    """The shortest run of each in milliseconds, taking turns."""
    best = [float("inf")] * len(sessions)
    end = clock.monotonic() + MEASURE_S
    for _ in range(MOST_ROUNDS):
        for number, session in enumerate(sessions):
            began = clock.monotonic()
            session.run(tensor)
            best[number] = min(best[number], (clock.monotonic() - began) * 1000)
        if clock.monotonic() >= end:
            break
    return [round(time, 3) for time in best]


def _peak_mib() -> int:
    """The most memory this program had yet; what getrusage says, its parent may have had."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 // MIB
    return 0


def _confine(memory_mib: int) -> None:
    """Have a crash or a lack of memory end this program, and harm no other."""
    # A crash is expected here, and its memory image is of no use to anybody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        # Where memory runs out, the kernel shall end this one first.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    if memory_mib:
        limit = (memory_mib + MEMORY_MARGIN_MIB) * MIB
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main(text: str) -> int:
    """Carry out a trial; the exit status."""
    trial = Trial.model_validate_json(text)
    _confine(trial.memory_mib)
    try:
        measured = carry_out(trial, SystemClock())
    except UnlikeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"\n{measured.model_dump_json()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
