import gc
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from appliance.clock import SystemClock
from appliance.delivery.envelope import Row
from appliance.delivery.transports import mqtt
from appliance.delivery.transports.mqtt import MqttTransport
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    Outcome,
    Refused,
    Unavailable,
)
from tests.mosquitto_broker import MosquittoBroker

RowOf = Callable[..., Row]
ARRIVE_S = 10.0
IDLES = 500


class Subscriber:
    """Hears everything on a broker."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        subscribed: queue.Queue[None] = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.heard.put(message)
        self._client.on_subscribe = lambda *_: subscribed.put(None)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        subscribed.get(timeout=ARRIVE_S)

    def next_on(self, topic: str) -> MQTTMessage:
        while True:
            message = self.heard.get(timeout=ARRIVE_S)
            if message.topic == topic:
                return message

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def subscriber(mosquitto: MosquittoBroker) -> Iterator[Subscriber]:
    made = Subscriber(mosquitto)
    yield made
    made.close()


@pytest.fixture
def transport_to() -> Iterator[Callable[..., MqttTransport]]:
    """Makes transports, and closes them."""
    made: list[MqttTransport] = []

    def make(url: str, **options: str) -> MqttTransport:
        options.setdefault("client_id", "box-1")
        settings = ConnectionSettings("plant", "mqtt", url, options)
        made.append(MqttTransport(settings, SystemClock()))
        return made[-1]

    yield make
    for each in made:
        each.close()


TransportTo = Callable[..., MqttTransport]


def idle(transport: MqttTransport, until: Callable[[], bool]) -> None:
    """As the delivery loop does, but faster."""
    never = threading.Event()
    for _ in range(IDLES):
        transport.idle()
        if until():
            return
        SystemClock().wait(never, 0.02)
    pytest.fail("it did not come")


def kinds(outcomes: Any) -> list[type[Outcome] | None]:
    return [None if outcome is None else type(outcome) for outcome in outcomes]


def test_a_row_is_published_on_its_subject_as_a_cloudevent(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo, row: RowOf
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    assert transport.send([row({"wo": "Tür"}, subject="site/gate")]) == [None]
    message = subscriber.next_on("site/gate")
    assert json.loads(message.payload)["data"] == {"wo": "Tür"}
    assert message.qos == 1
    assert not message.retain
    assert message.properties is not None
    assert vars(message.properties)["ContentType"] == "application/cloudevents+json"


def test_a_message_may_be_retained_or_go_without_an_acknowledgement(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo, row: RowOf
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    rows = [
        replace(row(subject="state"), options='{"retain": true}'),
        replace(row(subject="passing"), options='{"qos": 0}'),
    ]
    assert transport.send(rows) == [None, None]
    assert subscriber.next_on("state").qos == 1
    assert subscriber.next_on("passing").qos == 0
    late = Subscriber(mosquitto)
    assert late.next_on("state").retain
    late.close()


def test_the_broker_is_told_how_long_a_message_is_worth_anything(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo, row: RowOf
) -> None:
    now = SystemClock().now()
    transport = transport_to(mosquitto.url)
    transport.open()
    rows = [
        replace(row(subject="fresh"), time=now, options='{"expire_s": 600}'),
        replace(row(subject="old"), time=now - 3600, options='{"expire_s": 600}'),
    ]
    assert transport.send(rows) == [None, None]
    fresh, old = subscriber.next_on("fresh"), subscriber.next_on("old")
    assert 500 < vars(fresh.properties)["MessageExpiryInterval"] <= 600
    assert vars(old.properties)["MessageExpiryInterval"] == 1


def test_a_broker_of_the_older_version_gets_the_same_messages(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo, row: RowOf
) -> None:
    transport = transport_to(mosquitto.url, version="3.1.1")
    transport.open()
    assert subscriber.next_on("appliance/box-1/status").payload == b"online"
    rows = [replace(row(subject="site/gate"), options='{"expire_s": 600}'), row()]
    assert transport.send(rows) == [None, None]
    message = subscriber.next_on("site/gate")
    assert json.loads(message.payload)["data"] == {"n": 1}
    assert "MessageExpiryInterval" not in vars(message.properties)
    transport.close()
    assert subscriber.next_on("appliance/box-1/status").payload == b"offline"
    assert "protocol version" not in mosquitto.log.lower()


def test_rows_arrive_in_order_though_more_than_the_window_are_sent(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo, row: RowOf
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    count = 3 * mqtt.WINDOW
    assert transport.send([row() for _ in range(count)]) == [None] * count
    heard = [json.loads(subscriber.next_on("gate").payload)["data"]["n"] for _ in range(count)]
    assert heard == list(range(1, count + 1))


def test_no_more_is_in_flight_than_the_broker_allows(
    mosquitto: MosquittoBroker, transport_to: TransportTo, row: RowOf
) -> None:
    mosquitto.kill()
    mosquitto.settings.append("max_inflight_messages 7")
    mosquitto.start()
    transport = transport_to(mosquitto.url)
    transport.open()
    assert transport._window == 7
    assert transport.send([row() for _ in range(50)]) == [None] * 50


def test_a_row_counts_as_sent_only_when_the_broker_says_so(
    mosquitto: MosquittoBroker,
    transport_to: TransportTo,
    row: RowOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "ACKNOWLEDGE_TIMEOUT_S", 0.2)
    transport = transport_to(mosquitto.url)
    transport.open()
    mosquitto.pause()
    outcomes = transport.send([row(), row()])
    mosquitto.resume()
    assert kinds(outcomes) == [Unavailable, Unavailable]
    assert "has not acknowledged" in str(outcomes[0])


def test_a_broker_that_is_killed_is_noticed(
    mosquitto: MosquittoBroker, transport_to: TransportTo, row: RowOf
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    mosquitto.kill()
    assert kinds(transport.send([row(), row()])) == [Unavailable, Unavailable]
    with pytest.raises(Unavailable, match=rf"the broker 127\.0\.0\.1:{mosquitto.port} is gone"):
        transport.idle()
    with pytest.raises(Unavailable, match=r"does not answer: .*refused"):
        transport.open()
    transport.close()
    with pytest.raises(Unavailable, match="is not connected"):
        transport.send([row()])
    mosquitto.start()
    transport.open()
    assert transport.send([row()]) == [None]


def test_the_status_topic_says_online_and_offline(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    assert subscriber.next_on("appliance/box-1/status").payload == b"online"
    transport.close()
    assert subscriber.next_on("appliance/box-1/status").payload == b"offline"
    late = Subscriber(mosquitto)
    assert late.next_on("appliance/box-1/status").retain
    late.close()


def test_the_broker_says_offline_for_a_box_that_vanished(
    mosquitto: MosquittoBroker, subscriber: Subscriber, transport_to: TransportTo
) -> None:
    transport = transport_to(mosquitto.url)
    transport.open()
    assert subscriber.next_on("appliance/box-1/status").payload == b"online"
    assert transport._client is not None
    # Without a DISCONNECT, as when the process is killed.
    transport._client._sock_close()
    assert subscriber.next_on("appliance/box-1/status").payload == b"offline"


def test_idling_keeps_the_connection_alive(
    mosquitto: MosquittoBroker, transport_to: TransportTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE_S", 1)
    transport = transport_to(mosquitto.url)
    transport.open()
    idle(transport, until=lambda: mosquitto.log.count("Received PINGREQ from box-1") == 2)


def test_a_second_box_of_the_same_name_is_noticed(
    mosquitto: MosquittoBroker, transport_to: TransportTo
) -> None:
    first = transport_to(mosquitto.url)
    first.open()
    transport_to(mosquitto.url).open()
    with pytest.raises(Unavailable, match="is gone: the connection was closed"):
        idle(first, until=lambda: False)


def test_a_wrong_password_is_told_without_it(
    mosquitto: MosquittoBroker, transport_to: TransportTo
) -> None:
    mosquitto.kill()
    mosquitto.settings[:] = ["allow_anonymous false"]
    mosquitto.start()
    url = mosquitto.url.replace("//", "//anna:gehe%3Aim@")
    with pytest.raises(Unavailable, match="does not let us in: Not authorized") as refusal:
        transport_to(url).open()
    assert "gehe" not in str(refusal.value)


def test_the_user_and_the_password_of_the_address_are_used(
    mosquitto: MosquittoBroker, transport_to: TransportTo, row: RowOf
) -> None:
    mosquitto.kill()
    passwords = mosquitto.file("passwords", "")
    command = ["mosquitto_passwd", "-b", str(passwords), "anna", "gehe:im"]
    subprocess.run(command, check=True, capture_output=True)
    mosquitto.settings[:] = ["allow_anonymous false", f"password_file {passwords}"]
    mosquitto.start()
    transport = transport_to(mosquitto.url.replace("//", "//anna:gehe%3Aim@"))
    transport.open()
    assert transport.send([row()]) == [None]


def test_what_the_broker_refuses_does_not_hold_up_the_others(
    mosquitto: MosquittoBroker, transport_to: TransportTo, row: RowOf
) -> None:
    mosquitto.kill()
    allowed = mosquitto.file("acl", "topic readwrite open/#\ntopic readwrite appliance/#\n")
    mosquitto.settings += [f"acl_file {allowed}", "max_packet_size 3000"]
    mosquitto.start()
    transport = transport_to(mosquitto.url)
    transport.open()
    outcomes = transport.send(
        [
            row(subject="open/1"),
            row({"long": "x" * 3000}, subject="open/2"),
            row(subject="open/#"),
            row(subject=""),
            row(subject="open/\0"),
            row(subject="open/3"),
            row(subject="closed/1"),
        ]
    )
    assert kinds(outcomes) == [None, *[Refused] * 4, None, Refused]
    assert "takes 3000 bytes at most, and the event has 3" in str(outcomes[1])
    assert "the topic 'open/#' cannot be used" in str(outcomes[2])
    assert "the topic '' cannot be used" in str(outcomes[3])
    assert "refused it: Not authorized" in str(outcomes[6])


def openssl(folder: Path, *arguments: str) -> None:
    command = ["openssl", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


# paho leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_with_tls_is_checked_against_the_given_authority(
    mosquitto: MosquittoBroker, transport_to: TransportTo, row: RowOf, tmp_path: Path
) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=test authority")
    openssl(tmp_path, "req", "-x509", *key, *authority, "-keyout", "ca.key", "-out", "ca.pem")
    openssl(tmp_path, "req", *key, "-subj", "/CN=broker", "-keyout", "b.key", "-out", "b.csr")
    (tmp_path / "ext").write_text(
        "subjectAltName=IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext")
    openssl(tmp_path, "x509", "-req", "-in", "b.csr", *signed_by, "-out", "b.pem")
    mosquitto.kill()
    mosquitto.settings += [f"certfile {tmp_path}/b.pem", f"keyfile {tmp_path}/b.key"]
    mosquitto.start()
    url = mosquitto.url.replace("mqtt:", "mqtts:")

    trusted = transport_to(url, ca_file=str(tmp_path / "ca.pem"))
    trusted.open()
    assert trusted.send([row()]) == [None]
    with pytest.raises(Unavailable, match="certificate verify failed"):
        transport_to(url).open()
    gc.collect()


def test_a_broker_that_wants_tls_is_not_waited_for_in_silence(
    mosquitto: MosquittoBroker, transport_to: TransportTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "CONNECT_TIMEOUT_S", 0.3)
    mosquitto.pause()
    with pytest.raises(
        Unavailable, match=r"said nothing for 0\.3 s; does it want TLS, or an older"
    ):
        transport_to(mosquitto.url).open()
    mosquitto.resume()
