"""The page of the language is true: its files are planned and run, and answer as is shown."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from appliance.engine.errors import DefinitionError
from appliance.engine.plan import load_plan
from appliance.engine.testing import FixedDetector, FixedHost, frame
from blocks.block import Origin
from blocks.data import Detections, Image
from blocks.host import Detector, Gives
from blocks.loading import load_blocks

PAGE = Path(__file__).parent.parent / "docs" / "workflow-language.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


class Example(NamedTuple):
    """A file of the page, and what is shown below it: an answer, or a message."""

    name: str
    text: str
    kind: str
    shown: str


def examples() -> Iterator[Example]:
    fences = [*FENCE.findall(PAGE.read_text()), ("", "")]
    for (language, text), (following, shown) in pairwise(fences):
        if language == "yaml":
            yield Example(text.partition("\n")[0].removeprefix("# "), text, following, shown)


EXAMPLES = list(examples())


class PageSources:
    """The files of the page, beside each other."""

    def secret(self, name: str) -> str:
        raise LookupError(name)

    def variable(self, name: str) -> str | None:
        raise LookupError(name)

    def file(self, name: str, beside: str) -> tuple[str, str]:
        return next(example.text for example in EXAMPLES if example.name == name), name


class SceneDetector(FixedDetector):
    """Finds in an image what of the scene has its middle there, if it is sure enough."""

    def __init__(self, boxes: Any, confidence: Any, labels: tuple[str, ...]) -> None:
        self._scene = Detections.of(boxes, confidence=confidence, label=list(labels))
        super().__init__(self._scene)

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        middle = (self._scene.xyxy[:, :2] + self._scene.xyxy[:, 2:]) / 2
        inside = image.from_frame(middle)
        size = (image.width, image.height)
        there = ((inside >= 0) & (inside < size)).all(axis=1)
        return self._scene[np.asarray(there & (self._scene.confidence >= (confidence or 0)))]


class SceneHost(FixedHost):
    """The models that the page names."""

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:
        if model == "helmets":
            return SceneDetector([[130, 100, 170, 140]], [0.7], ("helmet",))
        people = [[100, 100, 200, 400], [300, 120, 380, 420], [500, 300, 600, 400]]
        return SceneDetector(people, [0.9, 0.6, 0.8], ("person", "person", "dog"))


def as_json(value: Any) -> Any:
    if isinstance(value, Detections):
        return value.as_rows()
    if isinstance(value, Mapping):
        return {key: as_json(inner) for key, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_planned_or_refused_as_shown(example: Example) -> None:
    if example.kind == "text":
        with pytest.raises(DefinitionError) as refused:
            load_plan(example.text, example.name, load_blocks(), PageSources())
        assert f"{refused.value}\n" == example.shown
    else:
        plan = load_plan(example.text, example.name, load_blocks(), PageSources())
        assert plan.warnings == ()


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.kind == "json"], ids=lambda example: example.name
)
def test_an_example_answers_what_is_shown_below_it(example: Example) -> None:
    plan = load_plan(example.text, example.name, load_blocks(), PageSources())
    run = plan.start({}, SceneHost(), Origin("", "page", "gate", ""))
    turn = run.turn(frame(size=(640, 480)))
    assert turn.failures == ()
    assert as_json(turn.outputs) == json.loads(example.shown)


def test_the_page_shows_answers_and_a_message() -> None:
    assert [example.kind for example in EXAMPLES].count("json") >= 6
    assert "text" in {example.kind for example in EXAMPLES}
