"""Events to an MQTT 5 broker, at QoS 1: the row's subject is the topic, its CloudEvent the payload.

paho's network loop is driven from the thread that sends, not from one of paho's own. So a thread is
started in one place of the program only, every callback runs between our own lines, and paho's lock
inversion (`on_publish` is called under a lock that `publish` takes) cannot happen. Sending waits
for acknowledgements anyway, and `idle` comes often enough to keep the connection alive.

Each connection is a new client with a clean start: paho would send again what the last one had in
flight, and the outbox does that already. While it is connected, the retained topic
`appliance/<client id>/status` says `online`; the last will says `offline`.
"""

import re
import socket
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.clock import Clock
from appliance.delivery.envelope import Row
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    InvalidConnection,
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
PORTS = {"mqtt": 1883, "mqtts": 8883}
OPTIONS = ("client_id", "ca_file", "cert_file", "key_file")
# What a PUBLISH packet has beside topic and payload, at most: lengths, id, properties.
PACKET_OVERHEAD = 64
# The one failure that passes with time: the broker has no room now (MQTT 5, 3.4.2.1).
_QUOTA_EXCEEDED = 0x97
_UNSPECIFIED = 0x80
# Room for a host's name, which may have 64 characters, and that of the connection.
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,256}")


@dataclass(frozen=True, slots=True)
class _Broker:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    client_id: str
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, settings: ConnectionSettings) -> "_Broker":
        url = _checked_url(settings)
        options = _checked_options(settings)
        client_id = options.get("client_id", f"appliance-{socket.gethostname()}-{settings.name}")
        if not _CLIENT_ID.fullmatch(client_id):
            raise InvalidConnection(
                f"connection {settings.name}: the client id {client_id!r} is not made of letters, "
                "digits, `.`, `_` and `-` (256 at most); set `client_id`"
            )
        return cls(
            host=url.hostname or "",
            port=url.port or PORTS[url.scheme],
            client_id=client_id,
            username=None if url.username is None else unquote(url.username),
            password=None if url.password is None else unquote(url.password),
            tls=_tls(settings.name, options) if url.scheme == "mqtts" else None,
        )

    def __str__(self) -> str:
        return f"the broker {self.host}:{self.port}"


class MqttTransport:
    """One broker."""

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self._clock = clock
        self._broker = _Broker.of(settings)
        self._topic = f"appliance/{self._broker.client_id}/status"
        self._client: Client | None = None
        self._acknowledged: SimpleQueue[tuple[int, ReasonCode]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[ReasonCode, Properties | None]] = SimpleQueue()
        self._goodbye = ""
        self._window = WINDOW
        self._largest: int | None = None

    def open(self) -> None:
        """Connect, wait for the broker's word, and say that we are online."""
        self.close()
        self._goodbye = ""
        self._answers, self._acknowledged = SimpleQueue(), SimpleQueue()
        client = self._client = self._new_client()
        try:
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_S, clean_start=True)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._broker} does not answer: {error}") from error
        self._await(client, self._answers)
        reason, properties = self._answers.get()
        if reason.is_failure:
            raise Unavailable(f"{self._broker} does not let us in: {reason}")
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._largest = getattr(properties, "MaximumPacketSize", None)
        client.publish(self._topic, "online", qos=1, retain=True)
        # So that it takes no place in the window. A broker that forbids the topic is no obstacle.
        self._await(client, self._acknowledged)
        self._acknowledged.get()

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Publish, and wait for the PUBACK of each row."""
        client = self._client
        if client is None:
            raise Unavailable(f"{self._broker} is not connected")
        outcomes: list[Outcome] = [Unavailable(f"{self._broker} has not acknowledged")] * len(batch)
        unsent = deque(enumerate(batch))
        in_flight: dict[int, int] = {}
        progress_at = self._clock.monotonic()
        try:
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
        return outcomes

    def idle(self) -> None:
        """Answer and send pings."""
        if self._client is not None:
            self._loop(self._client, 0.0)

    def close(self) -> None:
        """Leave, and let the broker publish our will: that says `offline` in every case alike."""
        client, self._client = self._client, None
        if client is None:
            return
        client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        for _ in range(CLOSING_LOOPS):
            if not client.want_write() or client.loop(LOOP_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break

    def _new_client(self) -> Client:
        broker = self._broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(WINDOW)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.will_set(self._topic, "offline", qos=1, retain=True)
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
                    f"{CONNECT_TIMEOUT_S:g} s; is it an MQTT 5 broker, and does it want TLS?"
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
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own
        properties.ContentType = CONTENT_TYPE
        try:
            info = client.publish(row.subject, payload, qos=1, properties=properties)
        except ValueError as error:
            raise Refused(f"the topic {row.subject!r} cannot be used: {error}") from error
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            raise Unavailable(f"{self._broker} is gone: {self._goodbye or info.rc.name}")
        return info.mid

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


def _checked_url(settings: ConnectionSettings) -> SplitResult:
    # The address itself may hold a password, and stays out of the messages.
    try:
        url = urlsplit(settings.url)
        usable = url.scheme in PORTS and url.hostname and (url.port or PORTS[url.scheme])
    except ValueError:
        usable = False
    if not usable or url.path.strip("/") or url.query or url.fragment:
        raise InvalidConnection(
            f"connection {settings.name}: `url` is not of the form mqtt://user:password@host:1883 "
            "(or mqtts://, with TLS)"
        )
    return url


def _checked_options(settings: ConnectionSettings) -> Mapping[str, str]:
    unknown = set(settings.options) - set(OPTIONS)
    if unknown:
        raise InvalidConnection(
            f"connection {settings.name}: {sorted(unknown)[0]!r} is not an option of mqtt; "
            f"there are {', '.join(OPTIONS)}"
        )
    return settings.options


def _tls(name: str, options: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ca_file"))
        if "cert_file" in options:
            context.load_cert_chain(options["cert_file"], options.get("key_file"))
    except (OSError, ValueError) as error:
        raise InvalidConnection(
            f"connection {name}: the certificates cannot be read: {error}; see `ca_file`, "
            "`cert_file` and `key_file`"
        ) from error
    return context
