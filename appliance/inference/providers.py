"""Which provider runs which model, and in which precision: found by trying, in child processes."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from appliance.inference.catalog import ModelError, Precision
from appliance.inference.families.fitting import Form
from appliance.inference.memory_need import free_mib, needed_mib, shortage
from appliance.inference.precision import TOLERANCE, has_bf16
from appliance.inference.probe import Trial
from appliance.inference.session import (
    CPU,
    KNOWN,
    OPENVINO,
    Computes,
    available_providers,
    short,
)
from appliance.inference.trials import PROBE, Verdict, blank, find_out, recalled

# Another provider must save that much before it is taken out of turn; several callers at a time
# change less.
CLEARLY = 1.3
FASTER = 1.05


class NotNowError(ModelError):
    """A model cannot be run now; later, or with more memory, it may be."""


class UnusableError(ModelError):
    """A file that no provider can run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The provider to use and what it computes in, why not a better one, and what was measured.

    `notes` are plain data for the status: difference of bf16 from fp32, milliseconds, MiB.
    """

    provider: str
    precision: Computes = "fp32"
    reason: str = ""
    notes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider in a precision, with its time for a result; in parts of that of the CPU's own."""

    verdict: Verdict
    share: float


def choose_provider(  # noqa: PLR0913 - what is asked of it, by name
    model: Path,
    sha256: str,
    shape: tuple[int, ...],
    folder: Path,
    command: Sequence[str] = PROBE,
    *,
    form: Form | None = None,
    order: Sequence[str] = (),
    precision: Precision = "auto",
) -> Choice:
    """What runs a model with inputs of this shape here.

    `order` names the providers that may, the first choice first; else it is the best that works,
    unless onnxruntime's own is clearly faster. `folder` keeps what was found; `command` is the
    child that finds it; `form` is of the picture that it is tried on.

    Raises:
        NotNowError: memory is short, or the child gave no answer.
        UnusableError: no provider here can run it.
        ModelError: not in this precision, or none of its providers is here. The text leaves out
            the model's name.
    """
    providers = providers_in(order)
    _check_bf16(precision, providers)
    trier = _Trier(Trial(model=model, provider=CPU, shape=shape, form=form), sha256, folder)
    trier = replace(trier, command=command)
    reasons: list[str] = []
    failed: list[Verdict] = []
    for provider in providers:
        found = trier.best(provider, precision)
        if not found.verdict.works:
            failed.append(found.verdict)
            reasons.append(_why(found.verdict))
        elif not order and provider == OPENVINO and found.share > CLEARLY and precision != "bf16":
            theirs_ms = found.verdict.measured.result_ms
            reasons.append(f"{short(provider)}: it takes {theirs_ms:.3g} ms for a result")
            reasons[-1] += f", {short(CPU)} {theirs_ms / found.share:.3g} ms"
        else:
            return _chosen(found.verdict, reasons)
    raise _refusal(failed, reasons)


def providers_in(order: Sequence[str]) -> list[str]:
    """The providers of this build, as a card names them; all, best first, if it names none.

    Raises:
        ModelError: a name is none, or this build has none of those named.
    """
    built = available_providers()
    if not order:
        # TensorRT builds its engine for minutes: only for who asks for it.
        return [provider for provider in built if provider != KNOWN[0]]
    names = {short(provider).lower(): provider for provider in KNOWN}
    wanted = []
    for name in order:
        plain = short(name).lower()
        if plain not in names:
            close = difflib.get_close_matches(plain, names, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
            raise ModelError(f"there is no provider {name!r} ({hint})")
        wanted.append(names[plain])
    found = [provider for provider in wanted if provider in built]
    if not found:
        raise ModelError(
            f"the onnxruntime installed here has no {' or '.join(map(short, wanted))}, "
            f"but {', '.join(map(short, built))}"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Trier:
    """Tries one model on one provider after the other."""

    trial: Trial
    sha256: str
    folder: Path
    command: Sequence[str] = PROBE

    def best(self, provider: str, precision: Precision) -> Candidate:
        """The provider in the precision wanted; `auto` is bf16 where that is as good and faster."""
        plain = self._try(provider, "fp32", "" if provider == CPU else CPU)
        if provider != OPENVINO or not plain.verdict.works or precision in ("fp32", "int8"):
            return plain
        if not has_bf16():
            return plain
        fewer = self._try(provider, "bf16", provider)
        fewer = replace(fewer, share=fewer.share * plain.share)
        if precision == "bf16":
            return fewer
        good = fewer.verdict.works and fewer.verdict.measured.difference <= TOLERANCE
        return fewer if good and fewer.share * FASTER <= plain.share else plain

    def _try(self, provider: str, precision: Computes, reference: str) -> Candidate:
        update = {"provider": provider, "precision": precision, "reference": reference}
        trial = self.trial.model_copy(update={**update, "memory_mib": free_mib() or 0})
        known = recalled(trial, self.sha256, self.folder)
        # Before anything is loaded it can only be estimated; then the child may take what is free.
        verdict = self._with_room(known or blank(trial, self.sha256))
        if known is None and verdict.ending != "no memory":
            verdict = self._with_room(find_out(trial, self.sha256, self.folder, self.command))
        measured = verdict.measured
        measurable = measured.result_ms and measured.reference_ms
        share = measured.result_ms / measured.reference_ms if measurable else 1.0
        return Candidate(verdict, share)

    def _with_room(self, verdict: Verdict) -> Verdict:
        """The verdict, unless there is not enough memory now."""
        need_mib = verdict.measured.memory_mib or needed_mib(self.trial.model)
        lacking = shortage(need_mib, free_mib())
        if not lacking or verdict.ending == "fails":
            return verdict
        return verdict.model_copy(update={"ending": "no memory", "reason": lacking})


def _check_bf16(precision: Precision, providers: Sequence[str]) -> None:
    if precision != "bf16":
        return
    if not has_bf16():
        raise ModelError(
            "this machine's processor does not compute in bf16 (it has neither avx512_bf16 nor "
            "amx_bf16): set its precision to auto, fp32 or int8"
        )
    if OPENVINO not in providers:
        raise ModelError(
            "only OpenVINO computes in bf16, which is not among its providers: "
            "set its precision to auto, fp32 or int8"
        )


def _chosen(verdict: Verdict, reasons: Sequence[str]) -> Choice:
    measured = verdict.measured
    notes: dict[str, float] = {}
    if measured.result_ms:
        notes["result_ms"] = measured.result_ms
    if verdict.precision == "bf16" and measured.reference_ms:
        notes |= {"fp32_ms": measured.reference_ms, "difference": measured.difference}
    return Choice(verdict.provider, verdict.precision, "; ".join(reasons), notes)


def _why(verdict: Verdict) -> str:
    precision = " in bf16" if verdict.precision == "bf16" else ""
    return f"{short(verdict.provider)}{precision}: {verdict.reason}"


def _refusal(failed: Sequence[Verdict], reasons: Sequence[str]) -> ModelError:
    said = {verdict.reason for verdict in failed}
    # What is wrong with the file itself, each says in the same words.
    text = said.pop() if len(said) == 1 else "; ".join(reasons)
    if any(verdict.ending in ("unclear", "no memory") for verdict in failed):
        return NotNowError(f"it cannot be run now: {text}")
    return UnusableError(f"nothing here can run it: {text}")
