"""The least distance of arrival to stamp: what takes it down, what it follows, what it is not."""

import pytest

from appliance.video.envelope import Envelope

OFFSET_S = 100.0


def fed(seconds: float, *, rate: float = 0.0, delays: tuple[float, ...] = (0.0,)) -> Envelope:
    """25 units a second, of a clock that is `rate` slower than ours, late by `delays` in turn."""
    envelope = Envelope(0.0, OFFSET_S, 0.0)
    for n in range(int(seconds * 25)):
        arrived_s = n * 0.04 + delays[n % len(delays)]
        envelope.add(n * 0.04 * (1 - rate) - OFFSET_S, arrived_s)
    return envelope


def test_the_least_delay_counts() -> None:
    assert fed(60.0, delays=(0.03, 0.0, 0.02, 0.03)).offset_s == pytest.approx(OFFSET_S, abs=1e-6)


def test_a_slow_clock_is_followed_at_its_rate() -> None:
    envelope = fed(600.0, rate=0.0002)
    assert envelope.rate == pytest.approx(0.0002, rel=0.01)
    assert envelope.offset_s == pytest.approx(OFFSET_S + 600 * 0.0002, abs=0.0005)


def test_one_unit_far_below_the_line_does_not_take_it_down_and_a_second_does() -> None:
    envelope = fed(20.0)
    envelope.add(20.0 - OFFSET_S + 0.3, 20.0)
    assert envelope.offset_s == pytest.approx(OFFSET_S, abs=1e-6)
    envelope.add(20.04 - OFFSET_S + 0.2, 20.04)
    assert envelope.offset_s == pytest.approx(OFFSET_S - 0.2, abs=1e-6)


@pytest.mark.parametrize(
    ("stamp_s", "arrived_s", "continues"),
    [
        (20.0, 20.0, True),
        (19.0, 20.0, True),  # a picture that is shown before those that came before it
        (18.0, 20.0, False),
        (20.4, 20.0, True),
        (21.0, 20.0, False),  # it would have come before it was taken
        (50.0, 50.0, True),
        (20.0, 50.0, True),  # late
    ],
)
def test_a_stamp_far_back_or_of_the_time_to_come_is_of_another_line(
    stamp_s: float, arrived_s: float, continues: bool
) -> None:
    assert fed(20.0).continues(stamp_s - OFFSET_S, arrived_s) is continues


@pytest.mark.parametrize(
    ("rate", "wrong"), [(0.0, False), (0.005, False), (0.2, True), (-0.2, True), (0.02, True)]
)
def test_a_rate_no_crystal_has_is_wrong(rate: float, wrong: bool) -> None:
    assert fed(30.0, rate=rate).runs_wrong(29.96) is wrong


def test_what_is_too_young_is_not_settled() -> None:
    assert fed(11.0).settled(10.96) is None
    assert fed(20.0).settled(19.96) == pytest.approx((OFFSET_S,) * 3, abs=1e-6)
