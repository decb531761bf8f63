"""Why frames were skipped, said of samples and of remembered frames that are made up."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from appliance.control import RefusedError
from appliance.engine.testing import frame
from appliance.explain import Watched, answered, day_and_time, explained, time_of_day
from appliance.observe.buckets import Buckets
from appliance.observe.history import History

# 14:02:00 UTC.
BEGIN = 1_767_225_600.0 + 14 * 3600 + 120
AGE_MS = {"p50": 62.0, "p95": 94.0, "lag": 12.0, "wait": 41.0, "turn": 38.0, "commit": 3.0}
STEPS_MS = {"people": 36.2, "tracks": 1.1}
SHORT = "decoding is short: it takes 2.10 cores and may have 1.60 of 2"


@pytest.fixture(autouse=True)
def universal_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine stands in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Site:
    """A camera with one lane, sampled once a second."""

    def __init__(self) -> None:
        self.history = History()
        self.now = BEGIN
        self.captured = 0
        self.buckets: dict[str, int] = {}
        self.watched = Watched(Buckets())

    def second(
        self,
        ended: Mapping[str, int],
        *,
        captured: int | None = None,
        lane: Mapping[str, Any] = {},
        short: str = "",
        **camera: Any,
    ) -> None:
        """A second passes, in which frames ended."""
        self.now += 1
        self.captured += sum(ended.values()) if captured is None else captured
        for bucket, count in ended.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        status = {"state": "running", "why": "", "level": "all frames", "rate": 25.0, **camera}
        told = {"name": "people:gate", "captured": self.captured, "buckets": dict(self.buckets)}
        self.history.add(self.now, {"gate": status}, [told | dict(lane)], short)

    def explain(self, begin: float = 0.0, end: float = 1000.0, **options: Any) -> dict[str, Any]:
        lanes = {"people:gate": self.watched}
        return explained(
            self.history, lanes, "gate", BEGIN + begin, min(BEGIN + end, self.now), **options
        )

    def why(self) -> list[str]:
        """The sentences of the lane."""
        (lane,) = self.explain()["lanes"]
        return list(lane["why"])

    def remember(self, bucket: str, *numbers: float | None) -> None:
        for place, number in enumerate(numbers):
            taken = replace(frame(sequence=place), captured_at=BEGIN + 0.04 * place)
            self.watched.buckets.end(taken, bucket, number)


@pytest.fixture
def site() -> Site:
    return Site()


def test_captured_and_ended_frames_balance(site: Site) -> None:
    site.second({"processed": 10}, captured=13)
    site.second({"processed": 12, "replaced": 13}, captured=25)
    site.second({"processed": 12, "replaced": 14}, captured=24)
    (lane,) = site.explain(1, 3)["lanes"]
    assert (lane["captured"], lane["ended"], lane["in_hand"]) == (49, 51, [3, 1])
    assert lane["buckets"] == [
        {
            "bucket": "processed",
            "frames": 24,
            "share": 0.4706,
            "meaning": "a turn was run on it",
        },
        {
            "bucket": "replaced",
            "frames": 27,
            "share": 0.5294,
            "meaning": "a newer frame came before the lane was free",
        },
    ]


def test_the_answer_says_which_span_it_is_of_and_how_the_camera_was(site: Site) -> None:
    for rate in (25.0, 24.0, 12.5):
        site.second({"processed": 25}, rate=rate)
    answer = site.explain(1, 3)
    assert (answer["camera"], answer["begin"], answer["end"]) == ("gate", BEGIN + 1, BEGIN + 3)
    assert answer["status"] == {"state": "running", "level": "all frames", "rate": 12.5}
    assert answer["why"] == []
    assert answer["lanes"][0]["why"] == []
    assert answer["lanes"][0]["rate"] == 25.0


def test_a_lane_that_is_too_slow_is_told_with_its_turn_and_its_wait(site: Site) -> None:
    for _ in range(10):
        site.second(
            {"processed": 12, "replaced": 13}, lane={"age_ms": AGE_MS, "steps_ms": STEPS_MS}
        )
    assert site.why() == [
        "130 replaced: a turn took 38 ms (of its steps people takes most, 36 ms on the average) "
        "and waited 41 ms for the processor, so that the lane used 12.0 of 25.0 frames/s that were "
        "offered"
    ]


def test_the_ages_are_the_middle_of_those_of_the_span(site: Site) -> None:
    for p50 in (10.0, 500.0, 30.0):
        site.second({"processed": 25}, lane={"age_ms": AGE_MS | {"p50": p50}})
    site.second({"replaced": 25}, lane={"age_ms": dict.fromkeys(AGE_MS, 0.0)})
    (lane,) = site.explain()["lanes"]
    assert lane["age_ms"] == AGE_MS | {"p50": 30.0}


def test_a_lane_without_a_result_has_no_figures_but_a_sentence(site: Site) -> None:
    site.second({"replaced": 25}, lane={"age_ms": dict.fromkeys(AGE_MS, 0.0)})
    assert site.why() == [
        "25 replaced: the lane used 0.0 of 25.0 frames/s that were offered; there was no result "
        "whose time is known"
    ]


def test_a_level_is_told_with_its_time_and_with_what_was_short(site: Site) -> None:
    for _ in range(5):
        site.second({"processed": 25})
    for _ in range(5):
        site.second({"processed": 1, "over-budget": 24}, level="key frames", short=SHORT)
    assert site.why() == [
        f"120 over-budget: level key frames since 14:02:06 (before: all frames): "
        f"at 14:02:10, {SHORT}"
    ]
    assert site.explain()["why"] == [f"at 14:02:10, {SHORT}"]
    # Of a span in which it had been in force for a while, the beginning is still known.
    (lane,) = site.explain(8, 10)["lanes"]
    assert lane["why"][0].startswith("48 over-budget: level key frames since 14:02:06: at")


def test_a_level_that_was_low_from_the_first_sample_on_may_be_older(site: Site) -> None:
    site.second({"processed": 1, "over-budget": 24}, level="key frames")
    assert site.why() == [
        "24 over-budget: level key frames since 14:02:01, or before: the lanes could not use more; "
        "this one used 1.0 frames/s"
    ]


RATED = (
    "120 over-budget: level key frames since 14:02:01, or before: the lanes asked for 2 of 25 "
    "frames/s because of max_rate 2 of pipeline people"
)


@pytest.mark.parametrize("short", ["", SHORT])
def test_a_level_that_serves_a_max_rate_is_not_blamed_on_a_shortage(site: Site, short: str) -> None:
    site.watched = Watched(site.watched.buckets, max_rate=2)
    for _ in range(5):
        site.second({"processed": 1, "over-budget": 24}, level="key frames")
    for _ in range(5):
        site.second({"processed": 3, "over-budget": 22}, level="key frames", short=short)
    (lane,) = site.explain(0, 5)["lanes"]
    assert lane["why"] == [RATED]
    assert site.why() == [RATED.replace("120", "230")]


def test_less_than_a_max_rate_is_blamed_on_the_shortage(site: Site) -> None:
    site.watched = Watched(site.watched.buckets, max_rate=2)
    for _ in range(5):
        site.second({"processed": 1, "over-budget": 24}, level="key frames", short=SHORT)
    assert site.why() == [
        f"120 over-budget: level key frames since 14:02:01, or before: at 14:02:05, {SHORT}"
    ]


@pytest.mark.parametrize("max_rate", [None, 30])
def test_a_lane_that_asks_for_all_there_is_asks_for_no_rate(
    site: Site, max_rate: float | None
) -> None:
    site.watched = Watched(site.watched.buckets, max_rate=max_rate)
    site.second({"processed": 1, "over-budget": 24}, level="key frames")
    assert "the lanes could not use more" in site.why()[0]


def test_of_several_lanes_the_highest_max_rate_is_told(site: Site) -> None:
    for number in (1, 2):
        lanes = [
            {
                "name": f"{name}:gate",
                "captured": 25 * number,
                "buckets": {"processed": 2 * number, "over-budget": 23 * number},
            }
            for name in ("cars", "people")
        ]
        status = {"state": "running", "why": "", "level": "key frames", "rate": 25.0}
        site.history.add(BEGIN + number, {"gate": status}, lanes, SHORT)
    rates: dict[str, float | None] = {"cars:gate": 2, "people:gate": 1}
    watched = {name: Watched(Buckets(), max_rate=rate) for name, rate in rates.items()}
    for lane in explained(site.history, watched, "gate", BEGIN, BEGIN + 2)["lanes"]:
        assert lane["why"][0].endswith("frames/s because of max_rate 2 of pipeline cars")
    watched["people:gate"] = Watched(Buckets())
    for lane in explained(site.history, watched, "gate", BEGIN, BEGIN + 2)["lanes"]:
        assert lane["why"][0].endswith(f": at 14:02:02, {SHORT}")


def test_a_still_scene_is_told_with_what_moved_most(site: Site) -> None:
    site.watched = Watched(site.watched.buckets, opens_at_percent=0.005)
    site.remember("no-motion", 0.0, 0.00003, 0.00001)
    site.second({"processed": 1, "no-motion": 3})
    assert site.why() == [
        "3 no-motion: at most 0.003 % of the picture changed, the gate opens at 0.005 %"
    ]


def test_a_scene_in_which_nothing_moved_is_told_so(site: Site) -> None:
    site.watched = Watched(site.watched.buckets, opens_at_percent=0.005)
    site.remember("no-motion", 0.0)
    site.second({"no-motion": 1})
    assert site.why() == ["1 no-motion: no part of the picture changed, the gate opens at 0.005 %"]


def test_stale_frames_are_told_with_their_ages(site: Site) -> None:
    site.remember("stale", 0.52, 0.634)
    site.second({"stale": 2, "processed": 20}, lane={"age_ms": AGE_MS})
    assert site.why() == [
        "2 stale: 0.52 to 0.63 s old when the turn came, a turn took 38 ms, and "
        "the limit is max_latency_s: 0.5 of pipeline people"
    ]


@pytest.mark.parametrize(
    ("bucket", "sentence"),
    [
        ("over-rate", "2 over-rate: max_rate is 5 frames/s"),
        ("failed", "2 failed: step people: the model is gone"),
        ("decode-error", "2 decode-error: no picture could be made of it; 12% cannot be decoded"),
        ("outbox", "2 outbox: the outbox was full"),
        ("no-key", "2 no-key: it came before the first key frame of its connection"),
        ("stale", "2 stale: too late to be decoded for max_latency_s: 0.5 of pipeline people"),
        ("schedule-off", "2 schedule-off: nothing more is known of it"),
    ],
)
def test_each_bucket_has_its_reason(site: Site, bucket: str, sentence: str) -> None:
    site.watched = Watched(site.watched.buckets, max_rate=5)
    lane = {"last_failure": "step people: the model is gone"}
    site.second({"processed": 5, bucket: 2}, lane=lane, why="12% cannot be decoded")
    assert site.why() == [sentence]


def test_what_the_lane_was_short_of_is_told_last(site: Site) -> None:
    site.second({"processed": 5}, lane={"short": "results are 0.62 s old, 0.5 s are allowed: …"})
    site.second({"processed": 5})
    assert site.why() == ["at 14:02:01, results are 0.62 s old, 0.5 s are allowed: …"]


def test_a_state_is_told_with_its_reason_and_its_time(site: Site) -> None:
    for seconds in (0, 0, 3, 4, 5):
        why = f"nothing came for {seconds} s" if seconds else ""
        site.second({}, state="degraded" if seconds else "running", why=why)
    assert site.explain()["why"] == [
        "running from 14:02:00",
        "degraded from 14:02:02: nothing came for 5 s",
    ]
    assert site.explain(3, 5)["why"] == ["degraded since 14:02:03: nothing came for 5 s"]


def test_a_clock_that_was_set_is_told(site: Site) -> None:
    site.second({"processed": 25})
    site.now -= 3600
    site.second({"processed": 25})
    assert site.explain(-3600, -3598)["why"] == [
        "at 13:02:01 the clock was set by -3600 s, or nothing ran for so long"
    ]


def test_single_frames_are_listed_where_that_is_asked_for(site: Site) -> None:
    site.remember("replaced", 0.04, None)
    site.second({"replaced": 2})
    site.second({"processed": 25})
    (lane,) = site.explain(frames=True)["lanes"]
    assert lane["frames"] == [
        {"sequence": 0, "captured_at": BEGIN, "bucket": "replaced", "number": 0.04},
        {"sequence": 1, "captured_at": BEGIN + 0.04, "bucket": "replaced", "number": None},
    ]
    (lane,) = site.explain(1, 2, frames=True)["lanes"]
    assert lane["frames"] == []
    assert "frames" not in site.explain()["lanes"][0]


def test_a_lane_that_is_gone_is_still_told(site: Site) -> None:
    site.second({"processed": 12, "replaced": 13})
    (lane,) = explained(site.history, {}, "gate", BEGIN, BEGIN + 1, frames=True)["lanes"]
    assert (lane["captured"], lane["frames"]) == (25, [])


def test_of_a_time_that_is_not_known_it_says_what_is(site: Site) -> None:
    for _ in range(3):
        site.second({"processed": 25})
    with pytest.raises(RefusedError) as caught:
        site.explain(-100, -90)
    assert str(caught.value) == (
        "nothing is known of 2026-01-01 14:00:20 to 14:00:30; "
        "what is known goes from 2026-01-01 14:02:00 to 2026-01-01 14:02:03"
    )


def test_before_the_first_sample_it_says_so(site: Site) -> None:
    with pytest.raises(
        RefusedError, match=r"the daemon has only just begun; ask again in a second$"
    ):
        explained(site.history, {}, "gate", BEGIN - 10, BEGIN)


def asked(site: Site, **request: Any) -> dict[str, Any]:
    lanes = {"people:gate": site.watched}
    return answered({"camera": "gate"} | request, site.history, ["gate", "yard"], lanes, site.now)


def test_a_request_without_a_time_means_the_last_ten_seconds(site: Site) -> None:
    for _ in range(30):
        site.second({"processed": 25})
    # The next sample is not there yet.
    site.now += 0.9
    answer = asked(site)
    assert (answer["begin"] - BEGIN, answer["end"] - BEGIN) == (20, 30)
    assert answer["lanes"][0]["captured"] == 250
    assert asked(site, seconds=1)["lanes"][0]["captured"] == 25


def test_a_request_with_a_time_has_it_in_the_middle(site: Site) -> None:
    for number in range(30):
        site.second({"processed": number})
    answer = asked(site, at=BEGIN + 10, seconds=4, frames=True)
    assert (answer["begin"] - BEGIN, answer["end"] - BEGIN) == (8, 12)
    assert answer["lanes"][0]["captured"] == 8 + 9 + 10 + 11
    assert answer["lanes"][0]["frames"] == []


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"camera": "gaet"}, "there is no camera 'gaet' (did you mean 'gate'?)"),
        ({"camera": None}, "camera is a name, not None"),
        ({"camera": ["gate"]}, "camera is a name, not ['gate']"),
        ({"seconds": 0.5}, "seconds are 1 to 600, not 0.5"),
        ({"seconds": 601}, "seconds are 1 to 600, not 601"),
        ({"seconds": "ten"}, "seconds is a number of seconds, not 'ten'"),
        ({"at": float("nan")}, "at is a number of seconds, not nan"),
        ({"at": 1e300}, "at is a number of seconds, not 1e+300"),
        ({"at": True}, "at is a number of seconds, not True"),
    ],
)
def test_a_wrong_request_is_refused(site: Site, request_: dict[str, Any], sentence: str) -> None:
    site.second({"processed": 25})
    with pytest.raises(RefusedError) as caught:
        asked(site, **request_)
    assert str(caught.value) == sentence


def test_times_are_those_of_the_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    assert time_of_day(BEGIN) == "15:02:00"
    assert day_and_time(BEGIN + 9 * 3600) == "2026-01-02 00:02:00"


@pytest.mark.parametrize("seed", range(20))
def test_any_account_balances(site: Site, seed: int) -> None:
    chance = np.random.default_rng(seed)
    in_hand = 0
    names = ("processed", "replaced", "over-budget", "no-motion")
    for _ in range(60):
        ended = {name: int(chance.integers(0, 9)) for name in names}
        captured = max(0, sum(ended.values()) - in_hand) + int(chance.integers(0, 4))
        in_hand += captured - sum(ended.values())
        site.second(ended, captured=captured)
    begin = int(chance.integers(0, 50))
    (lane,) = site.explain(begin, begin + 10)["lanes"]
    before, after = lane["in_hand"]
    assert before + lane["captured"] == lane["ended"] + after
    assert lane["ended"] == sum(row["frames"] for row in lane["buckets"])
    assert before >= 0
    assert after >= 0
