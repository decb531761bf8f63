"""The daemon is killed while events flow to a broker; nothing that was committed is lost."""

import json
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto_broker import MosquittoBroker
from tests.system.processes import Appliance, Subscriber, wait_for

WORKFLOW = """\
version: 1
name: tell
inputs: {image: {type: image}}
steps:
  - name: tell
    type: mqtt@1
    connection: plant
    topic: yard/{camera}
    data: {number: $frame.sequence, at: $frame.captured_at}
"""
SETTINGS = """\
version: 1
state_dir: state
cameras:
  gate: {url: CLIP}
connections:
  plant: {type: mqtt, url: URL}
pipelines:
  tell: {workflow: tell.yaml, cameras: [gate]}
"""


def configured(folder: Path, clip: Path, broker: MosquittoBroker) -> Path:
    (folder / "tell.yaml").write_text(WORKFLOW)
    path = folder / "appliance.yaml"
    path.write_text(SETTINGS.replace("CLIP", str(clip)).replace("URL", broker.url))
    return path


def status_of(appliance: Appliance, folder: Path) -> dict[str, Any]:
    """What the daemon says; empty while none answers."""
    status, out, _ = appliance.run("status", "--state-dir", folder / "state")
    answer: dict[str, Any] = json.loads(out) if status == 0 else {}
    return answer


def emitted(appliance: Appliance, folder: Path) -> int:
    answer = status_of(appliance, folder)
    return int(answer["connections"]["plant"]["emitted"]) if answer else 0


def settled(appliance: Appliance, folder: Path) -> dict[str, int]:
    """The connection's totals, once the clip has ended and all is delivered; empty before."""
    answer = status_of(appliance, folder)
    if not answer or answer["cameras"]["gate"]["state"] != "ended":
        return {}
    totals: dict[str, int] = answer["connections"]["plant"]
    return totals if totals["pending"] == 0 else {}


@pytest.mark.parametrize(
    "kills", [5, pytest.param(40, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)
def test_events_survive_kills_of_the_daemon_and_a_broker_that_is_down_at_its_start(
    kills: int, appliance: Appliance, short_clip: Path, mosquitto: MosquittoBroker, tmp_path: Path
) -> None:
    settings = configured(tmp_path, short_clip, mosquitto)
    mosquitto.kill()
    daemon = appliance.start("serve", "--config", settings)
    wait_for(lambda: emitted(appliance, tmp_path) > 10, "events")
    daemon.kill()
    daemon.wait()
    mosquitto.start()
    witness = Subscriber(mosquitto.host, mosquitto.port)
    chance = random.Random(7)
    for _ in range(kills):
        daemon = appliance.start("serve", "--config", settings)
        enough = len(set(witness.ids())) + chance.randrange(1, 30)
        wait_for(partial(witness.has, enough), "more events")
        daemon.kill()
        daemon.wait()
    daemon = appliance.start("serve", "--config", settings)
    wait_for(lambda: bool(settled(appliance, tmp_path)), "all deliveries")
    totals = settled(appliance, tmp_path)
    daemon.send_signal(signal.SIGTERM)
    status, _, err = appliance.finish(daemon)
    assert status == 0, err
    assert totals["emitted"] == totals["delivered"]
    assert totals["dead"] == 0
    wait_for(partial(witness.has, totals["emitted"]), "the broker to forward all")
    witness.close()
    sequences = {int(event["sequence"]) for event in witness.received}
    assert sequences == set(range(1, totals["emitted"] + 1))
    # A duplicate has the id of its twin: as many ids as sequences.
    assert len(set(witness.ids())) == len(sequences)
