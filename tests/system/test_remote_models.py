"""A daemon whose model runs on another machine, with a local one for when that is away."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.inference.catalog import load_catalog
from appliance.inference.session import CPU, Session
from appliance.inference.store import Store
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
    remote: {url: "URL", model: double, fallback: people-ssdlite}
    family: ssd
    input: {size: [300, 300], scale: "-1..1"}
    labels: [person]
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
def oip(demo_store: Store) -> Iterator[OipServer]:
    """A server that runs the demo's model under the name `double`."""
    session = Session(demo_store.path(load_catalog()["people-ssdlite"]), CPU)
    with OipServer() as server:
        server.takes = ("image", "FP32", [-1, 3, 300, 300])
        shapes = session.output_shapes
        server.gives = [
            (name, "FP32", [axis if isinstance(axis, int) else -1 for axis in shape])
            for name, shape in shapes.items()
        ]

        def computed(image: NDArray[np.float32]) -> list[NDArray[Any]]:
            outputs = session.run(image)
            return [outputs[name] for name in shapes]

        server.compute = computed
        yield server


class Site:
    """A daemon with one camera, and the model `far` on the server."""

    def __init__(self, appliance: Appliance, clip: Path, oip: OipServer) -> None:
        self._appliance = appliance
        self._file = appliance.folder / "settings.yaml"
        self._file.write_text(SETTINGS.replace("URL", oip.url).replace("CLIP", str(clip)))
        (appliance.folder / "people.yaml").write_text(WORKFLOW)
        appliance.start("serve", "--config", self._file)

    def status(self) -> dict[str, Any]:
        code, out, _ = self._appliance.run("status", "--config", self._file)
        return dict(json.loads(out)) if code == 0 else {}

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
def site(
    appliance: Appliance, state_dir: Path, short_clip: Path, oip: OipServer
) -> Callable[[], Site]:
    assert state_dir.is_dir()
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
    assert told.endswith("people-ssdlite takes its place")
    oip.fault = ""
    asked = len(oip.inferences)
    wait_for(lambda: len(oip.inferences) > asked + 5, "the server to be used again")
    assert box.state() == "online"
    assert box.nothing_failed()


def test_a_daemon_starts_while_the_server_is_away(site: Callable[[], Site], oip: OipServer) -> None:
    oip.fault = "not-ready"
    box = site()
    wait_for(lambda: box.processed() > 5, "the local model to be used")
    assert "it is not ready (503)" in box.state()
    oip.fault = ""
    wait_for(lambda: len(oip.inferences) > 5, "the server to be used")
    assert box.state() == "online"
    assert box.nothing_failed()
