import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from appliance.clock import SystemClock
from appliance.delivery.delivery import TRIES_AT_DEFECT, Delivery
from appliance.delivery.envelope import Row
from appliance.delivery.outbox import Outbox
from appliance.delivery.store import Totals
from appliance.delivery.transports import make_transport
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    Outcome,
    Refused,
    Unavailable,
)
from appliance.supervisor import Supervisor
from blocks.data import Event
from tests.appliance.delivery.conftest import SOURCE, ManualClock
from tests.mosquitto_broker import MosquittoBroker

EventOf = Callable[..., Event]
ARRIVE_S = 30.0


class Peer:
    """A transport whose answers the test decides: by the number of the event, or for all."""

    def __init__(self) -> None:
        self.down: Unavailable | None = None
        self.answers: dict[int, Outcome | TypeError] = {}
        self.got: list[int] = []
        self.tries: list[list[int]] = []
        self.opened = 0
        self.closed = 0
        self.arrived = threading.Condition()

    def has(self, count: int) -> bool:
        return len(self.got) == count

    def open(self) -> None:
        if self.down is not None:
            raise self.down
        self.opened += 1

    def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        asked = [json.loads(row.body)["data"]["n"] for row in batch]
        self.tries.append(asked)
        outcomes: list[Outcome] = []
        for n in asked:
            answer = self.answers.get(n)
            if isinstance(answer, TypeError):
                raise answer
            outcomes.append(answer)
            if answer is None:
                with self.arrived:
                    self.got.append(n)
                    self.arrived.notify_all()
        return outcomes

    def idle(self) -> None:
        if self.down is not None:
            raise self.down

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def delivery(peer: Peer, outbox: Outbox, clock: ManualClock) -> Delivery:
    return Delivery(peer, "plant", outbox, clock, jitter=lambda: 0.5)


@pytest.fixture
def put(outbox: Outbox, event: EventOf, stopped: threading.Event) -> Callable[[int], None]:
    """Puts events 0, 1, 2 … and commits them."""

    def put_some(count: int) -> None:
        outbox.put([event(n) for n in range(count)], source=SOURCE)
        outbox.writer(stopped)

    return put_some


Put = Callable[[int], None]


def stop_after(clock: ManualClock, pauses: int) -> threading.Event:
    """A stop that comes in the pause of that number."""
    stop = threading.Event()

    def count() -> None:
        if len(clock.waits) == pauses - 1:
            stop.set()

    clock.before_wait = count
    return stop


def test_what_the_peer_acknowledges_leaves_the_outbox(
    delivery: Delivery, outbox: Outbox, peer: Peer, put: Put, stopped: threading.Event
) -> None:
    put(3)
    delivery.deliver(stopped)
    outbox.writer(stopped)
    assert peer.got == [0, 1, 2]
    assert outbox.totals()["plant"] == Totals(emitted=3, delivered=3)
    assert delivery.status().delivered == 3


def test_a_row_the_peer_refuses_is_buried_and_holds_up_nobody(
    delivery: Delivery, outbox: Outbox, peer: Peer, put: Put, stopped: threading.Event
) -> None:
    peer.answers = {1: Refused("no such table")}
    put(3)
    delivery.deliver(stopped)
    outbox.writer(stopped)
    assert peer.got == [0, 2]
    assert outbox.totals()["plant"] == Totals(emitted=3, delivered=2, dead=1)
    status = delivery.status()
    assert (status.delivered, status.refused, status.last_error) == (2, 1, "no such table")


def test_a_peer_that_is_down_is_tried_at_growing_intervals(
    delivery: Delivery, peer: Peer, put: Put, clock: ManualClock
) -> None:
    peer.down = Unavailable("nobody there")
    put(1)
    delivery.deliver(stop_after(clock, pauses=9))
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    status = delivery.status()
    assert (status.connected, status.last_error, status.failures_in_a_row) == (
        False,
        "nobody there",
        9,
    )


def test_order_is_kept_over_a_failure_and_the_rest_is_sent_once(
    delivery: Delivery, peer: Peer, put: Put, clock: ManualClock, stopped: threading.Event
) -> None:
    peer.answers = {1: Unavailable("full"), 2: Unavailable("full")}
    put(4)
    delivery._turn()
    # Not yet due, and not tried.
    delivery._turn()
    peer.answers = {}
    clock.at_s += 0.5
    delivery.deliver(stopped)
    assert peer.tries == [[0, 1, 2, 3], [1], [2]]
    assert peer.opened == 2


def test_a_row_keeps_its_tries_and_its_next_try_over_a_restart(
    tmp_path: Path, delivery: Delivery, outbox: Outbox, peer: Peer, put: Put, clock: ManualClock
) -> None:
    peer.down = Unavailable("nobody there")
    put(2)
    delivery.deliver(stop_after(clock, pauses=3))
    # The clock stands where the last pause, of 2 s, has ended.
    outbox.close()
    again = Outbox(tmp_path / "state", clock)
    assert again.due("plant", clock.now() - 0.1, 10) == []
    assert [row.tries for row in again.due("plant", clock.now(), 10)] == [3, 0]
    again.close()


def test_a_row_at_which_the_transport_fails_costs_itself_only(
    delivery: Delivery,
    outbox: Outbox,
    peer: Peer,
    put: Put,
    clock: ManualClock,
    stopped: threading.Event,
) -> None:
    peer.answers = {1: TypeError("unexpected")}
    put(4)
    for _ in range(TRIES_AT_DEFECT):
        delivery._turn()
        outbox.writer(stopped)
        clock.at_s += 60.0
    assert sorted(set(peer.got)) == [0, 2, 3]
    assert outbox.totals()["plant"] == Totals(emitted=4, delivered=3, dead=1)
    assert "the transport failed with TypeError: unexpected" in delivery.status().last_error


def test_a_committed_event_wakes_its_delivery(
    tmp_path: Path, peer: Peer, event: EventOf, supervisor: Supervisor
) -> None:
    clock = SystemClock()
    outbox = Outbox(tmp_path, clock)
    delivery = Delivery(peer, "plant", outbox, clock)
    supervisor.start("outbox", outbox.writer)
    supervisor.start("delivery", delivery.deliver)
    for n in range(3):
        outbox.put([event(n)], source=SOURCE)
        with peer.arrived:
            assert peer.arrived.wait_for(partial(peer.has, n + 1), ARRIVE_S)
    assert delivery.status().connected
    supervisor.stop(ARRIVE_S)
    assert not delivery.status().connected
    outbox.close()


def test_a_stop_delivers_what_waits(
    delivery: Delivery, outbox: Outbox, peer: Peer, put: Put, stopped: threading.Event
) -> None:
    put(500)
    delivery.deliver(stopped)
    assert peer.got == list(range(500))
    assert peer.closed == 1


def test_a_stop_does_not_wait_for_a_peer_that_is_down(
    delivery: Delivery,
    outbox: Outbox,
    peer: Peer,
    put: Put,
    clock: ManualClock,
    stopped: threading.Event,
) -> None:
    peer.down = Unavailable("nobody there")
    put(2)
    delivery.deliver(stop_after(clock, pauses=1))
    peer.down = None
    assert clock.waits == [0.5]
    assert peer.opened == 0
    outbox.writer(stopped)
    assert outbox.totals()["plant"].pending == 2


def test_a_stop_ends_in_its_time_though_more_waits(
    outbox: Outbox, peer: Peer, put: Put, clock: ManualClock, stopped: threading.Event
) -> None:
    class Slow(Peer):
        def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
            clock.at_s += 2.0
            return super().send(batch)

    slow = Slow()
    put(1000)
    Delivery(slow, "plant", outbox, clock, drain_s=3.0).deliver(stopped)
    assert len(slow.tries) == 2


def test_a_peer_that_cuts_the_line_at_a_bad_row_costs_that_row_only(
    outbox: Outbox, put: Put, clock: ManualClock, stopped: threading.Event
) -> None:
    class CutsTheLine(Peer):
        """As when a reset takes the answers to all others with it."""

        def send(self, batch: Sequence[Row]) -> Sequence[Outcome]:
            asked = [json.loads(row.body)["data"]["n"] for row in batch]
            if 3 in asked and len(asked) > 1:
                self.tries.append(asked)
                raise Unavailable("the line was cut")
            return super().send(batch)

    peer = CutsTheLine()
    peer.answers = {3: Refused("not this one")}
    put(8)
    delivery = Delivery(peer, "plant", outbox, clock, jitter=lambda: 0.5)
    for _ in range(7):
        delivery._turn()
        clock.at_s += 60.0
    outbox.writer(stopped)
    assert sorted(peer.got) == [0, 1, 2, 4, 5, 6, 7]
    assert outbox.totals()["plant"] == Totals(emitted=8, delivered=7, dead=1)
    # One, then twice as many each time that all goes well.
    assert [len(tried) for tried in peer.tries] == [8, 1, 2, 4, 1, 2, 2]


def test_a_connection_that_holds_is_well_again_though_nothing_is_sent(
    outbox: Outbox, peer: Peer, clock: ManualClock, stopped: threading.Event
) -> None:
    delivery = Delivery(peer, "plant", outbox, clock, jitter=lambda: 1.0)
    peer.down = Unavailable("nobody there")
    delivery._turn()
    peer.down = None
    delivery._turn()
    assert delivery.status().connected
    assert delivery.status().failures_in_a_row == 1
    clock.at_s += 5.0
    delivery._turn()
    assert delivery.status().failures_in_a_row == 0
    assert delivery.status().last_error == ""


class Box:
    """An outbox and real deliveries on threads, as the daemon has them."""

    def __init__(self, state_dir: Path, supervisor: Supervisor) -> None:
        self.clock = SystemClock()
        self.outbox = Outbox(state_dir, self.clock)
        self._supervisor = supervisor
        supervisor.start("outbox", self.outbox.writer)

    def connect(self, name: str, type_: str, url: str) -> Delivery:
        transport = make_transport(ConnectionSettings(name, type_, url), self.clock)
        # No jitter below a tenth: the test shall be quick, and not busy.
        delivery = Delivery(transport, name, self.outbox, self.clock, jitter=lambda: 0.05)
        self._supervisor.start(f"delivery:{name}", delivery.deliver)
        return delivery

    def wait_until_delivered(self, name: str, count: int) -> None:
        def delivered() -> bool:
            self.outbox.flush(ARRIVE_S)
            return self.outbox.totals().get(name, Totals()).delivered == count

        self.wait_until(delivered)

    def wait_until(self, come: Callable[[], bool]) -> None:
        never = threading.Event()
        deadline = self.clock.monotonic() + ARRIVE_S
        while not come():
            assert self.clock.monotonic() < deadline, self.outbox.totals()
            self.clock.wait(never, 0.01)

    def close(self) -> None:
        assert self._supervisor.stop(ARRIVE_S) == []
        self.outbox.close()


@pytest.fixture
def box(tmp_path: Path, supervisor: Supervisor) -> Iterator[Box]:
    made = Box(tmp_path / "box", supervisor)
    yield made
    made.close()


class Listener:
    """Hears events of a broker, also of one that is killed and started again."""

    def __init__(self, broker: MosquittoBroker) -> None:
        self.events: list[dict[str, Any]] = []
        subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("site/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.events.append(
            json.loads(message.payload)
        )
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert subscribed.wait(ARRIVE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def received(broker: MosquittoBroker) -> list[int]:
    """The numbers of the events the broker wrote down before it acknowledged them."""
    return [int(n) for n in re.findall(r"Received PUBLISH from .*'site/(\d+)'", broker.log)]


def has_received(broker: MosquittoBroker, n: int) -> bool:
    return n in received(broker)


def test_a_broker_that_is_down_at_the_start_delays_no_other_connection(
    tmp_path: Path, box: Box, mosquitto: MosquittoBroker, event: EventOf
) -> None:
    mosquitto.kill()
    plant = box.connect("plant", "mqtt", mosquitto.url)
    box.connect("history", "sql", f"sqlite:///{tmp_path}/history.db")
    for n in range(50):
        events = [event(n, "plant", "site/gate"), event(n, "history")]
        box.outbox.put(events, source=SOURCE)
    box.wait_until_delivered("history", 50)
    assert box.outbox.totals()["plant"].pending == 50
    assert "does not answer" in plant.status().last_error
    mosquitto.start()
    box.wait_until_delivered("plant", 50)
    assert plant.status().last_error == ""


def test_a_broker_that_is_killed_loses_nothing_and_doubles_only_the_same_ids(
    box: Box, mosquitto: MosquittoBroker, event: EventOf
) -> None:
    count, kills = 1500, 3
    # What the broker acknowledged, and did not pass on before it died, is its own loss: so its log
    # is the witness that nothing was lost on the way to it, and the listener that of the ids.
    with closing(Listener(mosquitto)) as listener:
        box.connect("plant", "mqtt", mosquitto.url)
        for part in range(kills + 1):
            sent = range(part * count // (kills + 1), (part + 1) * count // (kills + 1))
            for n in sent:
                box.outbox.put([event(n, "plant", f"site/{n}")], source=SOURCE)
            if part < kills:
                box.wait_until(partial(has_received, mosquitto, sent[20]))
                mosquitto.kill()
                mosquitto.start()
        box.wait_until_delivered("plant", count)
    assert set(received(mosquitto)) == set(range(count))
    assert box.outbox.totals()["plant"] == Totals(emitted=count, delivered=count)
    ids = {each["id"]: each["data"]["n"] for each in listener.events}
    assert len(ids) == len(set(ids.values()))
    assert all(int(each["sequence"]) == each["data"]["n"] + 1 for each in listener.events)
    assert ids


def test_what_a_broker_forbids_is_buried_though_it_cuts_the_line_each_time(
    box: Box, mosquitto: MosquittoBroker, event: EventOf
) -> None:
    mosquitto.kill()
    allowed = mosquitto.file("acl", "topic readwrite site/#\ntopic readwrite appliance/#\n")
    mosquitto.settings.append(f"acl_file {allowed}")
    mosquitto.start()
    topics = ["site/gate", "closed/gate", "site/gate", "closed/gate", "site/gate"]
    events = [event(n, "plant", topic) for n, topic in enumerate(topics)]
    box.outbox.put(events, source=SOURCE)
    delivery = box.connect("plant", "mqtt", mosquitto.url)
    box.wait_until_delivered("plant", 3)
    assert box.outbox.totals()["plant"] == Totals(emitted=5, delivered=3, dead=2)
    assert delivery.status().refused == 2
