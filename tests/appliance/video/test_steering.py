"""The slow loop: what lanes can use becomes what is decoded, and changes are told once."""

import threading
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from appliance.engine.testing import ManualClock
from appliance.observe.processor import Processor, Use
from appliance.video.admission import RateLimit
from appliance.video.camera import Camera
from appliance.video.capture import Pace
from appliance.video.levels import ALL
from appliance.video.source import Resume
from appliance.video.steering import EVERY_S, Steering
from tests.appliance.video.scripted import SHADES, Scripted, Site


@pytest.fixture(autouse=True)
def _no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine is doing is nothing to these tests."""
    monkeypatch.setattr(Processor, "use", no_use)


def no_use(_processor: Processor, _now: float) -> Use | None:
    return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Watched:
    """A camera of 25 frames/s that is looked at once a second of its own."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        clock: ManualClock,
        seconds: int,
        *,
        cost_s: float = 0.002,
        before_look: Callable[[int], object] = lambda _second: None,
    ) -> None:
        self.levels: list[str] = []
        self.take_every = 1
        self._before_look = before_look
        self._cost_s = cost_s
        self._clock = clock
        self._pictures = SHADES * seconds
        self.site = Site(monkeypatch, clock, self._opens)
        self.steering = Steering([self.site.camera], clock, 4)

    def _opens(self, resume: Resume) -> Scripted:
        source = Scripted(self._clock, resume, self._pictures, during=self._during)
        self._source = source
        return source

    def _during(self, number: int) -> None:
        now = self._clock.monotonic()
        self._source.gauge.waited(now, 0.03)
        self._source.gauge.decoded(now, self._cost_s, self._cost_s)
        if number % self.take_every == 0 and self.site.mailbox.take() is not None:
            self.site.mailbox.buckets.put("processed")
        if number % 25 == 24:
            self._before_look(number // 25)
            self.steering.look()
            selection = self.site.camera.selection
            assert selection is not None
            self.levels.append(str(selection.wanted))


def test_a_lane_that_takes_all_is_given_all(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    watched = Watched(monkeypatch, clock, 20)
    watched.site.run()
    assert watched.levels == ["all frames"] * 20


def test_of_a_rate_that_a_lane_asks_for_no_more_is_decoded_until_it_wants_more(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    def before_look(second: int) -> None:
        if second == 20:
            watched.site.mailbox.admission.limit = None

    watched = Watched(monkeypatch, clock, 25, before_look=before_look)
    watched.site.mailbox.admission.limit = RateLimit(0.3)
    watched.site.run()
    # Low demand is followed after five seconds, and high demand at once.
    assert watched.levels[:5] == ["all frames"] * 5
    assert watched.levels[19] == "key frames"
    assert watched.levels[20:] == ["all frames"] * 5


def test_a_lane_that_wants_the_newest_is_not_given_old_frames_though_it_takes_few(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    watched = Watched(monkeypatch, clock, 20)
    watched.take_every = 25
    watched.site.run()
    assert watched.site.mailbox.buckets.snapshot() == {"processed": 19, "replaced": 480}
    # Key frames alone would be up to two seconds old, and half a second is allowed.
    assert watched.levels[-1] == "all frames"


def test_a_camera_that_is_not_read_and_one_without_lanes_are_left_alone(
    clock: ManualClock,
) -> None:
    alone = Camera("alone", "rtsp://gate/1", clock, Pace.LIVE)
    steering = Steering([alone], clock, 4)
    steering.look()
    assert alone.selection is not None
    assert alone.selection.wanted == ALL
    assert steering.short == ""


def test_each_change_of_a_cameras_state_is_told_once(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    watched = Watched(monkeypatch, clock, 1)
    watched._pictures = SHADES + SHADES[:1] * 400 + SHADES * 3
    watched.steering.look()
    with capture_logs() as logs:
        watched.site.run()
    told = [(line["event"], line["log_level"]) for line in logs if "why" in line]
    assert told == [
        ("camera running", "info"),
        ("camera degraded", "warning"),
        ("camera running", "info"),
    ]
    (frozen,) = [line["why"] for line in logs if line["event"] == "camera degraded"]
    assert frozen.startswith("frozen: all pictures of the last 1")


def test_a_shortage_is_said_and_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    # Each unit takes half a second: twelve cores for one camera.
    watched = Watched(monkeypatch, clock, 50, cost_s=0.5)
    shorts: list[str] = []
    watched._before_look = lambda _second: shorts.append(watched.steering.short)
    with capture_logs() as logs:
        watched.site.run()
    told = [line["event"] for line in logs if line["event"].startswith("decoding is short")]
    assert len(told) == 1
    assert shorts[0] == ""
    assert shorts[10].startswith("decoding is short: it takes ")
    assert watched.levels[-1] == "key frames"


def test_what_a_new_connection_sends_at_once_is_not_its_rate(
    monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    rates: list[float] = []
    watched = Watched(monkeypatch, clock, 5)

    def rate() -> float:
        load = watched.steering._load(watched.site.camera, clock.monotonic())
        assert load is not None
        return load.captured_rate

    def before_look(second: int) -> None:
        if second == 4:
            rates.append(rate())
            gauge = watched._source.gauge
            gauge.began_s = clock.monotonic()
            gauge._arrivals.clear()
            for unit in range(50):
                gauge.unit(clock.monotonic() + unit / 1000, key=False)
            rates.append(rate())

    watched._before_look = before_look
    watched.site.run()
    assert rates == [pytest.approx(25.0), rates[0]]


def test_the_loop_looks_once_a_second_until_the_stop(clock: ManualClock) -> None:
    looks: list[float] = []
    stop = threading.Event()

    def looked() -> None:
        looks.append(clock.monotonic())
        if len(looks) == 3:
            stop.set()

    Steering([], clock, 4, looked).loop(stop)
    assert looks == [EVERY_S, 2 * EVERY_S, 3 * EVERY_S]
    assert clock.waits == [EVERY_S] * 3


def test_what_is_looked_at_is_of_the_cameras_with_lanes(clock: ManualClock) -> None:
    camera = Camera("gate", "rtsp://gate/1", clock, Pace.LIVE)
    assert camera.max_latency_s == 0.0
    Steering([camera], clock, 1).look()
    assert camera.status().state == "starting"
