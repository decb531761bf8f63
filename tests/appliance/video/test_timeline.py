"""From time stamps to a line that starts at 0 and always rises."""

import pytest

from appliance.video.timeline import Timeline


def place_all(*stamps: float | None) -> list[float]:
    timeline = Timeline(0.04)
    return [timeline.place(stamp) for stamp in stamps]


def test_the_first_frame_is_at_zero_whatever_its_stamp() -> None:
    assert place_all(7000.5, 7000.54) == pytest.approx([0.0, 0.04])


def test_uneven_distances_are_kept() -> None:
    assert place_all(0.0, 0.1, 0.5, 4.0) == pytest.approx([0.0, 0.1, 0.5, 4.0])


def test_missing_stamps_follow_the_rate() -> None:
    assert place_all(None, None, None) == pytest.approx([0.0, 0.04, 0.08])


def test_a_missing_stamp_among_good_ones_is_filled_in() -> None:
    assert place_all(1.0, None, 1.08) == pytest.approx([0.0, 0.04, 0.08])


def test_stamps_that_begin_late_go_on_from_the_frames_before() -> None:
    assert place_all(None, None, 9.0, 9.5) == pytest.approx([0.0, 0.04, 0.08, 0.58])


def test_equal_stamps_follow_the_rate() -> None:
    assert place_all(0.0, 0.0, 0.0) == pytest.approx([0.0, 0.04, 0.08])


def test_a_careless_step_back_does_not_shift_what_follows() -> None:
    assert place_all(0.0, 0.2, 0.1, 0.4) == pytest.approx([0.0, 0.2, 0.24, 0.4])


def test_a_shift_is_made_good_when_stamps_rise_again() -> None:
    assert place_all(0.0, 0.04, 0.04, 0.08, 0.12) == pytest.approx([0.0, 0.04, 0.08, 0.1, 0.12])


def test_a_source_that_begins_again_goes_on_where_it_was() -> None:
    assert place_all(5.0, 65.0, 5.0, 5.5) == pytest.approx([0.0, 60.0, 60.04, 60.54])
