"""Reading text with several models: one finds the lines, one turns them upright, one reads them."""

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.inference.families import ocr_lines
from appliance.inference.lending import LentModel
from blocks.data import Image, Pixels
from blocks.predictions import TextLine


@dataclass(frozen=True, slots=True)
class LentReader:
    """A model that finds lines of text, with the one that reads them.

    `direction`, if there is one, says whether a line stands on its head.
    """

    finder: LentModel
    recogniser: LentModel
    direction: LentModel | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The characters it knows."""
        return self.recogniser.labels

    def read(self, image: Image, confidence: float | None = None) -> tuple[TextLine, ...]:
        """The lines of text, in reading order, leaving out those read less surely than this.

        If it is not given, the bar is that of the card of the model that reads.
        """
        bar = self.recogniser.resolved.card.confidence if confidence is None else confidence
        outputs, place = self.finder.run(image)
        resolved = self.finder.resolved
        found = resolved.family.decode(outputs, place, resolved.labels, resolved.card.confidence)
        lines = (self._line(image, corners) for corners in found.corners)
        return tuple(line for line in lines if line.text and line.confidence >= bar)

    def _line(self, image: Image, corners: ocr_lines.Values) -> TextLine:
        picture = ocr_lines.cut(image, corners)
        if self.direction is not None and self._upside_down(self.direction, picture):
            picture, corners = ocr_lines.turned(picture), np.roll(corners, 2, axis=0)
        tensor = self._tensor(picture)
        (reading,) = ocr_lines.decode(self.recogniser.run_tensor(tensor), self.labels)
        return TextLine(reading.text, reading.confidence, corners)

    def _upside_down(self, direction: LentModel, picture: Pixels) -> bool:
        outputs = direction.run_tensor(ocr_lines.direction_tensor([picture]))
        return bool(ocr_lines.upside_down(outputs)[0])

    def _tensor(self, picture: Pixels) -> ocr_lines.Values:
        """The input of one line; of a model that takes one width only, exactly that wide."""
        width = self.recogniser.loaded.session.input_shape[3]
        if not isinstance(width, int):
            return ocr_lines.recognition_tensor([picture])
        longest = max(1, width * picture.shape[0] // ocr_lines.HEIGHT)
        if picture.shape[1] > longest:
            picture = np.asarray(cv2.resize(picture, (longest, picture.shape[0])), np.uint8)
        tensor = ocr_lines.recognition_tensor([picture])[:, :, :, :width]
        missing = width - tensor.shape[3]
        return np.pad(tensor, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else tensor
