"""A workflow with all that can be drawn: conditions, many values, a workflow in it, a sink."""

from collections.abc import Callable, Mapping

import pytest

from appliance.engine.plan import Plan, load_plan
from blocks.loading import load_blocks

OUTER = """
version: 1
name: helmets
inputs: {image: {type: image}, bar: {type: number, default: 0.4}}
steps:
  - name: people
    type: object_detection@1
    image: $inputs.image
    model: people-ssdlite
    confidence: $inputs.bar
  - name: crops
    type: crop@1
    image: $inputs.image
    detections: $steps.people.detections
  - name: look
    type: workflow
    workflow: inner.yaml
    picture: $steps.crops.images
    when: index < 5
  - name: tell
    type: mqtt@1
    when: size(steps.people.detections) > 0 && present(steps.crops)
    connection: plant
    topic: t
    data: {at: $frame.captured_at, count: "= size(steps.people.detections)"}
outputs: {found: $steps.look.found, sure: "= inputs.bar * 2"}
"""

INNER = """
version: 1
name: inner
inputs: {picture: {type: image}}
steps:
  - {name: helmet, type: object_detection@1, image: $inputs.picture, model: helmets}
outputs: {found: $steps.helmet.detections}
"""


class Beside:
    """The files that a workflow may name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def file(self, name: str, beside: str) -> tuple[str, str]:
        return self._files[name], name

    def variable(self, name: str) -> str | None:
        return {"SITE": "site-12", "ONE": "x"}.get(name)

    def secret(self, name: str) -> str:
        return f"secret-{name}"


Load = Callable[..., Plan]


@pytest.fixture(scope="session")
def load() -> Load:
    """Plans a text; further files by their names."""
    blocks = load_blocks()

    def plan(text: str, files: Mapping[str, str] | None = None) -> Plan:
        return load_plan(text, "w.yaml", blocks, Beside(files or {}))

    return plan


@pytest.fixture(scope="session")
def helmets(load: Load) -> Plan:
    """The workflow with everything in it."""
    return load(OUTER, {"inner.yaml": INNER})
