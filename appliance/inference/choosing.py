"""Which file of a model is loaded, and what runs it: all that is decided before it is."""

from dataclasses import dataclass
from pathlib import Path

from appliance.inference.catalog import ModelError
from appliance.inference.front import alone, prepared
from appliance.inference.providers import Choice, NotNowError, UnusableError, choose_provider
from appliance.inference.quantization import quantized
from appliance.inference.resolution import Resolved
from appliance.inference.store import Store


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model: as it came, or its copy in 8 bits; with a `front`, it takes pixels.

    `shape` is of its input, `sha256` of the file without the front.
    """

    path: Path
    sha256: str
    shape: tuple[int, ...]
    front: bool


def choose(resolved: Resolved, store: Store, *, raw: bool = False) -> tuple[File, Choice]:
    """What the daemon loads for a model, and what runs it. A `raw` file takes numbers.

    Raises:
        NotNowError: it cannot be run now.
        ModelError: nothing here can run it, or not in the precision of its card.
    """
    card = resolved.card
    try:
        file = file_of(resolved, store, fewer=card.precision == "int8", raw=raw)
        if file is None:
            raise _no_copy(card.name)
        choice = choose_provider(
            file.path,
            file.sha256,
            file.shape,
            store.probes,
            form=resolved.form,
            order=card.providers,
            precision=card.precision,
        )
    except NotNowError as error:
        raise NotNowError(f"{card.name}: {error}") from error
    except UnusableError as error:
        raise ModelError(f"{card.name}: {error} ({resolved.path})") from error
    except ModelError as error:
        raise ModelError(f"{card.name}: {error}") from error
    return file, choice


def file_of(resolved: Resolved, store: Store, *, fewer: bool, raw: bool = False) -> File | None:
    """The file of a model as it is loaded: its copy in 8 bits, if `fewer`, which may not be there.

    Raises:
        ModelError: the copy is damaged. The text leaves out the model's name.
    """
    path, sha256 = resolved.path, resolved.sha256
    if fewer:
        copy = quantized(sha256, store)
        if copy is None:
            return None
        path, sha256 = copy.path, copy.sha256
    kept = store.prepared
    pixels = path if raw else prepared(path, sha256, resolved.form, kept)
    if pixels == path:
        numbers = alone(path, sha256, resolved.form, kept)
        return File(numbers, sha256, resolved.form.shape, front=False)
    width, height = resolved.form.size
    return File(pixels, sha256, (1, height, width, 3), front=True)


def _no_copy(name: str) -> ModelError:
    return ModelError(
        "there is no int8 file of it: make one with "
        f"`appliance models quantize {name} --samples FOLDER`"
    )
