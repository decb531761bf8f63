"""What is measured of a camera, from times alone."""

import pytest

from appliance.engine.testing import image
from appliance.video.gauge import FROZEN_S, Figures, Gauge
from blocks.data import Image

BLACK = image()


def fed(rate: float, seconds: float, *, gauge: Gauge | None = None, begin_s: float = 0.0) -> Gauge:
    """Units at a rate, each a picture that differs from the one before, each second a key."""
    gauge = gauge or Gauge(begin_s)
    for number in range(round(rate * seconds)):
        now = begin_s + number / rate
        gauge.unit(now, key=number % round(rate) == 0)
        gauge.picture(now, shade(number))
    return gauge


def shade(number: int) -> Image:
    return SHADES[number % len(SHADES)]


SHADES = [image(bgr=(level, level, level)) for level in range(0, 250, 10)]


@pytest.mark.parametrize("rate", [1.0, 12.5, 25.0, 29.5, 60.0])
def test_the_rate_is_that_of_what_comes_whatever_the_camera_declares(rate: float) -> None:
    assert fed(rate, 20.0).figures(20.0).rate == pytest.approx(rate, rel=0.001)


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    gauge = fed(25.0, 10.0, gauge=fed(5.0, 10.0), begin_s=10.0)
    assert gauge.figures(20.0).rate == pytest.approx(25.0, rel=0.01)


def test_before_two_units_there_is_no_rate() -> None:
    gauge = Gauge(0.0)
    assert gauge.figures(1.0) == Figures(0.0, 0.0, 0.0, 0.0, 0.0)
    gauge.unit(1.0, key=True)
    assert gauge.figures(1.0).rate == 0.0


# Costs and delays.


def test_what_a_unit_costs_is_an_average_of_those_decoded() -> None:
    gauge = Gauge(0.0)
    gauge.decoded(0.0, 0.010, 0.020)
    assert gauge.figures(0.0).cost_s == 0.010
    for number in range(200):
        gauge.decoded(number / 25, 0.002, 0.004)
    assert gauge.figures(8.0).cost_s == pytest.approx(0.002, rel=0.01)


def test_the_lag_is_that_of_95_of_100_pictures_of_the_last_two_seconds() -> None:
    gauge = Gauge(0.0)
    for number in range(100):
        gauge.ready(number / 50, 0.5 if number < 3 else 0.1)
    assert gauge.figures(2.0).lag_s == 0.1
    for number in range(10):
        gauge.ready(2.0, 0.3 + number / 1000)
    assert 0.3 <= gauge.figures(2.0).lag_s <= 0.31
    assert gauge.figures(4.1).lag_s == 0.0


def test_a_camera_that_is_late_by_itself_has_no_strain() -> None:
    gauge = Gauge(0.0)
    for number in range(100):
        now = number / 25
        gauge.waited(now, 0.035)
        gauge.decoded(now, 0.003, 0.004)
        gauge.ready(now, 0.9)
    assert gauge.figures(4.0).lag_s == 0.9
    assert gauge.figures(4.0).strain_s == 0.004


def test_pictures_that_come_ever_later_while_the_thread_never_waits_are_strain() -> None:
    gauge = Gauge(0.0)
    for number in range(100):
        now = number / 25
        gauge.waited(now, 0.0)
        gauge.decoded(now, 0.04, 0.05)
        gauge.ready(now, 0.1 + number * 0.01)
    assert gauge.figures(4.0).strain_s == pytest.approx(0.95, abs=0.08)


def test_one_picture_that_takes_long_is_strain_also_where_the_thread_waits() -> None:
    gauge = Gauge(0.0)
    for number in range(50):
        gauge.waited(number / 25, 0.03)
        gauge.decoded(number / 25, 0.003, 0.4)
    assert gauge.figures(2.0).strain_s == 0.4


# What is wrong.


def test_a_camera_that_sends_what_it_should_is_in_no_trouble() -> None:
    assert fed(25.0, 30.0).trouble(30.0) == ""


def test_a_camera_that_sends_nothing_for_two_seconds_is_silent() -> None:
    gauge = fed(25.0, 10.0)
    assert gauge.trouble(11.9) == ""
    assert gauge.trouble(13.0) == "nothing came for 3 s"


def test_a_slow_camera_is_silent_only_after_five_of_its_own_intervals() -> None:
    gauge = fed(1.0, 10.0)
    assert gauge.trouble(9.0 + 4.9) == ""
    assert gauge.trouble(9.0 + 5.5) == "nothing came for 6 s"


def test_a_camera_of_which_nothing_came_yet_is_silent_too() -> None:
    assert Gauge(100.0).trouble(101.0) == ""
    assert Gauge(100.0).trouble(104.0) == "nothing came for 4 s"


def test_units_that_give_no_picture_are_told_from_one_in_ten_on() -> None:
    gauge = Gauge(0.0)
    for number in range(250):
        now = number / 25
        gauge.unit(now, key=number % 25 == 0)
        if number % 4:
            gauge.picture(now, shade(number))
        else:
            gauge.undecodable(now)
    assert gauge.figures(9.96).damaged == pytest.approx(0.25, abs=0.01)
    assert gauge.trouble(9.96) == "25% of what it sends cannot be decoded"
    assert fed(25.0, 12.0, gauge=gauge, begin_s=10.0).trouble(22.0) == ""


def still(seconds: float, *, keys: bool = True, rate: float = 25.0) -> Gauge:
    """A camera whose pictures are all the same."""
    gauge = Gauge(0.0)
    for number in range(round(rate * seconds)):
        gauge.unit(number / rate, key=keys and number % 50 == 0)
        gauge.picture(number / rate, BLACK)
    return gauge


def test_pictures_that_are_all_the_same_for_ten_seconds_are_frozen() -> None:
    assert still(FROZEN_S).frozen_s(FROZEN_S) == 0.0
    assert still(12.0).frozen_s(12.0) == pytest.approx(11.96)
    assert still(12.0).trouble(12.0) == ("frozen: all pictures of the last 12 s are the same")


def test_without_a_key_pictures_that_are_the_same_may_be_chance() -> None:
    assert still(12.0, keys=False).frozen_s(12.0) == 0.0


def test_a_camera_that_is_silent_is_not_frozen() -> None:
    assert still(12.0).frozen_s(15.0) == 0.0


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_a_freeze_is_told_all_the_time_of_a_camera_at_whose_pictures_is_looked_rarely(
    rate: float,
) -> None:
    gauge, told = Gauge(0.0), []
    looks = 0
    for number in range(25 * 40):
        now = number / 25
        gauge.unit(now, key=number % 50 == 0)
        gauge.pictured(now)
        if now >= looks / rate:
            looks += 1
            gauge.picture(now, BLACK)
        told.append(gauge.frozen_s(now) > 0)
    first_s = told.index(True) / 25
    assert FROZEN_S <= first_s <= FROZEN_S + 1 / rate
    assert all(told[told.index(True) :])


def test_one_picture_that_differs_ends_a_freeze() -> None:
    gauge = still(12.0)
    gauge.picture(12.0, shade(7))
    assert gauge.frozen_s(12.0) == 0.0


# Pictures.


def test_the_size_is_that_of_the_last_picture_and_none_before_the_first() -> None:
    gauge = Gauge(0.0)
    assert gauge.size == (0, 0)
    for number, size in enumerate([(32, 24), (32, 24), (64, 48)]):
        gauge.picture(number, image(size))
    assert gauge.size == (64, 48)


def test_units_that_are_decoded_without_a_picture_are_timed_from_the_first_of_them() -> None:
    gauge = Gauge(0.0)
    assert gauge.without_picture_s == 0.0
    for number in range(10):
        gauge.decoded(5.0 + number, 0.001, 0.001)
    assert gauge.without_picture_s == 9.0
    gauge.picture(14.5, BLACK)
    assert gauge.without_picture_s == 0.0


def test_a_picture_at_which_nobody_looks_is_a_picture() -> None:
    gauge = Gauge(0.0)
    gauge.picture(0.0, BLACK)
    for number in range(20):
        gauge.decoded(5.0 + number, 0.001, 0.001)
        gauge.pictured(5.0 + number)
    assert gauge.without_picture_s == 0.0
    assert gauge.last_picture_s == 24.0


def test_pictures_that_are_damaged_are_told_and_are_pictures() -> None:
    gauge = Gauge(0.0)
    for number in range(250):
        now = number / 25
        gauge.unit(now, key=number % 25 == 0)
        gauge.decoded(now, 0.001, 0.001)
        gauge.picture(now, shade(number), damaged=number % 25 == 20)
    # And what comes up to the next key shows the same damage.
    assert gauge.trouble(9.96) == "20% of what it sends is damaged"
    assert gauge.without_picture_s == 0.0
    assert fed(25.0, 12.0, gauge=gauge, begin_s=10.0).trouble(22.0) == ""


def test_where_no_key_comes_damage_is_taken_to_be_over_after_ten_seconds() -> None:
    gauge = Gauge(0.0)
    gauge.picture(0.0, BLACK, damaged=True)
    for number in range(1, 500):
        gauge.unit(number / 25, key=False)
        gauge.picture(number / 25, shade(number))
        assert number > 225 or gauge.figures(number / 25).damaged == 1.0
    assert gauge.figures(19.96).damaged == pytest.approx(0.0, abs=0.01)


def test_the_last_picture_is_known_once_there_was_one() -> None:
    gauge = Gauge(5.0)
    assert gauge.last_picture_s is None
    gauge.picture(7.0, shade(1))
    gauge.undecodable(8.0)
    assert gauge.last_picture_s == 7.0


def test_a_camera_of_one_frame_in_ten_seconds_is_not_silent() -> None:
    gauge = Gauge(0.0)
    for number in range(10):
        gauge.unit(number * 10.0, key=True)
    assert gauge.trouble(90.0 + 45.0) == ""
    assert gauge.trouble(90.0 + 60.0) == "nothing came for 60 s"
