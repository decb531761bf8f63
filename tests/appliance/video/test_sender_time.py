"""The camera's own time, from what libav tells of its sender reports."""

import pytest

from appliance.video.sender_time import SenderTime

START_UTC = 1_800_000_000.0
LATE_S = 0.04


def test_without_a_report_nothing_is_known() -> None:
    assert SenderTime().utc(1.0, None, None) is None
    assert SenderTime().utc(None, START_UTC, None) is None


def test_the_first_report_belongs_to_stamp_zero() -> None:
    assert SenderTime().utc(12.5, START_UTC, None) == START_UTC + 12.5


def test_a_report_that_comes_with_the_wrong_unit_does_not_shift_the_time() -> None:
    times = SenderTime()
    for number in range(2000):
        stamp_s = number / 25
        utc = times.utc(stamp_s, START_UTC, START_UTC + stamp_s - LATE_S)
        assert utc == pytest.approx(START_UTC + stamp_s, abs=1e-4)


def test_reordered_units_do_not_shift_the_time_by_more_than_a_few_milliseconds() -> None:
    times = SenderTime()
    for number in range(2000):
        stamp_s = number / 25
        late_s = (0.04, 0.12, 0.0, -0.04)[number % 4]
        utc = times.utc(stamp_s, START_UTC, START_UTC + stamp_s - late_s)
        assert utc == pytest.approx(START_UTC + stamp_s, abs=0.003)


def test_the_drift_of_the_cameras_clock_is_followed() -> None:
    times = SenderTime()
    utc: float | None = None
    for number in range(25 * 3600 + 1):
        stamp_s = number / 25
        # Its stamps gain 100 millionths on its own UTC.
        true_utc = START_UTC + stamp_s * (1 - 100e-6)
        utc = times.utc(stamp_s, START_UTC, true_utc - LATE_S)
    assert utc == pytest.approx(START_UTC + 3600 * (1 - 100e-6), abs=0.01)
