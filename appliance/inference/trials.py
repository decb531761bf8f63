"""What is known of providers: found by a child process that tries them, and kept.

A provider may crash the process on a model that another one runs, so a model is first run by a
child. What was found is kept per model, input, precision, onnxruntime, processor and version of
the trial.
"""

import hashlib
import platform
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.inference.children import child, last_words, run_child
from appliance.inference.precision import processor_flags
from appliance.inference.probe import VERSION, Measured, Trial
from appliance.inference.session import Computes, runtime_version

PROBE_TIMEOUT_S = 120
PROBE = child("probe")
_NO_MEMORY = re.compile(
    r"bad_alloc|bad allocation|MemoryError|Cannot allocate memory|[Ff]ailed to allocate"
    r"|Unable to allocate|out of memory|Resource temporarily unavailable"
)

log = structlog.get_logger(__name__)

Ending = Literal["works", "fails", "unclear", "no memory"]


class Verdict(BaseModel):
    """Whether a provider can run a model here, and how; if not, why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    model: str
    provider: str
    precision: Computes
    shape: tuple[int, ...]
    runtime: str
    processor: str
    ending: Ending
    reason: str = ""
    measured: Measured = Measured()

    @property
    def works(self) -> bool:
        """Whether it can."""
        return self.ending == "works"


def blank(trial: Trial, sha256: str) -> Verdict:
    """What is known of a trial of the model with this digest before it was made: nothing."""
    return Verdict(
        version=VERSION,
        model=sha256,
        provider=trial.provider,
        precision=trial.precision,
        shape=trial.shape,
        runtime=runtime_version(),
        processor=_processor(),
        ending="unclear",
    )


def recalled(trial: Trial, sha256: str, folder: Path) -> Verdict | None:
    """What was found before, and kept in the folder."""
    known = blank(trial, sha256)
    verdict = _read(_place(known, folder))
    return verdict if verdict is not None and _key(verdict) == _key(known) else None


def verdicts(sha256: str, folder: Path) -> list[Verdict]:
    """All that was found of a model with this runtime and processor."""
    found = []
    for path in sorted(folder.glob("*.json")):
        verdict = _read(path)
        here = (VERSION, sha256, runtime_version(), _processor())
        if verdict and (verdict.version, verdict.model, verdict.runtime, verdict.processor) == here:
            found.append(verdict)
    return sorted(found, key=lambda verdict: (verdict.provider, verdict.precision))


def find_out(trial: Trial, sha256: str, folder: Path, command: Sequence[str] = PROBE) -> Verdict:
    """What a trial shows now, which is kept in the folder; `command` is the child that makes it."""
    ending, reason, measured = _run_child(trial, command)
    found = {"ending": ending, "reason": reason, "measured": measured}
    verdict = blank(trial, sha256).model_copy(update=found)
    log.info(
        "provider tried",
        provider=trial.provider,
        precision=trial.precision,
        ending=ending,
        reason=reason,
        **measured.model_dump(exclude_defaults=True),
    )
    # The machine may just be busy, or short of memory: it is asked again at the next start.
    if ending in ("works", "fails"):
        _remember(_place(verdict, folder), verdict)
    return verdict


def _run_child(trial: Trial, command: Sequence[str]) -> tuple[Ending, str, Measured]:
    absolute = trial.model_copy(update={"model": trial.model.absolute()})
    try:
        done = run_child(command, absolute.model_dump_json(), PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return "unclear", f"it had not answered after {PROBE_TIMEOUT_S} seconds", Measured()
    if done.returncode == 0:
        return "works", "", _measured(done.stdout)
    return *_failure(done), Measured()


def _failure(done: subprocess.CompletedProcess[str]) -> tuple[Ending, str]:
    status, said = done.returncode, done.stderr.strip().splitlines()[-3:]
    if _NO_MEMORY.search("\n".join(said)):
        return "no memory", "there is not enough memory for it"
    if status < 0:
        # Killed from outside, as for want of memory, says nothing of the model.
        outside = -status in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        return "unclear" if outside else "fails", f"it crashed ({signal.Signals(-status).name})"
    return "fails", last_words(done)


def _measured(printed: str) -> Measured:
    """What the child said last; libraries may have printed before."""
    lines = printed.strip().splitlines()
    try:
        return Measured.model_validate_json(lines[-1]) if lines else Measured()
    except ValidationError:
        return Measured()


def _read(path: Path) -> Verdict | None:
    try:
        return Verdict.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _remember(path: Path, verdict: Verdict) -> None:
    unfinished = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(verdict.model_dump_json(indent=2), "utf-8")
        unfinished.replace(path)
    except OSError as error:
        log.warning("cannot keep which provider works; it is tried at each start", error=str(error))


def _place(verdict: Verdict, folder: Path) -> Path:
    return folder / f"{_key(verdict)}.json"


def _key(verdict: Verdict) -> str:
    sizes = ",".join(map(str, verdict.shape))
    parts = (str(verdict.version), verdict.model, verdict.provider, verdict.precision, sizes)
    return _short_hash("\n".join((*parts, verdict.runtime, verdict.processor)))


def _processor() -> str:
    """The processor, and what it can do: a virtual machine may hide parts of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name} {_short_hash(' '.join(processor_flags()))[:8]}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
