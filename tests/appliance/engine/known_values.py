"""Values of all kinds by name, and what expressions make of them: for the tests of expressions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from appliance.engine.expressions import Expression, ExpressionError, Language
from blocks.data import Columns, Detections, Image

KNOWN: dict[str, Any] = {
    "steps.gate.total": int,
    "steps.gate.speed": float | None,
    "steps.gate.label": Literal["hé", "ho"],
    "steps.gate.open": bool,
    "steps.gate.longest_s": float,
    "steps.tracks.detections": Detections,
    "steps.zones.detections": Annotated[
        Detections, Columns(direction=str, dwell_s=float, turns=int, inside=bool)
    ],
    "steps.zones.maybe": Annotated[Detections, Columns(direction=str)] | None,
    "steps.crop.image": Image,
    "steps.crop.images": tuple[Image, ...],
    "steps.crop.sizes": list[float],
    "steps.crop.found": tuple[Annotated[Detections, Columns(direction=str)], ...],
    "inputs.site": Any,
    "inputs.bar": float,
    "frame.camera": str,
    "frame.captured_at": float,
    "frame.sequence": int,
}
STEPS = ("gate", "tracks", "zones", "crop", "alarm")
BOXES = [[0, 0, 1, 1], [0, 0, 2, 2]]
FOUND = Detections.of(BOXES, confidence=[0.9, 0.25], label=["person", "car"], tracker_id=[-1, 7])
ZONES = Detections(
    FOUND.xyxy,
    FOUND.confidence,
    FOUND.class_id,
    FOUND.tracker_id,
    data={
        "label": FOUND.label,
        "direction": np.array(["in", "out"]),
        "dwell_s": np.array([31.5, 2.0], np.float32),
        "turns": np.array([3, 0]),
        "inside": np.array([True, False]),
        "path": np.zeros((2, 5)),
        "note": np.array([None, 4], object),
    },
)
PIXELS = Image.from_bgr(np.zeros((2, 2, 3), np.uint8))
VALUES: dict[str, Any] = {
    "steps.gate.total": 7,
    "steps.gate.speed": np.float32(2.5),
    "steps.gate.label": "hé",
    "steps.gate.open": np.True_,
    "steps.gate.longest_s": 30.25,
    "steps.tracks.detections": FOUND,
    "steps.zones.detections": ZONES,
    "steps.zones.maybe": ZONES,
    "steps.crop.images": (PIXELS, PIXELS),
    "steps.crop.sizes": [1, 2, 3],
    "steps.crop.found": (ZONES, ZONES[[0]]),
    "inputs.site": {
        "zones": [1, 2],
        "name": "yard",
        "size": 4,
        "none": None,
        "yes": np.True_,
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "grid": np.array([[1, 2], [3, 4]]),
        "mixed": [{"on": True}, {"on": "x"}, {}],
        "exists": 1,
        "boxes": FOUND,
        "a-b": 5,
    },
    "inputs.bar": 0.5,
    "frame.camera": "gate",
    "frame.captured_at": 1.5,
    "frame.sequence": 12,
}
PRESENT = ("steps.gate", "steps.crop.image", "inputs.bar")
LANGUAGE = Language(KNOWN, STEPS)


def values_of(expression: Expression, given: Mapping[str, Any] = VALUES) -> list[Any]:
    asked = [name in PRESENT for name in expression.presences]
    return [given[name] for name in expression.names] + asked


def holds(text: str) -> bool:
    condition = LANGUAGE.condition(text)
    return condition.holds(values_of(condition))


def value(text: str, **given: Any) -> Any:
    named = {name.replace("__", "."): v for name, v in given.items()}
    expression = LANGUAGE.expression(text)
    return expression.value(values_of(expression, VALUES | named))


def refused(text: str, item: Any = None) -> tuple[str, int]:
    with pytest.raises(ExpressionError) as caught:
        LANGUAGE.condition(text, item)
    return str(caught.value), caught.value.column
