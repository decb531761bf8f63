"""A host whose models stand for any: each gives something that is right for the image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.engine.testing import FixedHost
from blocks.data import Detections, Image
from blocks.host import (
    Classifier,
    Detector,
    Embedder,
    Gives,
    Inspector,
    Reader,
    Segmenter,
)
from blocks.predictions import Anomaly, Classification, Embedding, Segmentation, TextLine


@dataclass
class Halves:
    """A segmentation: the left half of the frame has the first class, the right half none."""

    labels: Sequence[str]
    class_map: NDArray[np.int16]

    @property
    def shares(self) -> NDArray[np.float32]:
        return np.array([(self.class_map == i).mean() for i in range(len(self.labels))], np.float32)

    def mask(self, label: str) -> NDArray[np.bool_]:
        return np.asarray(self.class_map == list(self.labels).index(label))


@dataclass
class AnyModel:
    """Gives what it is told to; it notes what it was asked."""

    labels: tuple[str, ...] = ("person",)
    scores: Sequence[float] = (0.9,)
    lines: Sequence[tuple[str, float]] = (("B-XY 123", 0.9),)
    vector: Sequence[float] = (1.0, 0.0)
    anomaly: Anomaly = field(
        default_factory=lambda: Anomaly(0.4, 0.5, np.zeros((2, 2), np.float32), (0, 0, 8, 8))
    )
    asked: list[tuple[Image, Any]] = field(default_factory=list)

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        """Two, at the image's left and its right."""
        self.asked.append((image, confidence))
        parts = np.array([[0.0, 0.1, 0.4, 0.9], [0.6, 0.1, 1.0, 0.9]], np.float32)
        boxes = image.to_frame(parts * np.array([image.width, image.height] * 2, np.float32))
        found = Detections.of(boxes, [0.9, 0.8], label=[self.labels[0]] * 2)
        width, height = image.frame_size
        masks = np.zeros((2, height, width), np.bool_)
        keypoints = np.tile(boxes[:, None, :2], (1, 17, 1))
        return Detections(
            *(found.xyxy, found.confidence, found.class_id, found.tracker_id),
            mask=masks,
            keypoints=np.concatenate([keypoints, np.ones((2, 17, 1))], axis=2).astype(np.float32),
            data=found.data,
        )

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        return [self.detect(image, confidence) for image in images]

    def classify(
        self, image: Image, confidence: float | None = None, *, multi_label: bool = False
    ) -> Classification:
        self.asked.append((image, confidence))
        scores = np.array(self.scores, np.float32)
        order = np.argsort(-scores, kind="stable")
        sure = order[scores[order] >= (0.5 if confidence is None else confidence)]
        sure = sure if multi_label else sure[:1]
        names = np.array(self.labels, np.str_)[sure]
        return Classification(scores, sure.astype(np.int64), scores[sure], names)

    def segment(self, image: Image, confidence: float | None = None) -> Segmentation:
        self.asked.append((image, confidence))
        width, height = image.frame_size
        cells = np.full((height, width), -1, np.int16)
        cells[:, : width // 2] = 0
        return Halves(self.labels, cells)

    def read(self, image: Image, confidence: float | None = None) -> tuple[TextLine, ...]:
        self.asked.append((image, confidence))
        corners = np.array([[1, 2], [9, 2], [9, 4], [1, 4]], np.float32)
        return tuple(TextLine(text, sure, corners) for text, sure in self.lines)

    def embed(self, image: Image) -> Embedding:
        self.asked.append((image, None))
        return Embedding(np.array(self.vector, np.float32))

    def inspect(self, image: Image) -> Anomaly:
        self.asked.append((image, None))
        return self.anomaly


class AnyHost(FixedHost):
    """Lends one model under every name."""

    def __init__(self, model: AnyModel) -> None:
        super().__init__()
        self.model = model

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        return self.model

    def classifier(self, model: str) -> Classifier:
        return self.model

    def segmenter(self, model: str) -> Segmenter:
        return self.model

    def reader(self, model: str) -> Reader:
        return self.model

    def embedder(self, model: str) -> Embedder:
        return self.model

    def inspector(self, model: str) -> Inspector:
        return self.model


def anything(**given: Any) -> AnyHost:
    return AnyHost(AnyModel(**given))
