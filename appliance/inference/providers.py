"""Which provider runs which model: found by trying it in a child process, and remembered.

A provider may crash the process on a model that another one runs, so a model is first run by a
child. What was found is kept per model, onnxruntime and processor.
"""

import hashlib
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

import appliance
from appliance.inference.session import CPU, available_providers, runtime_version

PROBE_TIMEOUT_S = 120
PROBE = (sys.executable, "-m", "appliance.inference.probe")
_TOP = Path(appliance.__file__).parents[1]

log = structlog.get_logger(__name__)


class Verdict(BaseModel):
    """Whether a provider can run a model here, and if not, why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    provider: str
    runtime: str
    processor: str
    works: bool
    reason: str = ""


class Choice(BaseModel):
    """The provider to use, and why not a better one."""

    model_config = ConfigDict(frozen=True)

    provider: str
    reason: str = ""


def choose_provider(
    model: Path,
    sha256: str,
    shape: tuple[int, ...],
    folder: Path,
    command: Sequence[str] = PROBE,
) -> Choice:
    """The best provider that can run a model with inputs of this shape.

    `folder` keeps what was found; `command` is the child that finds it.
    """
    reason = ""
    for provider in available_providers():
        if provider == CPU:
            break
        known = Verdict(
            model=sha256,
            provider=provider,
            runtime=runtime_version(),
            processor=_processor(),
            works=True,
        )
        path = folder / f"{_key(known)}.json"
        verdict = _recall(path, known) or _find_out(model, shape, known, path, command)
        if verdict.works:
            return Choice(provider=provider)
        reason = verdict.reason
    return Choice(provider=CPU, reason=reason)


def _find_out(
    model: Path, shape: tuple[int, ...], known: Verdict, path: Path, command: Sequence[str]
) -> Verdict:
    ending, reason = _run_child(model, shape, known.provider, command)
    verdict = known.model_copy(update={"works": ending == "works", "reason": reason})
    log.info("provider tried", provider=known.provider, works=verdict.works, reason=reason)
    if ending != "unclear":
        _remember(path, verdict)
    return verdict


def _run_child(
    model: Path, shape: tuple[int, ...], provider: str, command: Sequence[str]
) -> tuple[Literal["works", "fails", "unclear"], str]:
    sizes = ",".join(map(str, shape))
    try:
        child = subprocess.run(
            [*command, str(model.absolute()), provider, sizes],
            cwd=_TOP,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # The machine may just be busy: it is asked again at the next start.
        return "unclear", f"it had not answered after {PROBE_TIMEOUT_S} seconds"
    if child.returncode == 0:
        return "works", ""
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        # Killed from outside, as for want of memory, says nothing of the model.
        outside = -child.returncode in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        return "unclear" if outside else "fails", f"it crashed ({name})"
    lines = child.stderr.strip().splitlines()
    return "fails", lines[-1][:300] if lines else f"it ended with status {child.returncode}"


def _recall(path: Path, known: Verdict) -> Verdict | None:
    try:
        verdict = Verdict.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return verdict if _key(verdict) == _key(known) else None


def _remember(path: Path, verdict: Verdict) -> None:
    unfinished = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(verdict.model_dump_json(indent=2), "utf-8")
        unfinished.replace(path)
    except OSError as error:
        log.warning("cannot keep which provider works; it is tried at each start", error=str(error))


def _key(verdict: Verdict) -> str:
    parts = (verdict.model, verdict.provider, verdict.runtime, verdict.processor)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
