"""Home Assistant is told over a real broker."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from appliance.clock import SystemClock
from appliance.delivery.envelope import Row
from appliance.delivery.transports import mqtt_discovery
from appliance.delivery.transports.mqtt import MqttTransport
from appliance.delivery.transports.transport import ConnectionSettings, Site
from tests.mosquitto_broker import MosquittoBroker

RowOf = Callable[..., Row]
ARRIVE_S = 10.0
CONFIG = "homeassistant/device/box-1/config"
CAMERA = "appliance/box-1/cameras/gate"


class HomeAssistant:
    """Hears the discovery messages of a broker, and says that it was born."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self._changed = threading.Condition()
        self.kept: dict[str, bytes] = {}
        self.count: dict[str, int] = {}
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self._hear(message)
        self._client.connect(broker.host, broker.port)
        self._client.subscribe([("homeassistant/#", 1), ("appliance/#", 1)])
        self._client.loop_start()

    def _hear(self, message: Any) -> None:
        with self._changed:
            self.kept[message.topic] = message.payload
            self.count[message.topic] = self.count.get(message.topic, 0) + 1
            self._changed.notify_all()

    def wait(self, until: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(until, ARRIVE_S), f"{what}: {self.kept}"

    def components(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kept.get(CONFIG, b'{"cmps": {}}'))["cmps"]
        return found

    def is_born(self) -> None:
        self._client.publish("homeassistant/status", "online").wait_for_publish(ARRIVE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def home(mosquitto: MosquittoBroker) -> Iterator[HomeAssistant]:
    made = HomeAssistant(mosquitto)
    yield made
    made.close()


class Installed:
    """A box whose camera may be lost, and its transports."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self.cameras = {"gate": True}
        self._broker = broker
        self.made: list[MqttTransport] = []

    def transport(self, *pipelines: str) -> MqttTransport:
        options = {"client_id": "box-1", "home_assistant": "homeassistant"}
        site = Site("1.2", pipelines, lambda: self.cameras)
        settings = ConnectionSettings("plant", "mqtt", self._broker.url, options, site)
        self.made.append(MqttTransport(settings, SystemClock()))
        self.made[-1].open()
        return self.made[-1]


@pytest.fixture
def box(mosquitto: MosquittoBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    monkeypatch.setattr(mqtt_discovery, "LOOK_S", 0.0)
    made = Installed(mosquitto)
    yield made
    for each in made.made:
        each.close()


def crossed(row: RowOf, total: int) -> Row:
    body = {"source": "/box/count/gate", "data": {"total": total}}
    return replace(row(subject="site/gate", type_="people.crossed"), body=json.dumps(body))


def test_a_count_and_the_health_of_a_camera_appear_by_themselves(
    home: HomeAssistant, box: Installed, row: RowOf
) -> None:
    transport = box.transport("count")
    home.wait(lambda: home.kept.get(CAMERA) == b"online", "the camera")
    assert list(home.components()) == ["camera_gate"]
    assert transport.send([crossed(row, 3)]) == [None]
    transport.idle()
    home.wait(lambda: len(home.components()) == 2, "the count")
    box.cameras["gate"] = False
    transport.idle()
    home.wait(lambda: home.kept[CAMERA] == b"offline", "the camera that was lost")


def test_all_is_told_again_when_home_assistant_is_born(home: HomeAssistant, box: Installed) -> None:
    transport = box.transport("count")
    home.wait(lambda: home.count.get(CAMERA) == 1, "the first time")
    home.is_born()

    def told_again() -> bool:
        transport.idle()
        return home.count.get(CONFIG) == 2 and home.count.get(CAMERA) == 2

    for _ in range(200):
        if told_again():
            break
        SystemClock().wait(threading.Event(), 0.02)
    assert home.count == {**home.count, CONFIG: 2, CAMERA: 2}


def test_what_is_not_new_is_not_told_again(home: HomeAssistant, box: Installed, row: RowOf) -> None:
    transport = box.transport("count")
    for total in range(5):
        assert transport.send([crossed(row, total)]) == [None]
        transport.idle()
    transport.send([replace(crossed(row, 9), subject="appliance/last")])
    home.wait(lambda: "appliance/last" in home.kept, "the last")
    # At the beginning, and with the first count; what the last one taught comes at the next turn.
    assert home.count[CONFIG] == 2


def test_values_of_a_pipeline_that_is_gone_are_taken_back(
    home: HomeAssistant, box: Installed, row: RowOf
) -> None:
    transport = box.transport("count")
    transport.send([crossed(row, 3)])
    transport.idle()
    home.wait(lambda: len(home.components()) == 2, "the count")
    transport.close()
    box.transport("other")
    home.wait(
        lambda: home.components().get("count_gate_crossed_site_gate_total") == {"p": "sensor"},
        "the count taken back",
    )
    assert "unique_id" in home.components()["camera_gate"]
