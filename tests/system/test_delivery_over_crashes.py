"""The daemon is killed while events flow to a broker; nothing that was committed is lost."""

import json
import random
import signal
from functools import partial
from pathlib import Path

from tests.mosquitto_broker import MosquittoBroker
from tests.system.processes import Appliance, Subscriber, wait_for

KILLS = 5

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


def connection(appliance: Appliance, folder: Path) -> dict[str, int]:
    status, out, err = appliance.run("status", "--state-dir", folder / "state")
    assert status == 0, err
    found: dict[str, int] = json.loads(out)["connections"]["plant"]
    return found


def test_events_survive_kills_of_the_daemon_and_a_broker_that_is_down_at_its_start(
    appliance: Appliance, short_clip: Path, mosquitto: MosquittoBroker, tmp_path: Path
) -> None:
    settings = configured(tmp_path, short_clip, mosquitto)
    mosquitto.kill()
    daemon = appliance.start("serve", "--config", settings)
    wait_for((tmp_path / "state" / "control.sock").exists, "the daemon")
    wait_for(lambda: connection(appliance, tmp_path)["emitted"] > 10, "events")
    daemon.kill()
    daemon.wait()
    mosquitto.start()
    witness = Subscriber(mosquitto.host, mosquitto.port)
    chance = random.Random(7)
    for _ in range(KILLS):
        daemon = appliance.start("serve", "--config", settings)
        enough = len(set(witness.ids())) + chance.randrange(1, 30)
        wait_for(partial(witness.has, enough), "more events")
        daemon.kill()
        daemon.wait()
    daemon = appliance.start("serve", "--config", settings)
    wait_for((tmp_path / "state" / "control.sock").exists, "the daemon")

    def settled() -> bool:
        now = connection(appliance, tmp_path)
        return now["pending"] == 0 and now["emitted"] > 40

    wait_for(settled, "all deliveries")
    totals = connection(appliance, tmp_path)
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
