"""Lanes with real mailboxes, real plans of blocks made here, and a real outbox."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import Field

from appliance.delivery.outbox import Outbox
from appliance.engine.plan import load_plan
from appliance.engine.run import Run
from appliance.engine.testing import FixedHost, ManualClock
from appliance.engine.turn import Turn
from appliance.observe.buckets import Buckets
from appliance.pipelines.lane import EventStore, Lane, LaneName
from appliance.pipelines.permits import Permits
from appliance.pipelines.source_time import SourceTime
from appliance.pipelines.terms import Terms
from appliance.video.mailbox import Mailbox
from blocks.block import BlockType, Manifest, Origin, block
from blocks.data import Event, Frame, Image, Moment

# Far more than anything here takes.
LIMIT_S = 20.0

RunOf = Callable[..., Run]


class FrailManifest(Manifest):
    """Which frames it breaks at."""

    breaks_at: tuple[int, ...] = Field(default=(), description="Sequence numbers.")


class Seen(NamedTuple):
    """What it saw; of what type the thing is, nobody knows before it comes."""

    sequence: int
    thing: Any


@block("frail@1", FrailManifest)
class Frail:
    """Gives the number of each frame, and raises at some."""

    def __init__(self, manifest: FrailManifest) -> None:
        self._breaks_at = manifest.breaks_at

    def run(self, frame: Frame, image: Image) -> Seen:
        """Look at a frame."""
        if frame.sequence in self._breaks_at:
            raise ValueError(f"frame {frame.sequence} is odd")
        return Seen(frame.sequence, image)


class SayManifest(Manifest):
    """Nothing to set but where to."""

    connection: str = Field(default="plant", description="The outside system.")


@block("say@1", SayManifest)
class Say:
    """Emits an event."""

    def __init__(self, manifest: SayManifest) -> None:
        self._connection = manifest.connection

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event:
        """Say what is wired."""
        return Event(self._connection, "seen", "gate", moment.captured_at, data)


class AlarmManifest(Manifest):
    """When it rings, and how."""

    at_s: tuple[float, ...] = Field(default=(), description="Times on the source's own line.")
    always: bool = Field(default=False, description="Says with every look that it is time.")
    broken: bool = Field(default=False, description="Raises instead.")


class Rung(NamedTuple):
    """For what time it rang, and what was the cause of the turn."""

    at_s: float
    cause: str


@block("alarm@1", AlarmManifest)
class Alarm:
    """Rings at its times, and at the stop."""

    def __init__(self, manifest: AlarmManifest) -> None:
        self._manifest = manifest
        self._times = list(manifest.at_s)

    def run(self, frame: Frame) -> Rung:
        """A frame."""
        return Rung(frame.at_s, "frame")

    def next_at(self, now: Moment) -> float | None:
        """The next of its times."""
        if self._manifest.always:
            return now.at_s
        return self._times[0] if self._times else None

    def tick(self, now: Moment) -> Rung:
        """Ring, once for each time."""
        if self._manifest.broken:
            raise ValueError("the bell is broken")
        self._times = self._times[1:]
        return Rung(now.at_s, "tick")

    def stop(self, now: Moment) -> Rung:
        """Ring for the last time."""
        if self._manifest.broken:
            raise ValueError("the bell is broken")
        return Rung(now.at_s, "stop")


class NoSettings(Manifest):
    """Nothing to set."""


@block("wakeful@1", NoSettings)
class Wakeful:
    """Asks for every frame for two seconds after each."""

    def __init__(self, manifest: NoSettings) -> None:
        self._until_s: float | None = None

    @property
    def awake_until(self) -> float | None:
        """Two seconds after the last frame."""
        return self._until_s

    def run(self, moment: Moment) -> Rung:
        """A frame."""
        self._until_s = moment.at_s + 2.0
        return Rung(moment.at_s, "frame")


BLOCKS: dict[str, BlockType] = {
    found.type: found for found in (vars(cls)["block_type"] for cls in (Frail, Say, Alarm, Wakeful))
}


@pytest.fixture
def run_of() -> RunOf:
    """Starts the workflow of a text, with the blocks made here."""

    def start(text: str, timer: Callable[[], float] | None = None) -> Run:
        plan = load_plan(text, "people.yaml", BLOCKS)
        origin = Origin("people", "people", "gate", "")
        return plan.start({}, FixedHost(), origin, timer or (lambda: 0.0))

    return start


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(Buckets())


@pytest.fixture
def outbox(tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "state", clock)
    yield opened
    opened.close()


@pytest.fixture
def make_lane(
    run_of: RunOf, mailbox: Mailbox, outbox: Outbox, clock: ManualClock
) -> Callable[..., Lane]:
    def make(
        text: str,
        *,
        store: EventStore = outbox,
        timer: Callable[[], float] | None = None,
        on_turn: Callable[[Turn], None] | None = None,
        passes: bool = True,
        terms: Terms | None = None,
    ) -> Lane:
        name, time = LaneName("people", "gate", "box"), SourceTime(clock, passes=passes)
        # Where nothing is said of it, no result is too old.
        terms = terms or Terms(Permits(1, clock), max_latency_s=math.inf)
        return Lane(name, run_of(text, timer), mailbox, store, time, terms, on_turn)

    return make


@pytest.fixture
def running() -> Iterator[Callable[[Lane], threading.Event]]:
    """Runs a lane on a thread of its own; gives its stop event."""
    begun: list[tuple[threading.Thread, threading.Event]] = []

    def run(lane: Lane) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=lane.loop, args=(stop,))
        begun.append((thread, stop))
        thread.start()
        return stop

    yield run
    for thread, stop in begun:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
