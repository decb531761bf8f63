"""A daemon whose model runs on another machine, with a local one for when that is away."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.control import NoDaemonError, request
from tests.appliance.inference import tiny
from tests.oip_server import OipServer
from tests.system.processes import Appliance, wait_for

pytestmark = pytest.mark.network

SETTINGS = """
version: 1
state_dir: state
cameras:
  path: {url: CLIP, loop: true}
models:
  far:
    backend: oip
    remote: {url: "URL", model: double, fallback: near}
    family: ssd
    labels: [person]
  near: {file: near.onnx, family: ssd, labels: [person], providers: [cpu]}
pipelines:
  people: {workflow: people.yaml, cameras: [path]}
"""

WORKFLOW = """
version: 1
name: people
inputs: {image: {type: image}}
steps:
  - {name: people, type: object_detection@1, image: $inputs.image, model: far, confidence: 0.4}
outputs: {people: $steps.people.detections}
"""


@pytest.fixture
def oip() -> Iterator[OipServer]:
    """A server whose model `double` finds one person, as the one here does."""
    with OipServer() as server:
        server.takes = ("image", "FP32", [1, 3, tiny.SIZE, tiny.SIZE])
        server.gives = [("boxes", "FP32", [1, 2, 4]), ("scores", "FP32", [1, 2, 2])]
        boxes = np.array([[[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]], np.float32)
        scores = np.array([[[0.1, 0.9], [0.8, 0.2]]], np.float32)
        server.compute = lambda _image: [boxes, scores]
        yield server


class Site:
    """A daemon with one camera, and the model `far` on the server."""

    def __init__(self, appliance: Appliance, clip: Path, oip: OipServer) -> None:
        self._folder = appliance.folder
        file = appliance.folder / "settings.yaml"
        file.write_text(SETTINGS.replace("URL", oip.url).replace("CLIP", str(clip)))
        (appliance.folder / "people.yaml").write_text(WORKFLOW)
        tiny.detector(appliance.folder / "near.onnx")
        appliance.start("serve", "--config", file)

    def status(self) -> dict[str, Any]:
        """What `appliance status` prints, without a process for each look."""
        with contextlib.suppress(NoDaemonError):
            return request(self._folder / "state", "status")
        return {}

    def processed(self) -> int:
        lanes = self.status().get("lanes", [])
        return int(lanes[0]["buckets"].get("processed", 0)) if lanes else 0

    def state(self) -> str:
        return str(self.status().get("models", {}).get("far", {}).get("state", ""))

    def nothing_failed(self) -> bool:
        """Frames may be late or too old on a busy machine, but no step fails."""
        lane = self.status()["lanes"][0]
        return lane["failures"] == {} and "failed" not in lane["buckets"]


@pytest.fixture
def site(appliance: Appliance, short_clip: Path, oip: OipServer) -> Callable[[], Site]:
    return lambda: Site(appliance, short_clip, oip)


def test_the_local_model_takes_over_while_the_server_is_away(
    site: Callable[[], Site], oip: OipServer
) -> None:
    box = site()
    wait_for(lambda: len(oip.inferences) > 5, "the server to be used")
    assert box.state() == "online"
    oip.fault = "closes"
    wait_for(lambda: box.state().startswith("offline"), "the server to be missed")
    before = box.processed()
    wait_for(lambda: box.processed() > before + 5, "the local model to take over")
    told = box.state()
    assert "it closes the connection instead of answering" in told
    assert told.endswith("near takes its place")
    oip.fault = ""
    asked = len(oip.inferences)
    wait_for(lambda: len(oip.inferences) > asked + 5, "the server to be used again")
    assert box.state() == "online"
    assert box.nothing_failed()


def test_a_daemon_starts_with_a_server_that_was_never_seen(
    site: Callable[[], Site], oip: OipServer
) -> None:
    oip.fault = "not-ready"
    box = site()
    wait_for(lambda: box.processed() > 5, "the local model to be used")
    assert box.state().startswith("not seen yet: far: the model 'double' on ")
    assert "it is not ready (503)" in box.state()
    oip.fault = ""
    wait_for(lambda: len(oip.inferences) > 5, "the server to be used")
    assert box.state() == "online"
    assert box.nothing_failed()
