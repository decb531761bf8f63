"""What of a detector's finds a step wants: how sure, of which labels, and where."""

from dataclasses import dataclass, field
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blocks.block import ModelName
from blocks.data import Detections
from blocks.geometry import Anchor, Polygon, in_pixels, inside
from blocks.models.labels import known_labels
from blocks.models.region import RegionManifest

Bar = Annotated[float, Field(ge=0, le=1)]


class DetectionManifest(RegionManifest):
    """The model, what of its finds to keep, and whether to look for small things."""

    model: ModelName = Field(description="Name of the model.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Leave out boxes less sure than this; the model's own bar if not given.",
    )
    labels: tuple[str, ...] = Field(
        default=(), description="Keep only these classes of the model; all if not given."
    )
    label_confidence: dict[str, Bar] = Field(
        default_factory=dict,
        description="Another bar than `confidence` for some labels: `{person: 0.6, dog: 0.3}`.",
    )
    region: Polygon | None = Field(
        default=None,
        description="Corners of the part of the frame to look at. Only the upright rectangle round "
        "them is shown to the model; boxes whose centre is outside of the corners are left out.",
    )
    sliced: bool = Field(
        default=False,
        description="Look at squares of the image one by one, and at the whole, to find small "
        "things. Each is a run of the model. What lies across several squares is put together.",
    )
    slice_size: int = Field(
        default=640, ge=32, description="Side of these squares, in pixels of the image."
    )
    slice_overlap: float = Field(
        default=0.2,
        ge=0,
        le=0.8,
        description="The part of their side that neighbouring squares share, at least: choose it "
        "so that what you look for fits into it.",
    )

    @model_validator(mode="after")
    def _slices_are_wanted(self) -> Self:
        idle = {"slice_size", "slice_overlap"} & self.model_fields_set
        if idle and not self.sliced:
            raise ValueError(f"{min(idle)} does nothing without `sliced: true`")
        return self


@dataclass(frozen=True)
class Wanted:
    """A step's choice among the labels that its model knows.

    Raises:
        ValueError: the model does not know one of the labels, or one has no bar.
    """

    manifest: DetectionManifest
    known: tuple[str, ...]
    _labels: NDArray[np.str_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        chosen, bars = self.manifest.labels, self.manifest.label_confidence
        known_labels(self.manifest.model, (*chosen, *bars), self.known)
        idle = [label for label in bars if chosen and label not in chosen]
        if idle:
            raise ValueError(
                f"label_confidence names {idle[0]!r}, which labels leaves out: add it there, or "
                "take it away here"
            )
        if bars and self.manifest.confidence is None and self._others():
            raise ValueError(
                f"label_confidence says nothing of {self._others()[0]!r}: give `confidence`, the "
                "bar of all other labels"
            )
        object.__setattr__(self, "_labels", np.array(chosen, np.str_))

    def _others(self) -> list[str]:
        chosen = self.manifest.labels or self.known
        return [label for label in chosen if label not in self.manifest.label_confidence]

    @property
    def confidence(self) -> float | None:
        """The lowest bar of all, to ask the model with; None for the model's own."""
        bars = list(self.manifest.label_confidence.values())
        if self.manifest.confidence is not None and (self._others() or not bars):
            bars.append(self.manifest.confidence)
        return min(bars, default=None)

    def of(self, found: Detections, frame_size: tuple[int, int]) -> Detections:
        """What is wanted of finds in a frame of (width, height), in their order."""
        keep = np.ones(len(found), np.bool_)
        if len(self._labels):
            keep &= np.isin(found.label, self._labels)
        if self.manifest.label_confidence:
            keep &= found.confidence >= self._bars(found.label)
        if self.manifest.region is not None:
            corners = in_pixels(self.manifest.region, self.manifest.units, frame_size)
            keep &= inside(corners, Anchor.CENTER.of(found.xyxy))
        return found if keep.all() else found[keep]

    def _bars(self, labels: NDArray[np.str_]) -> NDArray[np.float32]:
        bars = np.full(len(labels), self.manifest.confidence or 0.0, np.float32)
        for label, bar in self.manifest.label_confidence.items():
            bars[labels == label] = bar
        return bars
