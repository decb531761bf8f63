"""Model cards and clips: what can be fetched, and how a model is to be used.

The catalog that ships is `catalog.yaml` beside this file.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import family_of
from appliance.inference.remote_address import Remote

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Precision = Literal["auto", "fp32", "bf16", "int8"]
# A name becomes a file name, so it is one plain word.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class ModelError(LookupError):
    """A model or clip cannot be used. Its text is a sentence for the user."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Package(_Frozen):
    """A file inside somebody's published package, and what turns it into the file we keep."""

    source: Literal["pip", "apt"] = Field(description="The client that downloads it.")
    name: str = Field(min_length=1, description="Name of the package.")
    version: str = Field(
        default="", description="Exact version (pip); apt takes the distribution's."
    )
    member: str = Field(min_length=1, description="Path of the file inside the package.")
    sha256: Sha256 = Field(description="Checksum of the member.")
    download_mb: float = Field(gt=0, description="Size of the download in megabytes.")
    convert: Literal["ssd"] | None = Field(
        default=None, description="The converter that makes ONNX of the member; none: kept as is."
    )

    @model_validator(mode="after")
    def _pip_is_pinned(self) -> Self:
        if self.source == "pip" and not self.version:
            raise ValueError("a package from pip needs its exact version")
        return self


Colour = Annotated[tuple[float, float, float], Field(description="Of red, green and blue.")]
# What brightness 0 to 255 is taken from, and divided by.
_SCALES = {"-1..1": (127.5, 127.5), "0..1": (0.0, 255.0), "0..255": (0.0, 1.0)}


class Input(_Frozen):
    """The tensor a model takes: one image. What is left out is told by the file or the family."""

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = Field(
        default=None, description="Width and height in pixels."
    )
    layout: Literal["nchw", "nhwc"] | None = Field(
        default=None, description="Whether the colours come before rows and columns, or after."
    )
    fit: Literal["stretch", "letterbox", "corner", "crop"] | None = Field(
        default=None,
        description="How the image gets to that size: stretched; whole, with grey round it, in the "
        "middle or in the top left corner; or cut to the middle.",
    )
    colours: Literal["rgb", "bgr"] | None = Field(default=None, description="Their order.")
    scale: Literal["-1..1", "0..1", "0..255"] | None = Field(
        default=None, description="The range that brightness 0 to 255 is mapped to."
    )
    mean: Colour | None = Field(default=None, description="Taken from brightness 0 to 255 first.")
    std: Colour | None = Field(default=None, description="What it is divided by then.")

    @model_validator(mode="after")
    def _says_the_range_once(self) -> Self:
        if self.scale is not None and (self.mean is not None or self.std is not None):
            raise ValueError("give either scale, or mean and std")
        return self

    def form(self, usual: Form) -> Form:
        """The form of the input: as said here, and else as is usual."""
        said = self.model_dump(include={"size", "layout", "fit", "colours", "mean", "std"})
        if self.scale is not None:
            said["mean"], said["std"] = ((value,) * 3 for value in _SCALES[self.scale])
        return replace(usual, **{name: value for name, value in said.items() if value is not None})


class Entry(_Frozen):
    """What a model card and a clip have in common: a name, a licence, and where the file is."""

    name: Name = Field(description="The name workflow files and commands use.")
    description: str = Field(default="", description="What it is, in a sentence.")
    licence: str = Field(default="", description="Licence of the file, as an SPDX expression.")
    origin: str = Field(default="", description="Who made it.")
    file: Path | None = Field(default=None, description="The file itself, already on this machine.")
    url: str | None = Field(
        default=None,
        pattern=r"^(https?|file)://",
        repr=False,
        description="Where the file can be downloaded.",
    )
    package: Package | None = Field(default=None, description="The package that contains it.")
    sha256: Sha256 | None = Field(default=None, description="Checksum of the file that is used.")

    @property
    def _elsewhere(self) -> bool:
        """Whether it has no file on this machine."""
        return False

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        places = sum(place is not None for place in (self.file, self.url, self.package))
        if self._elsewhere:
            if places or self.sha256 is not None:
                raise ValueError("a model on a server has no file here: leave out file and url")
            return self
        # With its checksum alone it is one of those that were put into the store.
        if places > 1 or (not places and self.sha256 is None):
            raise ValueError("give exactly one of file, url and package")
        if self.file is None and self.sha256 is None:
            raise ValueError(
                "what is downloaded needs its sha256 (`appliance models add URL` finds it out)"
            )
        return self


def _known_family(name: str) -> str:
    return family_of(name).name


def _listed(labels: object) -> object:
    """Labels that are written as one text, with commas between them."""
    if isinstance(labels, list):
        # Behind a validator of ours, pydantic's strict mode takes no list for a tuple.
        return tuple(labels)
    if not isinstance(labels, str):
        return labels
    return tuple(label.strip() for label in labels.split(",") if label.strip())


class ModelCard(Entry):
    """A model, and how pixels go into it and results come out.

    Of a file that says so itself, family, input and labels may be left out.
    """

    kind: Literal["model"] = "model"
    family: Annotated[str, AfterValidator(_known_family)] | None = Field(
        default=None, description="How its outputs are to be read."
    )
    input: Input = Field(default=Input(), description="The tensor it takes.")
    labels: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(),
        description="Class names in the model's order, without a background: a list, a text with "
        "commas, or a text file with one on each line.",
    )
    confidence: Share = Field(default=0.5, description="Leave out what is less sure than this.")
    overlap: Share | None = Field(
        default=None,
        description="Of two boxes of one class that overlap more, the less sure is left out.",
    )
    precision: Precision = Field(
        default="auto",
        description="fp32; bf16 or int8, which are faster where the processor has them; auto "
        "takes bf16 where it is and the results stay the same.",
    )
    providers: tuple[str, ...] = Field(
        default=(), description="What of onnxruntime may run it, the first choice first."
    )
    backend: Literal["local", "oip"] = Field(
        default="local",
        description="Where it runs: here, or on a server (Open Inference Protocol).",
    )
    remote: Remote | None = Field(default=None, description="The server, and its name there.")
    bank: Path | None = Field(
        default=None, description="anomaly: the file of good pictures that `fit-anomaly` made."
    )
    reads_with: Name | None = Field(
        default=None, description="ocr: the model that reads the lines this one finds."
    )
    turns_with: Name | None = Field(
        default=None, description="ocr: the model that says which lines stand on their heads."
    )

    @property
    def _elsewhere(self) -> bool:
        return self.backend == "oip"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.backend == "oip") != (self.remote is not None):
            raise ValueError("`backend: oip` and `remote` go together: give both, or neither")
        if (self.reads_with or self.turns_with) and self.family not in (None, "ocr"):
            raise ValueError("reads_with and turns_with are for a model of the family ocr")
        if self.turns_with and not self.reads_with:
            raise ValueError("turns_with is of no use without reads_with")
        if self.bank is not None and self.family not in (None, "anomaly", "embedding"):
            raise ValueError("a bank is for a model of the family anomaly or embedding")
        if not all(label.strip() for label in self.labels):
            raise ValueError("one of the labels is empty")
        return self


class Clip(Entry):
    """A short video to try the appliance with."""

    kind: Literal["clip"] = "clip"
    file_name: Name = Field(description="What the file is called once it is fetched.")


E = TypeVar("E", bound=Entry)
_CATALOG = TypeAdapter(dict[str, Annotated[ModelCard | Clip, Field(discriminator="kind")]])


def load_catalog() -> Mapping[str, ModelCard | Clip]:
    """The models and clips this program knows where to fetch, by name."""
    text = resources.files("appliance.inference").joinpath("catalog.yaml").read_text("utf-8")
    rows: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return _CATALOG.validate_python({name: {"name": name, **row} for name, row in rows.items()})


def model_cards(catalog: Mapping[str, ModelCard | Clip]) -> dict[str, ModelCard]:
    """The models among the entries, by name."""
    return {name: entry for name, entry in catalog.items() if isinstance(entry, ModelCard)}


def find(entries: Mapping[str, E], name: str) -> E:
    """The entry of that name.

    Raises:
        ModelError: there is none; the text names the nearest.
    """
    if name not in entries:
        raise ModelError(
            f"there is no {_kinds(entries.values())} called {name!r}{_nearest(name, entries)}; "
            "`appliance models` lists what there is"
        )
    return entries[name]


def _kinds(entries: Iterable[Entry]) -> str:
    return "model or clip" if any(isinstance(entry, Clip) for entry in entries) else "model"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
