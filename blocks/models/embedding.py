"""What an image shows, as a vector: alike images have vectors that point the same way."""

from typing import NamedTuple

import numpy as np
from pydantic import Field

from blocks.block import ModelName, block
from blocks.data import Image
from blocks.host import Host
from blocks.models.region import RegionManifest
from blocks.predictions import Embedding


class EmbeddingManifest(RegionManifest):
    """The model."""

    model: ModelName = Field(description="Name of the embedding model.")


class Embedded(NamedTuple):
    """The vector, of length 1, and how like the reference it is, if there is one: 1 is the same.

    Both are absent where the image shows less than two pixels of the region.
    """

    vector: list[float]
    similarity: float | None


@block("embedding@1", EmbeddingManifest)
class Embed:
    """Gives a vector for an image, and compares it with that of another one.

    Raises:
        LookupError: there is no such model.
        ValueError: the reference is of another model, whose vectors are longer or shorter.
    """

    example = """
        - name: empty
          type: embedding@1
          image: $inputs.image
          model: features
          region: [[0.0, 0.0], [0.2, 0.0], [0.2, 1.0], [0.0, 1.0]]
        - name: shelf
          type: embedding@1
          image: $inputs.image
          model: features
          region: [[0.3, 0.0], [0.9, 0.0], [0.9, 1.0], [0.3, 1.0]]
          reference: $steps.empty.vector
        - name: filled
          type: event@1
          connection: local
          when: steps.shelf.similarity < 0.8
          data: {similarity: $steps.shelf.similarity}
    """

    def __init__(self, manifest: EmbeddingManifest, host: Host) -> None:
        self._manifest = manifest
        self._model = host.embedder(manifest.model)

    def run(self, image: Image, reference: list[float] | None = None) -> Embedded | None:
        """Look at the image; `reference` is a vector of the same model."""
        part = self._manifest.part_of(image)
        if part is None:
            return None
        found = self._model.embed(part)
        vector = [round(value, 6) for value in found.vector.tolist()]
        if reference is None:
            return Embedded(vector, None)
        like = found.similarity(Embedding(np.asarray(reference, np.float32)))
        return Embedded(vector, round(like, 6))
