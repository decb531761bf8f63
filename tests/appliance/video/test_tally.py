"""What units tell of their stream, as arithmetic."""

from collections.abc import Iterable

import pytest

from appliance.video.tally import Tally, Unit


def tally_of(
    stamps: Iterable[float | None],
    *,
    live: bool = True,
    rate: float = 25.0,
    gop: int = 25,
    disposable: int = 0,
    dts: Iterable[float | None] | None = None,
) -> Tally:
    """A stream of `rate` with those stamps; each `disposable`th unit is referred to by nobody."""
    tally = Tally(live)
    given = list(stamps)
    decoded = list(dts) if dts is not None else given
    for number, (stamp, dts_s) in enumerate(zip(given, decoded, strict=True)):
        left_out = bool(disposable) and number % disposable == disposable - 1
        tally.add(Unit(number / rate, 1000, number % gop == 0, left_out, dts_s, stamp))
    return tally


def steady(count: int, rate: float = 25.0) -> list[float | None]:
    return [5 + number / rate for number in range(count)]


def test_a_steady_stream_is_what_it_seems() -> None:
    tally = tally_of(steady(101), disposable=4)
    assert tally.rate == pytest.approx(25.0)
    assert tally.bits_per_s == pytest.approx(25 * 8000)
    assert (tally.key_frames, tally.key_distance) == (5, 25)
    assert tally.span_s == pytest.approx(4.0)
    assert tally.disposable_share == pytest.approx(25 / 101)
    assert tally.reorder_depth == 0
    found = tally.stamps
    assert (found.missing, found.backward, found.jumps) == (0, 0, 0)
    assert found.pace == pytest.approx(1.0)
    assert found.sane


def test_the_longest_distance_of_key_frames_counts() -> None:
    tally = Tally(live=True)
    for number in range(60):
        tally.add(Unit(number / 25, 1, number in (0, 10, 50), False, number / 25, number / 25))
    assert tally.key_distance == 40


def test_one_key_frame_has_no_distance() -> None:
    assert tally_of(steady(20)).key_distance is None


def test_nothing_is_told_of_too_little() -> None:
    nothing, one = Tally(live=True), tally_of(steady(1))
    assert (nothing.rate, nothing.bits_per_s, nothing.span_s) == (None, None, 0.0)
    assert (one.rate, one.bits_per_s, one.disposable_share) == (None, None, 0.0)


def test_b_frames_are_seen_by_the_order_of_the_stamps() -> None:
    # I P B B, as it is decoded: the second B is shown before P and after the first.
    shown = [n + k for n in range(0, 40, 4) for k in (0, 3, 1, 2)]
    tally = tally_of([n / 25 for n in shown], dts=[n / 25 for n in range(-1, 39)])
    assert tally.reorder_depth == 1
    assert tally.stamps.sane


def test_a_first_unit_without_a_stamp_is_how_rtp_begins() -> None:
    tally = tally_of([None, *steady(50)])
    assert tally.stamps.missing == 0
    assert tally.rate == pytest.approx(25.0)


def test_stamps_that_are_missing_go_back_or_jump_are_counted() -> None:
    stamps = steady(60)
    stamps[20] = None
    stamps[30] = 5.0
    stamps[40:] = [30 + n / 25 for n in range(20)]
    found = tally_of(stamps).stamps
    assert (found.missing, found.backward, found.jumps) == (1, 1, 2)
    assert not found.sane


def test_stamps_at_another_pace_than_time_are_not_trusted() -> None:
    tally = tally_of(steady(100, rate=25.0), rate=12.5)
    assert tally.stamps.pace == pytest.approx(0.5)
    assert not tally.stamps.sane
    assert tally.rate == pytest.approx(12.5)


def test_a_burst_at_the_start_does_not_make_a_stream_faster() -> None:
    tally = Tally(live=True)
    for number in range(100):
        tally.add(Unit(max(0, number - 30) / 25, 1, number == 0, False, None, None))
    assert tally.rate == pytest.approx(25.0)


def test_a_file_goes_by_its_stamps_alone() -> None:
    tally = tally_of(steady(50), live=False, rate=1000.0)
    assert tally.rate == pytest.approx(25.0)
    assert tally.span_s == pytest.approx(49 / 25)
    assert tally.stamps.pace is None
