"""Int8 copies of models: made of samples, held against the model, and kept."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from appliance.inference.agreement import agreement
from appliance.inference.catalog import ModelError
from appliance.inference.children import child, last_words, run_child
from appliance.inference.front import alone
from appliance.inference.packages import PIP, PIP_NETWORK, run_program
from appliance.inference.providers import choose_provider
from appliance.inference.quantizer import Order, read_image
from appliance.inference.resolution import Resolved
from appliance.inference.session import Session
from appliance.inference.store import Store, digest
from appliance.shipped import shipped

QUANTIZE = child("quantizer")
TIMEOUT_S = 3600
TOOLS_MB = 40
LOCK_FILE = "requirements/convert.txt"
# More pictures change little, and take their time.
MOST_CALIBRATING, MOST_COMPARED = 100, 200
PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

Report = Callable[[str], None]


class Record(BaseModel):
    """What was measured when an int8 copy was made: how far it finds the same, and the times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sha256: str
    agreement: float
    measure: str
    samples: int
    fp32_ms: float
    int8_ms: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """The int8 copy of a model. `path` is the file, which has the checksum `sha256`."""

    path: Path
    sha256: str
    record: Record


def quantized(sha256: str, store: Store) -> Quantized | None:
    """The int8 copy of the model with this checksum, checked; none was made: None.

    Raises:
        ModelError: it is damaged. The text leaves out the model's name.
    """
    try:
        record = Record.model_validate_json(_place(sha256, store).read_bytes())
    except (OSError, ValidationError):
        return None
    path = store.model_path(record.sha256)
    with suppress(OSError):
        if digest(path) == record.sha256:
            return Quantized(path, record.sha256, record)
    raise ModelError(f"its int8 file {path} is missing or damaged: make it again")


def quantize(
    resolved: Resolved, pictures: Sequence[Path], store: Store, report: Report, *, keep: bool = True
) -> Record:
    """Make the int8 copy of a model with these pictures, hold both against each other, and keep it.

    Raises:
        FetchError: what it takes cannot be had.
        ModelError: it cannot be made, or cannot be run.
    """
    key = f"quantize-{resolved.sha256[:16]}"
    # It is run with the image alone.
    path = alone(resolved.path, resolved.sha256, resolved.form, store.prepared)
    resolved = replace(resolved, path=path)
    waiting = lambda: report("another program makes it now: waiting")  # noqa: E731 - one sentence
    with store.locked_as(key, waiting), store.workplace_as(key) as folder:
        copy = folder / "int8.onnx"
        tools = None if find_spec("onnx") else _install(folder / "tools", report)
        report(f"quantizing with {min(len(pictures), MOST_CALIBRATING)} pictures")
        _run(_order(resolved, pictures, copy, tools), resolved.card.name)
        report(f"comparing on {min(len(pictures), MOST_COMPARED)} pictures")
        record = _compared(resolved, copy, pictures, store)
        if keep:
            store.keep_model(copy, record.sha256)
            store.written(_place(resolved.sha256, store), record.model_dump_json(indent=2))
    return record


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder that can be read, by name.

    Raises:
        ModelError: there are none.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    except OSError as error:
        raise ModelError(f"the folder {folder} cannot be read: {error.strerror}") from None
    readable = [path for path in _spread(found, MOST_COMPARED) if read_image(path) is not None]
    if not readable:
        raise ModelError(
            f"there are no pictures in {folder}: put some there that are like what the camera "
            f"sees, 30 or more ({', '.join(PICTURES)})"
        )
    return readable


def _order(resolved: Resolved, pictures: Sequence[Path], copy: Path, tools: Path | None) -> Order:
    return Order(
        model=resolved.path.absolute(),
        target=copy,
        form=resolved.form,
        samples=tuple(path.absolute() for path in _spread(pictures, MOST_CALIBRATING)),
        tools=tools,
    )


def _run(order: Order, name: str) -> None:
    try:
        done = run_child(QUANTIZE, order.model_dump_json(), TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{name}: it was not quantized after {TIMEOUT_S} seconds") from None
    if done.returncode != 0 or not order.target.is_file():
        raise ModelError(f"{name}: it cannot be quantized: {last_words(done)}")


def _compared(resolved: Resolved, copy: Path, pictures: Sequence[Path], store: Store) -> Record:
    sha256 = digest(copy)
    plain, fp32_ms = _session(resolved, resolved.path, resolved.sha256, store)
    fewer, int8_ms = _session(resolved, copy, sha256, store)
    images = (read_image(path) for path in pictures[:MOST_COMPARED])
    found = agreement(resolved, fewer, plain, (image for image in images if image is not None))
    return Record(
        source=resolved.sha256,
        sha256=sha256,
        agreement=round(found.value, 4),
        measure=found.measure,
        samples=found.samples,
        fp32_ms=fp32_ms,
        int8_ms=int8_ms,
    )


def _session(resolved: Resolved, path: Path, sha256: str, store: Store) -> tuple[Session, float]:
    """A session of the file, never in bf16, and its time for a result in milliseconds."""
    try:
        choice = choose_provider(
            path,
            sha256,
            resolved.form.shape,
            store.probes,
            form=resolved.form,
            order=resolved.card.providers,
            precision="fp32",
        )
    except ModelError as error:
        raise ModelError(f"{resolved.card.name}: {error}") from error
    return Session(path, choice.provider), float(choice.notes.get("result_ms", 0.0))


def _install(folder: Path, report: Report) -> Path:
    """A folder with `onnx` in it, and what that takes."""
    report(f"downloading onnx for the quantization ({TOOLS_MB} MB, removed afterwards)")
    lock = shipped(LOCK_FILE)
    if not lock.is_file():
        raise ModelError(f"the file {lock} is missing: install the program again")
    folder.mkdir()
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    install = (*PIP, "install", *PIP_NETWORK, "--no-compile", "--target", str(folder), *locked)
    run_program(*install, cwd=folder).require("installing what the quantization needs (onnx)")
    return folder


def _place(sha256: str, store: Store) -> Path:
    return store.root / "quantized" / f"{sha256}.json"


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    """So many of them at most, evenly chosen."""
    step = max(1.0, len(paths) / most)
    return [paths[int(number * step)] for number in range(min(len(paths), most))]
