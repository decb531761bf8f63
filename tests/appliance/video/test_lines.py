"""Where frames stand: on the line of a clip, and on that of a camera over its connections."""

import itertools

import pytest

from appliance.engine.testing import EPOCH_S, ManualClock
from appliance.video.capture_time import CaptureTime
from appliance.video.lines import ClipLine, LiveLine, Place


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_a_clip_begins_at_zero_whatever_its_first_stamp_is(clock: ManualClock) -> None:
    line = ClipLine(clock, 0.04, 0.0)
    clock.advance(100.0)
    places = [line.place(stamp_s, None) for stamp_s in (7.0, 7.04, 9.0)]
    assert [place.at_s for place in places] == pytest.approx([0.0, 0.04, 2.0])
    # UTC is counted from when it was opened.
    assert [place.captured_at for place in places] == pytest.approx(
        [EPOCH_S, EPOCH_S + 0.04, EPOCH_S + 2.0], abs=1e-3
    )
    assert {place.captured_s for place in places} == {None}
    assert line.captured(7.0, 5.0, 1e9) is None


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_utc_on_the_line_of_a_playlist_is_that_of_the_wall_clock_as_it_is_set(
    clock: ManualClock, step_s: float
) -> None:
    line = ClipLine(clock, 0.04, 0.0)
    places = []
    for number in range(100):
        if number == 50:
            clock.step(step_s)
        places.append(line.place(number * 0.04, None))
        clock.advance(0.04)
    # The line itself does not know of it.
    assert [place.at_s for place in places] == pytest.approx([n * 0.04 for n in range(100)])
    utc = [EPOCH_S + n * 0.04 + (step_s if n >= 50 else 0.0) for n in range(100)]
    assert [place.captured_at for place in places] == pytest.approx(utc, abs=1e-3)


def test_a_small_step_of_the_wall_clock_is_followed_slowly_on_the_line_of_a_playlist(
    clock: ManualClock,
) -> None:
    line = ClipLine(clock, 0.04, 0.0)
    line.place(0.0, None)
    clock.step(-0.2)
    places = []
    for number in range(1, 1000):
        clock.advance(0.04)
        places.append(line.place(number * 0.04, None))
    assert places[-1].captured_at == pytest.approx(clock.now(), abs=1e-3)
    assert all(b.captured_at > a.captured_at for a, b in itertools.pairwise(places))


def test_a_clip_that_begins_again_goes_on_a_frame_later(clock: ManualClock) -> None:
    first = ClipLine(clock, 0.04, 0.0)
    for stamp_s in (0.0, 0.04, 0.08):
        first.place(stamp_s, None)
    assert first.next_s == pytest.approx(0.12)
    again = ClipLine(clock, 0.04, first.next_s)
    assert again.place(0.0, None).at_s == pytest.approx(0.12)
    assert again.next_s == pytest.approx(0.16)


def came(line: LiveLine, clock: ManualClock, stamp_s: float | None, passed_s: float) -> Place:
    clock.advance(passed_s)
    captured = line.captured(stamp_s, clock.monotonic(), None)
    return line.place(stamp_s, captured)


def test_a_camera_begins_at_zero_and_follows_its_stamps_and_not_its_jitter(
    clock: ManualClock,
) -> None:
    line = LiveLine(CaptureTime(clock), stamped=True)
    # Every other unit comes 20 ms late.
    places = [
        came(line, clock, 500.0 + number * 0.04, 0.06 if number % 2 else 0.02)
        for number in range(100)
    ]
    assert places[0].at_s == 0.0
    steps = [b.at_s - a.at_s for a, b in itertools.pairwise(places[50:])]
    assert steps == pytest.approx([0.04] * 49, abs=0.003)
    assert line.next_s == places[-1].at_s
    assert all(place.captured_s is not None for place in places)


def test_a_camera_whose_stamps_are_not_used_is_placed_by_its_arrivals(clock: ManualClock) -> None:
    line = LiveLine(CaptureTime(clock), stamped=False)
    places = [came(line, clock, number * 99.0, 0.1) for number in range(50)]
    assert [place.at_s for place in places] == pytest.approx(
        [number * 0.1 for number in range(50)], abs=0.01
    )


def test_time_goes_on_over_the_connections_of_a_camera(clock: ManualClock) -> None:
    times = CaptureTime(clock)
    first = LiveLine(times, stamped=True)
    for number in range(25):
        last = came(first, clock, 10.0 + number * 0.04, 0.04)
    again = LiveLine(times, stamped=True)
    # Its own stamps begin again from anywhere.
    back = came(again, clock, 3.0, 30.0)
    assert last.at_s == pytest.approx(0.96)
    assert back.at_s == pytest.approx(30.96, abs=0.05)


def test_a_picture_without_a_unit_has_no_place(clock: ManualClock) -> None:
    line = LiveLine(CaptureTime(clock), stamped=True)
    with pytest.raises(ValueError, match="a unit that came"):
        line.place(0.0, None)
