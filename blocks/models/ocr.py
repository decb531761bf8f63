"""What is written in an image."""

import re
from dataclasses import replace
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field

from blocks.block import ModelName, block
from blocks.data import Detections, Image
from blocks.host import Host
from blocks.models.patterns import LONGEST_LINE, bounded
from blocks.models.region import RegionManifest
from blocks.predictions import TextLine


class OcrManifest(RegionManifest):
    """The model, how sure it must be, and what of the lines to keep."""

    model: ModelName = Field(description="Name of the model that finds and reads text.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Leave out lines read less surely than this; the model's own bar if not given.",
    )
    pattern: Annotated[str, AfterValidator(bounded)] | None = Field(
        default=None,
        max_length=200,
        description="A regular expression: keep only lines in which it is found, and of them only "
        "what it matches.",
    )


class Read(NamedTuple):
    """The lines in reading order, joined by line breaks; and each with the box round it.

    `text` is empty where there is none. `confidence` is that of the least sure line, 0 of none.
    The `label` of a detection is what its line says.
    """

    text: str
    confidence: float
    detections: Detections


@block("ocr@1", OcrManifest)
class Ocr:
    """Reads the lines of text in an image.

    Raises:
        LookupError: there is no such model.
    """

    example = """
        - name: plate
          type: ocr@1
          image: $inputs.image
          model: text
          region: [[0.2, 0.5], [0.8, 0.5], [0.8, 0.9], [0.2, 0.9]]
          pattern: "[A-Z]{1,3}[- ]?[A-Z]{1,2} ?[0-9]{1,4}"
        - name: seen
          type: event@1
          connection: local
          when: steps.plate.text != ""
          data: {plate: $steps.plate.text}
    """

    def __init__(self, manifest: OcrManifest, host: Host) -> None:
        self._manifest = manifest
        self._reader = host.reader(manifest.model)
        self._pattern = None if manifest.pattern is None else re.compile(manifest.pattern)

    def run(self, image: Image) -> Read:
        """Read what is written in the image."""
        part = self._manifest.part_of(image)
        found = () if part is None else self._reader.read(part, self._manifest.confidence)
        lines = [line for line in map(self._kept, found) if line is not None]
        boxes = [[*line.corners.min(axis=0), *line.corners.max(axis=0)] for line in lines]
        sure = [line.confidence for line in lines]
        texts = [line.text for line in lines]
        least = float(np.min(sure)) if sure else 0.0
        return Read("\n".join(texts), least, Detections.of(boxes, sure, label=texts))

    def _kept(self, line: TextLine) -> TextLine | None:
        if self._pattern is None:
            return line
        match = self._pattern.search(line.text[:LONGEST_LINE])
        return replace(line, text=match[0]) if match and match[0] else None
