import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import numpy as np
import pytest

from appliance.delivery.envelope import body, draft, rfc3339
from blocks.data import Detections, Event, Image

EventOf = Callable[..., Event]


class Colour(StrEnum):
    RED = "red"


def sent(event: Event) -> Any:
    return json.loads(body(draft(event), "an-id", "/box/gate", 42))


def test_an_event_becomes_a_cloudevent(event: EventOf) -> None:
    assert sent(event(3)) == {
        "specversion": "1.0",
        "id": "an-id",
        "source": "/box/gate",
        "type": "count.crossed",
        "subject": "gate",
        "time": "2023-11-14T22:13:20.250Z",
        "datacontenttype": "application/json",
        "sequence": "000000000042",
        "data": {"n": 3},
    }


def test_a_clock_that_is_not_synchronised_is_named(event: EventOf) -> None:
    assert sent(event(clock="unsynchronised"))["clock"] == "unsynchronised"


def test_an_empty_subject_is_left_out(event: EventOf) -> None:
    assert "subject" not in sent(event(subject=""))


def test_sequences_sort_as_texts(event: EventOf) -> None:
    numbers = [
        json.loads(body(draft(event()), "i", "/s", n))["sequence"] for n in (9, 10, 99, 1000)
    ]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (np.bool_(True), True),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.str_("person"), "person"),
        (np.arange(3), [0, 1, 2]),
        (np.array([[0.5, np.nan]]), [[0.5, None]]),
        (math.nan, None),
        (-math.inf, None),
        (Colour.RED, "red"),
        ((1, "two"), [1, "two"]),
        ({Colour.RED: 1, 2: {"deep": [None]}}, {"red": 1, "2": {"deep": [None]}}),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00.000Z"),
        (date(2026, 1, 31), "2026-01-31"),
        ("Tür ☃", "Tür ☃"),
        ("half a pair \ud800", "half a pair ?"),
    ],
)
def test_values_are_written_as_json_knows_them(event: EventOf, value: Any, expected: Any) -> None:
    assert sent(event(value))["data"]["n"] == expected


def test_detections_are_a_list_of_boxes(event: EventOf) -> None:
    detections = Detections.of([[1, 2, 3, 4]], [0.5], tracker_id=[7], label=["person"])
    row = {"label": "person", "confidence": 0.5, "box": [1.0, 2.0, 3.0, 4.0], "tracker_id": 7}
    assert sent(event(detections))["data"]["n"] == [row]


def nested() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Image.from_bgr(np.zeros((2, 2, 3), np.uint8)), r"`data\.n` is of the type Image"),
        ([1, {2}], r"`data\.n\[1\]` is of the type set"),
        ({(1, 2): 3}, r"`data\.n` has the key \(1, 2\)"),
        (datetime(2026, 1, 31), r"`data\.n` is a time of no zone"),  # noqa: DTZ001  that is the point
        (nested(), "nested more than 32 deep"),
    ],
)
def test_what_json_does_not_know_is_refused_by_name(
    event: EventOf, value: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        draft(event(value))


@pytest.mark.parametrize("time", [math.nan, math.inf, 1e20])
def test_an_event_at_no_time_is_refused(event: EventOf, time: float) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        draft(event(time=time))


def test_times_are_utc_to_the_millisecond() -> None:
    assert rfc3339(0.0625) == "1970-01-01T00:00:00.062Z"
