"""Tells Home Assistant of a box over the connection that its events take."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from appliance.clock import Clock
from appliance.delivery.envelope import Row
from appliance.delivery.transports.home_assistant import OFFLINE, ONLINE, Box, Discovery
from appliance.delivery.transports.mqtt_broker import Broker
from appliance.delivery.transports.transport import Site

# So often the loop is turned for what the broker has kept, which follows its answer at once.
LOOPS = 2
# So often it is looked how the cameras fare.
LOOK_S = 1.0

Message = tuple[str, bytes]
"""A topic, and what is to be retained there."""


class MqttDiscovery:
    """What is to be published for Home Assistant, now; used by the thread that sends."""

    def __init__(self, broker: Broker, site: Site, clock: Clock) -> None:
        self._clock = clock
        self._cameras = site.cameras
        self._looked_s = -LOOK_S
        box = Box(broker.client_id, broker.availability_topic, site.version)
        self._discovery = Discovery(
            box, broker.home_assistant, site.pipelines, tuple(site.cameras())
        )
        self._heard: SimpleQueue[Message] = SimpleQueue()
        self._subscribed: SimpleQueue[None] = SimpleQueue()
        self._told_cameras: Mapping[str, bool] = {}
        self._is_told = False

    def attach(self, client: Client) -> None:
        """Listen on a client that is not connected yet."""

        def hear(_client: Client, _data: Any, message: MQTTMessage) -> None:
            self._heard.put((message.topic, bytes(message.payload)))

        self._heard, self._subscribed = SimpleQueue(), SimpleQueue()
        client.on_message = hear
        client.on_subscribe = lambda *_: self._subscribed.put(None)

    def join(self, client: Client, loop: Callable[[], None], wait: Callable[[Any], None]) -> None:
        """Ask the broker what it has kept, and for Home Assistant's birth message."""
        client.subscribe([(self._discovery.topic, 1), (self._discovery.birth_topic, 0)])
        wait(self._subscribed)
        for _ in range(LOOPS):
            if self._heard.empty():
                loop()
        # It would hear itself.
        client.unsubscribe(self._discovery.topic)
        self._forget_told()

    def learn(self, rows: Sequence[Row]) -> None:
        """These have been delivered."""
        for row in rows:
            if self._discovery.learn(row):
                self._is_told = False

    def messages(self) -> Iterator[Message]:
        """What is to be published, retained; each is taken as told when the next is asked for."""
        while not self._heard.empty():
            topic, payload = self._heard.get()
            if topic == self._discovery.topic:
                self._discovery.recall(payload)
            elif payload == ONLINE.encode():
                self._forget_told()
        if not self._is_told:
            yield self._discovery.topic, self._discovery.config()
            self._is_told = True
        now = self._clock.monotonic()
        if now - self._looked_s >= LOOK_S:
            self._looked_s = now
            yield from self._cameras_changed()

    def _cameras_changed(self) -> Iterator[Message]:
        cameras = dict(self._cameras())
        for name, is_online in cameras.items():
            if self._told_cameras.get(name) is not is_online:
                word = ONLINE if is_online else OFFLINE
                yield self._discovery.camera_topic(name), word.encode()
        self._told_cameras = cameras

    def _forget_told(self) -> None:
        self._is_told, self._told_cameras = False, {}
        self._looked_s = -LOOK_S
