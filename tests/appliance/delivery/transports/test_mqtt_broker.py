"""The settings of a connection to an MQTT broker."""

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from appliance.delivery.transports.mqtt_broker import Broker
from appliance.delivery.transports.transport import ConnectionSettings, InvalidConnection


def broker(url: str, **options: str) -> Broker:
    return Broker.of(ConnectionSettings("plant", "mqtt", url, options))


@pytest.mark.parametrize(
    ("url", "options", "sentence"),
    [
        ("", {}, "`url` is not of the form mqtt://"),
        ("http://host", {}, "`url` is not of the form mqtt://"),
        ("mqtt://u:geheim@host:port", {}, "`url` is not of the form mqtt://"),
        ("mqtt://u:geheim@/x", {}, "`url` is not of the form mqtt://"),
        ("mqtt://host/topic", {}, "`url` is not of the form mqtt://"),
        ("mqtt://host", {"client_id": "a/b"}, "the client id 'a/b' is not made of letters"),
        ("mqtt://host", {"qos": "2"}, "'qos' is not an option of mqtt; there are client_id"),
        ("mqtt://host", {"version": "3"}, "`version` is '3'; it is 5 or 3.1.1"),
        ("mqtt://host", {"availability_topic": "a/#"}, "`availability_topic` is 'a/#'; a topic"),
        ("mqtts://host", {"ca_file": "/no/such"}, "the certificates cannot be read: .*No such"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    url: str, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InvalidConnection, match=f"^connection plant: {sentence}") as refusal:
        broker(url, **options)
    assert "geheim" not in str(refusal.value)


def test_the_client_id_tells_boxes_and_connections_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box-7")
    assert broker("mqtt://host").client_id == "appliance-box-7-plant"


def test_a_long_name_of_the_box_makes_a_client_id_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "b" * 64)
    assert broker("mqtt://host").client_id == f"appliance-{'b' * 64}-plant"


def test_the_availability_topic_is_that_of_the_client_unless_it_is_said() -> None:
    made = broker("mqtt://host", client_id="box-1")
    assert made.availability_topic == "appliance/box-1/status"
    assert made.version is MQTTProtocolVersion.MQTTv5
    other = broker("mqtt://host", availability_topic="site/box/alive", version="3.1.1")
    assert other.availability_topic == "site/box/alive"
    assert other.version is MQTTProtocolVersion.MQTTv311


def test_user_and_password_may_hold_what_an_address_cannot() -> None:
    made = broker("mqtts://o%40p:a%2Fb@host")
    assert (made.username, made.password, made.port) == ("o@p", "a/b", 8883)
    assert made.tls is not None
