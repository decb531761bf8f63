"""What the tests of delivery share: a clock moved by hand, outboxes, events, real servers."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.clock import SystemClock
from appliance.delivery.outbox import Outbox
from appliance.supervisor import Supervisor
from blocks.data import Event
from tests.database_servers import mariadb, postgresql
from tests.mosquitto_broker import mosquitto

__all__ = ["mariadb", "mosquitto", "postgresql"]

SOURCE = "/box/gate"


class ManualClock:
    """Goes on only when somebody waits, and remembers who did. `before_wait` is called first."""

    def __init__(self) -> None:
        self.at_s = 1_700_000_000.0
        self.waits: list[float] = []
        self.before_wait: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.at_s

    def monotonic(self) -> float:
        return self.at_s

    def cpu_s(self) -> float:
        return 0.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.before_wait()
        self.waits.append(seconds)
        self.at_s += seconds
        return stop.is_set()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stopped() -> threading.Event:
    """A loop that is given this does what it has to do at the end, and returns."""
    stop = threading.Event()
    stop.set()
    return stop


@pytest.fixture
def outbox(tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "state", clock)
    yield opened
    opened.close()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """Starts real threads, and ends them."""
    made = Supervisor(SystemClock())
    yield made
    hanging = made.stop(20.0)
    assert not hanging


@pytest.fixture
def event() -> Callable[..., Event]:
    """Makes an event about one thing, `n`."""

    def make(n: Any = 1, connection: str = "plant", subject: str = "gate", **more: Any) -> Event:
        settings: dict[str, Any] = {
            "type": "count.crossed",
            "time": 1_700_000_000.25,
            "data": {"n": n},
        }
        return Event(connection=connection, subject=subject, **(settings | more))

    return make
