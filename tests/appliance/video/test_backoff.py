"""How long a camera is left alone before it is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.video.backoff import FIRST_S, GOOD_AFTER_S, LONGEST_S, BackOff


def test_waits_double_from_a_quarter_of_a_second_to_three_seconds() -> None:
    backoff = BackOff(lambda: 1.0)
    assert [backoff.wait_s() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


def test_chance_shortens_a_wait_to_half_at_most() -> None:
    backoff = BackOff(lambda: 0.0)
    assert [backoff.wait_s() for _ in range(6)] == [0.125, 0.25, 0.5, 1.0, 1.5, 1.5]


@given(st.lists(st.floats(0.0, 1.0), min_size=1))
def test_whatever_chance_says_a_camera_is_asked_every_three_seconds(chances: list[float]) -> None:
    left = iter(chances)
    backoff = BackOff(lambda: next(left))
    waits = [backoff.wait_s() for _ in chances]
    assert all(FIRST_S / 2 <= wait <= LONGEST_S for wait in waits)


def test_after_a_good_connection_the_next_wait_is_short_again() -> None:
    backoff = BackOff(lambda: 1.0)
    for _ in range(5):
        backoff.wait_s()
    backoff.lasted(GOOD_AFTER_S - 0.1)
    assert backoff.wait_s() == 3.0
    backoff.lasted(GOOD_AFTER_S)
    assert [backoff.wait_s(), backoff.wait_s()] == [0.25, 0.5]


def test_after_a_refused_password_waits_double_from_half_a_minute_to_five_minutes() -> None:
    backoff = BackOff(lambda: 0.0)
    assert [backoff.refused_s() for _ in range(6)] == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0]
    backoff.lasted(GOOD_AFTER_S - 0.1)
    assert backoff.refused_s() == 300.0
    backoff.lasted(GOOD_AFTER_S)
    assert backoff.refused_s() == 30.0
