"""Samples of cameras and lanes, one a second."""

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.observe.history import MOST, MOST_CHANGES, History

BEGIN = 1_767_225_600.0


def camera(**figures: Any) -> dict[str, Any]:
    return {"state": "running", "why": "", "level": "all frames", "rate": 25.0, **figures}


def lane(captured: int, buckets: Mapping[str, int], name: str = "people:gate") -> dict[str, Any]:
    return {"name": name, "captured": captured, "buckets": dict(buckets), "short": ""}


def counts(history: History, utc: float, seconds: float = 1.0) -> list[tuple[int, dict[str, int]]]:
    """Captured frames and buckets of the lane of a camera, second by second."""
    found = history.around("gate", utc, seconds)
    return [(s.lanes["people:gate"]["captured"], dict(s.lanes["people:gate"]["buckets"]))
            for s in found]  # fmt: skip


def test_a_sample_holds_what_happened_since_the_last() -> None:
    history = History()
    history.add(BEGIN + 1, {"gate": camera()}, [lane(25, {"processed": 20, "replaced": 4})])
    history.add(BEGIN + 2, {"gate": camera()}, [lane(50, {"processed": 44, "replaced": 4})])
    assert counts(history, BEGIN + 1.5) == [(25, {"processed": 24})]
    (second,) = history.around("gate", BEGIN + 1.5, 1)
    assert (second.begin, second.end, second.jumped_s) == (BEGIN + 1, BEGIN + 2, 0.0)
    assert second.lanes["people:gate"]["in_hand"] == 2
    assert second.camera == {"state": "running", "level": "all frames", "rate": 25.0}


def test_the_first_sample_counts_from_nothing() -> None:
    history = History()
    history.add(BEGIN + 1, {"gate": camera()}, [lane(25, {"processed": 24})])
    assert counts(history, BEGIN + 0.5) == [(25, {"processed": 24})]


def test_all_samples_add_up_to_the_account() -> None:
    history = History()
    total: dict[str, int] = {}
    for number in range(1, 61):
        bucket = ("processed", "replaced", "no-motion")[number % 3]
        total[bucket] = total.get(bucket, 0) + number
        history.add(BEGIN + number, {"gate": camera()}, [lane(sum(total.values()), total)])
    summed: dict[str, int] = {}
    for captured, buckets in counts(history, BEGIN + 30, 60):
        assert captured == sum(buckets.values())
        for bucket, count in buckets.items():
            summed[bucket] = summed.get(bucket, 0) + count
    assert summed == total == {"replaced": 590, "no-motion": 610, "processed": 630}


def test_a_lane_that_begins_anew_counts_from_nothing() -> None:
    history = History()
    history.add(BEGIN + 1, {"gate": camera()}, [lane(500, {"processed": 500})])
    history.add(BEGIN + 2, {"gate": camera()}, [lane(10, {"processed": 9})])
    assert counts(history, BEGIN + 1.5) == [(10, {"processed": 9})]


def test_a_span_has_the_samples_whose_middle_lies_in_it() -> None:
    history = History()
    for number in range(1, 21):
        history.add(BEGIN + number, {"gate": camera()}, [])
    ends = [second.end - BEGIN for second in history.around("gate", BEGIN + 10, 4)]
    assert ends == [9, 10, 11, 12]


def test_a_span_shorter_than_a_sample_has_the_one_it_lies_in() -> None:
    history = History()
    for number in range(1, 5):
        history.add(BEGIN + 3 * number, {"gate": camera()}, [])
    (second,) = history.around("gate", BEGIN + 6.2, 1)
    assert (second.begin, second.end) == (BEGIN + 6, BEGIN + 9)


def test_only_the_camera_that_is_asked_for_is_told_with_its_own_lanes() -> None:
    history = History()
    lanes = [lane(1, {}), lane(2, {}, "cars:yard"), lane(3, {}, "people:yard")]
    history.add(BEGIN + 1, {"gate": camera(), "yard": camera(rate=5.0)}, lanes, "short of time")
    (second,) = history.around("yard", BEGIN + 0.5, 1)
    assert second.camera["rate"] == 5.0
    assert {name: found["captured"] for name, found in second.lanes.items()} == {
        "cars:yard": 2,
        "people:yard": 3,
    }
    assert second.short == "short of time"
    assert history.around("shed", BEGIN + 0.5, 1) == []


def test_an_hour_is_kept_and_no_more() -> None:
    history = History()
    assert history.known() is None
    assert history.latest is None
    for number in range(1, MOST + 101):
        history.add(BEGIN + number, {"gate": camera()}, [])
    assert history.known() == (BEGIN + 100, BEGIN + MOST + 100)
    assert history.latest == BEGIN + MOST + 100


def test_the_oldest_go_when_all_together_are_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.observe.history.MOST_BYTES", 1000)
    history = History()
    for number in range(1, 101):
        history.add(BEGIN + number, {"gate": camera()}, [])
        assert history.size <= 1000
    known = history.known()
    assert known is not None
    assert BEGIN + 50 < known[0] < known[1] == BEGIN + 100


def test_long_sentences_are_cut() -> None:
    history = History()
    history.add(BEGIN + 1, {"gate": camera(why="x" * 5000)}, [])
    (second,) = history.around("gate", BEGIN + 0.5, 1)
    assert second.camera["why"] == "x" * 300


def test_a_clock_that_is_set_back_loses_no_sample() -> None:
    history = History()
    for number, utc in enumerate((1, 2, 3, -3597, -3596), 1):
        history.add(
            BEGIN + utc, {"gate": camera()}, [lane(25 * number, {"processed": 25 * number})]
        )
    assert counts(history, BEGIN + 1.5, 3) == [(25, {"processed": 25})] * 3
    after = history.around("gate", BEGIN - 3597, 2)
    assert [(s.begin - BEGIN, s.end - BEGIN, s.jumped_s) for s in after] == [
        (-3598, -3597, -3601),
        (-3597, -3596, 0),
    ]
    assert history.known() == (BEGIN - 3598, BEGIN + 3)
    assert history.latest == BEGIN - 3596


def test_a_clock_that_is_set_forward_makes_no_long_sample() -> None:
    history = History()
    history.add(BEGIN, {"gate": camera()}, [])
    history.add(BEGIN + 3600, {"gate": camera()}, [])
    (second,) = history.around("gate", BEGIN + 3599.5, 1)
    assert (second.begin, second.jumped_s) == (BEGIN + 3599, 3599.0)


def test_it_is_known_since_when_a_level_is_in_force() -> None:
    history = History()
    for number in range(1, 31):
        level = "key frames" if 11 <= number <= 20 else "all frames"
        history.add(BEGIN + number, {"gate": camera(level=level)}, [])
    change = history.since("gate", "level", BEGIN + 15)
    assert change is not None
    assert (change.utc, change.value, change.first) == (BEGIN + 11, "key frames", False)
    first = history.since("gate", "level", BEGIN + 10)
    assert first is not None
    assert (first.utc, first.value, first.first) == (BEGIN + 1, "all frames", True)
    assert history.since("gate", "level", BEGIN) is None
    assert history.since("yard", "level", BEGIN + 15) is None


def test_changes_are_bounded() -> None:
    history = History()
    for number in range(1, 3 * MOST_CHANGES):
        history.add(BEGIN + number, {"gate": camera(level=str(number % 2))}, [])
    assert history.since("gate", "level", BEGIN + MOST_CHANGES) is None
    assert history.since("gate", "level", BEGIN + 2 * MOST_CHANGES) is not None
