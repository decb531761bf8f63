"""Events to an MQTT broker: the row's subject is the topic, its CloudEvent the payload.

The sink says of each message whether it is acknowledged (QoS 1) or not (QoS 0), retained, and after
how long it is worth nothing; brokers of MQTT 3.1.1 do not know the last.

paho's network loop is driven from the thread that sends, not from one of paho's own. So a thread is
started in one place of the program only, every callback runs between our own lines, and paho's lock
inversion (`on_publish` is called under a lock that `publish` takes) cannot happen. Sending waits
for acknowledgements anyway, and `idle` comes often enough to keep the connection alive.

Each connection is a new client with a clean start: paho would send again what the last one had in
flight, and the outbox does that already. While it is connected, the retained topic
`appliance/<client id>/status` says `online`; the last will says `offline`.
"""

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.clock import Clock
from appliance.delivery.envelope import Row
from appliance.delivery.transports.mqtt_broker import Broker
from appliance.delivery.transports.mqtt_discovery import MqttDiscovery
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    Outcome,
    Refused,
    Unavailable,
)

WINDOW = 200
KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 5.0
ACKNOWLEDGE_TIMEOUT_S = 10.0
LOOP_S = 0.25
CLOSING_LOOPS = 4
CONTENT_TYPE = "application/cloudevents+json"
# What a PUBLISH packet has beside topic and payload, at most: lengths, id, properties.
PACKET_OVERHEAD = 64
# The one failure that passes with time: the broker has no room now (MQTT 5, 3.4.2.1).
_QUOTA_EXCEEDED = 0x97
_UNSPECIFIED = 0x80


class MqttTransport:
    """One broker."""

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self._clock = clock
        self._broker = Broker.of(settings)
        self._topic = self._broker.availability_topic
        self._is_v5 = self._broker.version is MQTTProtocolVersion.MQTTv5
        self._client: Client | None = None
        self._acknowledged: SimpleQueue[tuple[int, ReasonCode]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[ReasonCode, Properties | None]] = SimpleQueue()
        self._goodbye = ""
        self._window = WINDOW
        self._largest: int | None = None
        self._discovery: MqttDiscovery | None = None
        if self._broker.home_assistant and settings.site is not None:
            self._discovery = MqttDiscovery(self._broker, settings.site, clock)

    def open(self) -> None:
        """Connect, wait for the broker's word, and say that we are online."""
        self.close()
        self._goodbye = ""
        self._answers, self._acknowledged = SimpleQueue(), SimpleQueue()
        client = self._client = self._new_client()
        try:
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._broker} does not answer: {error}") from error
        self._await(client, self._answers)
        reason, properties = self._answers.get()
        if reason.is_failure:
            raise Unavailable(f"{self._broker} does not let us in: {reason}")
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._largest = getattr(properties, "MaximumPacketSize", None)
        self._retain(client, self._topic, b"online")
        if self._discovery is not None:
            self._discovery.join(
                client,
                lambda: self._loop(client, LOOP_S),
                lambda answers: self._await(client, answers),
            )
            self._tell(client)

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Publish, and wait for the PUBACK of each row; at QoS 0, until it is written."""
        client = self._client
        if client is None:
            raise Unavailable(f"{self._broker} is not connected")
        outcomes: list[Outcome] = [Unavailable(f"{self._broker} has not acknowledged")] * len(batch)
        unsent = deque(enumerate(batch))
        in_flight: dict[int, int] = {}
        progress_at = self._clock.monotonic()
        try:
            self._tell(client)
            while unsent or in_flight:
                while unsent and len(in_flight) < self._window:
                    index, row = unsent.popleft()
                    try:
                        in_flight[self._publish(client, row)] = index
                    except Refused as refused:
                        outcomes[index] = refused
                self._loop(client, LOOP_S)
                if self._take_acknowledged(in_flight, outcomes):
                    progress_at = self._clock.monotonic()
                elif self._clock.monotonic() - progress_at > ACKNOWLEDGE_TIMEOUT_S:
                    break
        except Unavailable as gone:
            self._take_acknowledged(in_flight, outcomes)
            for index in [*in_flight.values(), *(index for index, _ in unsent)]:
                outcomes[index] = gone
        if self._discovery is not None:
            self._discovery.learn([r for r, o in zip(batch, outcomes, strict=True) if o is None])
        return outcomes

    def idle(self) -> None:
        """Answer and send pings."""
        if self._client is not None:
            self._loop(self._client, 0.0)
            self._tell(self._client)

    def close(self) -> None:
        """Leave, and let the broker publish our will: that says `offline` in every case alike."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._is_v5:
            client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        else:
            # Who says goodbye in MQTT 3.1.1 takes the will along.
            client.publish(self._topic, "offline", qos=1, retain=True)
            client.disconnect()
        for _ in range(CLOSING_LOOPS):
            if not client.want_write() or client.loop(LOOP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break

    def _tell(self, client: Client) -> None:
        """Tell Home Assistant what is new; nothing of ours is in flight."""
        if self._discovery is not None:
            for topic, payload in self._discovery.messages():
                self._retain(client, topic, payload)

    def _retain(self, client: Client, topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1, retain=True)
        # So that it takes no place in the window. A broker that forbids the topic is no obstacle.
        self._await(client, self._acknowledged)
        self._acknowledged.get()

    def _new_client(self) -> Client:
        broker = self._broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=broker.version,
            # In MQTT 5 it is said at the connection, and is what paho says at the first.
            clean_session=None if self._is_v5 else True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(WINDOW)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.will_set(self._topic, "offline", qos=1, retain=True)
        if self._discovery is not None:
            self._discovery.attach(client)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        # Nothing but this: it is called under a lock of paho's.
        client.on_publish = lambda _client, _data, mid, reason, _properties: self._acknowledged.put(
            (mid, reason)
        )
        return client

    def _on_connect(
        self, _client: Client, _data: Any, _flags: Any, reason: Any, properties: Properties | None
    ) -> None:
        self._answers.put((reason, properties))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        # The broker's own reason, if it gives one, comes before the end of the connection.
        told = "the connection was closed" if reason.value == _UNSPECIFIED else str(reason)
        self._goodbye = self._goodbye or told

    def _await(self, client: Client, answers: SimpleQueue[Any]) -> None:
        deadline = self._clock.monotonic() + CONNECT_TIMEOUT_S
        while answers.empty():
            if self._clock.monotonic() > deadline:
                raise Unavailable(
                    f"{self._broker} took the connection but said nothing for "
                    f"{CONNECT_TIMEOUT_S:g} s; does it want TLS, or an older MQTT (`version`)?"
                )
            self._loop(client, LOOP_S)

    def _loop(self, client: Client, seconds: float) -> None:
        done = client.loop(seconds)
        # An answer that nobody has read yet is a no to CONNECT: it says more than the cut line.
        if self._answers.empty() and (done != MQTTErrorCode.MQTT_ERR_SUCCESS or self._goodbye):
            raise Unavailable(f"{self._broker} is gone: {self._goodbye or done.name}")

    def _publish(self, client: Client, row: Row) -> int:
        """Hand one row to paho; the number by which its PUBACK is known."""
        if not row.subject or not row.subject.isprintable():
            # paho lets these pass, and the broker would cut the line, again at every try.
            raise Refused(f"the topic {row.subject!r} cannot be used: it is empty or unprintable")
        payload = row.body.encode()
        size = len(payload) + len(row.subject.encode()) + PACKET_OVERHEAD
        if self._largest is not None and size > self._largest:
            raise Refused(
                f"{self._broker} takes {self._largest} bytes at most, and the event has {size}"
            )
        options = json.loads(row.options) if row.options else {}
        try:
            info = client.publish(
                row.subject,
                payload,
                qos=options.get("qos", 1),
                retain=options.get("retain", False),
                properties=self._properties(row, options) if self._is_v5 else None,
            )
        except ValueError as error:
            raise Refused(f"the topic {row.subject!r} cannot be used: {error}") from error
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            raise Unavailable(f"{self._broker} is gone: {self._goodbye or info.rc.name}")
        return info.mid

    def _properties(self, row: Row, options: Mapping[str, Any]) -> Properties:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own
        properties.ContentType = CONTENT_TYPE
        if options.get("expire_s"):
            left_s = row.time + options["expire_s"] - self._clock.now()
            # What has waited for too long already is sent all the same: who reads history wants it.
            properties.MessageExpiryInterval = max(1, math.ceil(left_s))
        return properties

    def _take_acknowledged(self, in_flight: dict[int, int], outcomes: list[Outcome]) -> bool:
        """Write down what has been acknowledged; whether there was any."""
        any_taken = False
        while not self._acknowledged.empty():
            mid, reason = self._acknowledged.get()
            outcomes[in_flight.pop(mid)] = self._outcome(reason)
            any_taken = True
        return any_taken

    def _outcome(self, reason: ReasonCode) -> Outcome:
        if not reason.is_failure:
            return None
        if reason.value == _QUOTA_EXCEEDED:
            return Unavailable(f"{self._broker} has no room now: {reason}")
        return Refused(f"{self._broker} refused it: {reason}")
