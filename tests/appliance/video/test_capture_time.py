"""When the frames of a camera were taken: its stamps against our clocks, over hours of its life."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.testing import EPOCH_S, ManualClock
from appliance.video.capture_time import Captured, CaptureTime, Placed

FRAME_S = 0.04

Unit = tuple[float | None, float]
"""The stamp of an access unit, and when it came."""


class Bench:
    """A capture time and the clock it reads, which is moved to every arrival."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.time = CaptureTime(self.clock)
        self.time.connected()

    def captured(
        self, stamp_s: float | None, arrived_s: float, sender_utc: float | None = None
    ) -> Captured:
        self.clock.advance(max(0.0, arrived_s - self.clock.monotonic()))
        return self.time.captured_s(stamp_s, arrived_s, sender_utc)

    def taken(self, units: Iterable[Unit]) -> list[float]:
        return [self.captured(*unit).taken_s for unit in units]

    def placed(self, units: Iterable[Unit]) -> list[Placed]:
        return [self.time.place(self.captured(*unit)) for unit in units]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def camera(
    frames: int,
    *,
    begin_s: float = 0.0,
    stamp_s: float = 5000.0,
    drift_ppm: float = 0.0,
    delay: Callable[[], float] = lambda: 0.0,
) -> Iterator[Unit]:
    """25 frames a second, taken from `begin_s` on; each comes after its delay and those before."""
    arrived_s = 0.0
    for number in range(frames):
        taken_s = begin_s + number * FRAME_S
        arrived_s = max(arrived_s, taken_s + delay())
        yield stamp_s + number * FRAME_S * (1 + drift_ppm / 1e6), arrived_s


def jitter(most_s: float) -> Callable[[], float]:
    chance = Random(7)
    return lambda: chance.uniform(0.0, most_s)


def intervals(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def lines(placed: list[Placed]) -> list[float]:
    return [each.at_s for each in placed]


# Delays and drift.


@pytest.mark.parametrize("most_s", [0.02, 0.2])
def test_a_network_that_delays_unevenly_does_not_move_the_frames(
    bench: Bench, most_s: float
) -> None:
    placed = bench.placed(camera(15_000, delay=jitter(most_s)))
    settled = intervals(lines(placed))[1500:]
    assert min(settled) == pytest.approx(FRAME_S, abs=0.002)
    assert max(settled) == pytest.approx(FRAME_S, abs=0.002)


@pytest.mark.parametrize("drift_ppm", [-200.0, 0.0, 200.0])
def test_a_crystal_that_drifts_is_followed_for_hours(bench: Bench, drift_ppm: float) -> None:
    units = list(camera(270_000, drift_ppm=drift_ppm, delay=jitter(0.05)))
    errors = [taken - n * FRAME_S for n, taken in enumerate(bench.taken(units))]
    assert max(errors[3000:]) < 0.005
    assert min(errors[3000:]) > -0.005
    assert bench.time.trusted
    assert bench.time.jumps == 0
    assert bench.time.drift_ppm == pytest.approx(drift_ppm, abs=20)


def test_a_group_sent_at_once_after_the_connect_does_not_shift_what_follows(bench: Bench) -> None:
    # Two seconds of pictures were waiting in the camera.
    units = [(stamp, max(arrived, 2.0)) for stamp, arrived in camera(500)]
    taken = bench.taken(units)
    assert taken[100:] == pytest.approx([n * FRAME_S for n in range(100, 500)], abs=1e-6)
    assert bench.time.jumps == 0


def test_pictures_that_come_before_those_shown_first_are_placed_by_their_stamps(
    bench: Bench,
) -> None:
    # Taken 0 1 2 3 4 5 6; sent 0 3 1 2 6 4 5: a picture goes when the one it refers to has gone.
    units: list[tuple[int, float]] = [(0, 0.0)]
    for last in range(3, 750, 3):
        units += [(n, last * FRAME_S) for n in (last, last - 2, last - 1)]
    captured = {n: bench.captured(9.0 + n * FRAME_S, arrived) for n, arrived in units}
    placed = [bench.time.place(captured[n]) for n in sorted(captured)]
    assert intervals(lines(placed))[3:] == pytest.approx([FRAME_S] * 744, abs=1e-6)
    assert bench.time.jumps == 0


def test_after_a_stall_the_late_frames_show_their_age(bench: Bench) -> None:
    units = list(camera(2500))
    units += [
        (stamp, max(arrived, 130.0))
        for stamp, arrived in camera(1500, begin_s=100.0, stamp_s=5100.0)
    ]
    taken = bench.taken(units)
    assert taken == pytest.approx([n * FRAME_S for n in range(4000)], abs=0.001)
    assert units[2500][1] - taken[2500] == pytest.approx(30.0, abs=0.001)
    assert bench.time.jumps == 0
    assert bench.time.trusted


def test_late_frames_that_catch_up_slowly_show_their_age(bench: Bench) -> None:
    units = list(camera(2500))
    for n in range(750 * 4 // 3):  # four come in the time of one
        taken_s = 100.0 + n * FRAME_S
        units.append((5000.0 + taken_s, max(taken_s, 130.0 + n * FRAME_S / 4)))
    taken = bench.taken(units)
    assert taken == pytest.approx([n * FRAME_S for n in range(len(units))], abs=0.001)
    assert bench.time.trusted


def test_frames_lost_among_late_ones_are_no_jump(bench: Bench) -> None:
    late = [(stamp, max(at, 130.0)) for stamp, at in camera(1500, begin_s=100.0, stamp_s=5100.0)]
    taken = bench.taken([*camera(2500), *late[:100], *late[300:]])
    lost = range(2600, 2800)
    expected = [n * FRAME_S for n in range(4000) if n not in lost]
    assert taken == pytest.approx(expected, abs=0.001)
    assert bench.time.jumps == 0


def test_a_camera_whose_stamps_stood_still_in_a_stall_is_not_late_for_ever(bench: Bench) -> None:
    units = list(camera(2500)) + list(camera(1000, begin_s=130.0, stamp_s=5100.0))
    taken = bench.taken(units)
    assert taken[-1] == pytest.approx(units[-1][1], abs=0.001)
    assert bench.time.jumps == 1


# Jumps.


@pytest.mark.parametrize(
    "step_s", [-7200.0, 3600.0, -(2**32) / 90_000, -(2**33) / 90_000, -5.0, 5.0]
)
def test_after_a_jump_of_the_stamps_the_line_goes_on(bench: Bench, step_s: float) -> None:
    before = list(camera(1000, stamp_s=200_000.0, delay=jitter(0.05)))
    after = list(camera(1000, begin_s=40.0, stamp_s=200_040.0 + step_s, delay=jitter(0.05)))
    placed = bench.placed(before + after)
    steps = intervals(lines(placed))
    assert max(steps[500:]) < FRAME_S + 0.01
    assert min(steps[500:]) > FRAME_S - 0.01
    passed_s = placed[-1].at_s - placed[500].at_s
    assert passed_s == pytest.approx(1499 * FRAME_S, abs=0.01)
    assert bench.time.jumps == 1
    assert bench.time.trusted


def test_a_jump_after_a_silence_goes_on_by_the_time_that_passed(bench: Bench) -> None:
    placed = bench.placed([*camera(1000), *camera(100, begin_s=60.0, stamp_s=0.0)])
    assert placed[1000].at_s == pytest.approx(60.0, abs=0.001)
    assert placed[-1].at_s == pytest.approx(60.0 + 99 * FRAME_S, abs=0.001)


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0, 0.8, 0.3, -0.3])
def test_one_wrong_stamp_moves_no_other_frame(bench: Bench, wrong_s: float) -> None:
    units = list(camera(2000))
    stamp, arrived = units[1000]
    assert stamp is not None
    units[1000] = (stamp + wrong_s, arrived)
    taken = bench.taken(units)
    del taken[1000]
    expected = [n * FRAME_S for n in range(2000) if n != 1000]
    assert taken == pytest.approx(expected, abs=0.001)
    assert bench.time.jumps == (abs(wrong_s) > 0.5)


def test_a_way_that_becomes_shorter_is_followed_at_once(bench: Bench) -> None:
    bench.taken((stamp, at + 0.1) for stamp, at in camera(4500))
    later = list(camera(6000, begin_s=181.0, stamp_s=5181.0))
    taken = bench.taken(later)
    assert taken[10:] == pytest.approx([at for _, at in later[10:]], abs=0.001)


def test_a_first_stamp_that_is_wrong_moves_no_later_frame(bench: Bench) -> None:
    first, *others = camera(500)
    taken = bench.taken([(9_000.0, first[1]), *others])
    assert taken == pytest.approx([n * FRAME_S for n in range(500)], abs=0.001)


def test_a_stamp_that_is_missing_is_filled_in(bench: Bench) -> None:
    units = [(None if n % 10 == 9 else stamp, at) for n, (stamp, at) in enumerate(camera(500))]
    assert bench.taken(units) == pytest.approx([n * FRAME_S for n in range(500)], abs=0.001)
    assert bench.time.trusted


def test_stamps_of_a_new_connection_have_nothing_to_do_with_those_before(bench: Bench) -> None:
    placed = bench.placed(camera(500, stamp_s=9_000.0))
    bench.time.connected()
    placed += bench.placed(camera(500, begin_s=33.0, stamp_s=9_020.0))
    assert placed[500].at_s == pytest.approx(33.0, abs=0.001)
    assert placed[-1].at_s == pytest.approx(33.0 + 499 * FRAME_S, abs=0.001)
    assert bench.time.jumps == 0


def test_a_jump_after_a_silence_is_placed_by_the_usual_delay(bench: Bench) -> None:
    bench.taken((stamp, at + n % 2 * 0.03) for n, (stamp, at) in enumerate(camera(1000)))
    assert bench.captured(0.0, 60.015).taken_s == pytest.approx(60.0, abs=0.001)


def test_the_drift_of_a_camera_is_known_to_its_next_connection(bench: Bench) -> None:
    bench.taken(camera(5000, drift_ppm=200.0))
    bench.time.connected()
    assert bench.time.drift_ppm == pytest.approx(200, abs=1)
    units = camera(200, begin_s=210.0, stamp_s=0.0, drift_ppm=200.0)
    *_, last = bench.taken(units)
    assert bench.time.drift_ppm == pytest.approx(200, abs=1)
    assert last == pytest.approx(210.0 + 199 * FRAME_S, abs=0.0005)


# Stamps that cannot be used.


def at_rate(
    stamp_step_s: float, seconds: float, begin_s: float = 0.0, most_s: float = 0.0
) -> Iterator[Unit]:
    units = camera(int(seconds / FRAME_S), begin_s=begin_s, delay=jitter(most_s))
    return ((n * stamp_step_s, arrived) for n, (_, arrived) in enumerate(units))


@pytest.mark.parametrize(
    ("step_s", "found_s"),
    [(1 / 30, 8.0), (1 / 12.5, 5.0), (1 / 20, 8.0), (1 / 24, 14.0), (0.0, 2.0)],
)
def test_stamps_of_a_wrong_rate_are_found_out(bench: Bench, step_s: float, found_s: float) -> None:
    bench.taken(at_rate(step_s, found_s))
    assert not bench.time.trusted


def test_a_camera_that_says_30_and_delivers_29_and_a_half_is_found_out(bench: Bench) -> None:
    bench.taken(at_rate(FRAME_S * 29.5 / 30, 30.0, most_s=0.02))
    assert not bench.time.trusted


def test_instead_of_wrong_stamps_the_smoothed_arrivals_are_used(bench: Bench) -> None:
    units = list(at_rate(1 / 30, 120.0, most_s=0.03))
    placed = bench.placed(units)
    steps = intervals(lines(placed))[250:]
    assert not bench.time.trusted
    assert min(steps) > 0.02
    assert max(steps) < 0.06
    assert placed[-1].at_s == pytest.approx(120.0, abs=0.1)


def test_without_stamps_the_arrivals_are_used(bench: Bench) -> None:
    placed = bench.placed((None, n * FRAME_S) for n in range(250))
    assert not bench.time.trusted
    assert lines(placed) == pytest.approx([n * FRAME_S for n in range(250)], abs=0.001)


def test_a_silence_does_not_change_how_arrivals_are_smoothed(bench: Bench) -> None:
    units = [*camera(500), *camera(500, begin_s=60.0, delay=jitter(0.03))]
    placed = bench.placed((None, at) for _, at in units)
    assert placed[500].at_s == pytest.approx(60.0, abs=0.03)
    steps = intervals(lines(placed))[505:]
    assert min(steps) > 0.02
    assert max(steps) < 0.06


def test_stamps_that_jump_about_are_not_used(bench: Bench) -> None:
    chance = Random(3)
    taken = bench.taken((chance.uniform(0, 1e6), n * FRAME_S) for n in range(250))
    assert not bench.time.trusted
    assert bench.time.jumps == 4
    assert taken[50:] == pytest.approx([n * FRAME_S for n in range(50, 250)], abs=0.005)


def test_jumps_of_another_connection_do_not_count_against_this_one(bench: Bench) -> None:
    for second in range(3):
        bench.taken(camera(25, begin_s=second, stamp_s=1000.0 * second))
    bench.time.connected()
    for second in range(3, 6):
        bench.taken(camera(25, begin_s=second, stamp_s=1000.0 * second))
    assert bench.time.jumps == 4
    assert bench.time.trusted


def test_pictures_in_many_parts_of_one_stamp_are_no_stamps_that_stand_still(bench: Bench) -> None:
    bench.taken((n // 12 * FRAME_S, n // 12 * FRAME_S) for n in range(1200))
    assert bench.time.trusted


def test_a_connection_with_sane_stamps_is_trusted_again(bench: Bench) -> None:
    bench.taken(at_rate(1 / 30, 10.0))
    bench.time.connected()
    placed = bench.placed(camera(250, begin_s=20.0, delay=jitter(0.02)))
    assert (bench.time.trusted, len(placed)) == (False, 250)
    placed = bench.placed(camera(500, begin_s=30.0, stamp_s=5010.0, delay=jitter(0.02)))
    assert (bench.time.trusted, len(placed)) == (True, 500)
    assert intervals(lines(placed))[400:] == pytest.approx([FRAME_S] * 99, abs=0.002)


def test_a_network_that_is_short_for_a_while_does_not_cost_the_trust(bench: Bench) -> None:
    # For five seconds three units come in the time of five.
    units: list[Unit] = []
    last_s = 0.0
    for stamp, taken_s in camera(5000):
        last_s = max(taken_s, last_s + (FRAME_S / 0.6 if 50 < taken_s < 53 else 0.001))
        units.append((stamp, last_s))
    assert max(at - n * FRAME_S for n, (_, at) in enumerate(units)) > 1.9
    taken = bench.taken(units)
    assert bench.time.trusted
    assert taken == pytest.approx([n * FRAME_S for n in range(5000)], abs=0.002)


# The wall clock.


def test_utc_is_the_wall_clock_at_the_capture(bench: Bench) -> None:
    placed = bench.placed(camera(500, delay=jitter(0.05)))
    assert placed[-1].captured_at == pytest.approx(EPOCH_S + 499 * FRAME_S, abs=0.005)


@pytest.mark.parametrize("step_s", [2.0, -2.0, 3 * 86_400.0, -3 * 86_400.0])
def test_a_wall_clock_that_is_set_is_followed_at_once(bench: Bench, step_s: float) -> None:
    placed = bench.placed(camera(500))
    bench.clock.step(step_s)
    placed += bench.placed(camera(500, begin_s=20.0, stamp_s=5020.0))
    utc = [each.captured_at for each in placed]
    assert utc[499:501] == pytest.approx([EPOCH_S + 19.96, EPOCH_S + 20.0 + step_s], abs=1e-3)
    assert intervals(lines(placed)) == pytest.approx([FRAME_S] * 999, abs=1e-6)
    assert intervals(utc)[500:] == pytest.approx([FRAME_S] * 499, abs=1e-5)


@pytest.mark.parametrize("step_s", [0.4, -0.4])
def test_a_wall_clock_that_is_corrected_a_little_is_followed_slowly(
    bench: Bench, step_s: float
) -> None:
    bench.placed(camera(500))
    bench.clock.step(step_s)
    placed = bench.placed(camera(1500, begin_s=20.0, stamp_s=5020.0))
    utc = [each.captured_at for each in placed]
    assert utc[0] == pytest.approx(EPOCH_S + 20.0, abs=0.001)
    assert utc[-1] == pytest.approx(EPOCH_S + 20.0 + 1499 * FRAME_S + step_s, abs=0.001)
    assert min(intervals(utc)) > FRAME_S * 0.98
    assert max(intervals(utc)) < FRAME_S * 1.02


def test_a_connection_takes_the_wall_clock_as_it_is(bench: Bench) -> None:
    bench.placed(camera(500))
    bench.clock.step(0.4)
    bench.clock.advance(10.0)
    bench.time.connected()
    placed = bench.placed(camera(1, begin_s=30.0))
    assert placed[0].captured_at == pytest.approx(EPOCH_S + 30.4, abs=0.001)


def test_frames_taken_before_the_wall_clock_was_set_keep_their_time(bench: Bench) -> None:
    held = [bench.captured(*unit) for unit in camera(10)]
    bench.clock.step(-3600.0)
    after = bench.captured(5000.4, 0.4)
    utc = [bench.time.place(each).captured_at for each in [*held, after]]
    assert utc[9] == pytest.approx(EPOCH_S + 0.36, abs=0.001)
    assert utc[10] == pytest.approx(EPOCH_S + 0.4 - 3600.0, abs=0.001)


@pytest.mark.parametrize(("step_s", "waits"), [(0.0, [2.0]), (-3600.0, [0.0, 2.0])])
def test_two_readings_with_a_wait_between_them_tell_nothing_of_the_wall_clock(
    bench: Bench, step_s: float, waits: list[float]
) -> None:
    bench.placed(camera(500))
    bench.clock.advance(0.04)
    bench.clock.step(step_s)

    def monotonic() -> float:
        bench.clock.advance(waits.pop(0) if waits else 0.0)
        return ManualClock.monotonic(bench.clock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.clock, "monotonic", monotonic)
        bench.time.captured_s(5020.0, 20.0)
        captured = bench.time.captured_s(5020.04, 20.04)
    assert captured.utc == pytest.approx(EPOCH_S + 20.04 + step_s, abs=0.001)
    assert captured.wall_steps == (step_s != 0)


# The camera's clock.


def reported(bench: Bench, seconds: float, camera_ahead_s: float, delay_s: float) -> list[Placed]:
    """A camera that is `camera_ahead_s` ahead of us; its frames come `delay_s` late."""
    return [
        bench.time.place(
            bench.captured(
                100.0 + n * FRAME_S, n * FRAME_S + delay_s, EPOCH_S + n * FRAME_S + camera_ahead_s
            )
        )
        for n in range(int(seconds / FRAME_S))
    ]


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 1.5])
def test_what_the_camera_reports_tells_the_delay(bench: Bench, delay_s: float) -> None:
    placed = reported(bench, 10.0, 0.0, delay_s)
    utc = [each.captured_at for each in placed]
    assert utc == pytest.approx([EPOCH_S + n * FRAME_S for n in range(250)], abs=0.001)
    assert lines(placed) == pytest.approx([n * FRAME_S for n in range(250)], abs=0.001)
    assert bench.time.camera_offset_s == pytest.approx(-delay_s, abs=0.001)


@pytest.mark.parametrize("camera_ahead_s", [-3.0, 0.5, 7200.0, -1.7e9])
def test_a_camera_whose_clock_is_wrong_is_shown_and_not_believed(
    bench: Bench, camera_ahead_s: float
) -> None:
    placed = reported(bench, 10.0, camera_ahead_s, 0.1)
    assert placed[-1].captured_at == pytest.approx(EPOCH_S + 249 * FRAME_S + 0.1, abs=0.001)
    assert lines(placed) == pytest.approx([n * FRAME_S for n in range(250)], abs=0.001)
    assert bench.time.camera_offset_s == pytest.approx(camera_ahead_s - 0.1, abs=0.001)


def test_a_camera_that_sets_its_clock_back_a_little_does_not_stop_the_time(bench: Bench) -> None:
    placed = []
    for n in range(500):
        at = n * FRAME_S
        sender_utc = EPOCH_S + at - (0.5 if n > 100 else 0.1)
        placed.append(bench.time.place(bench.captured(at, at, sender_utc)))
    utc = [each.captured_at for each in placed]
    assert min(intervals(utc)) == pytest.approx(FRAME_S * 0.9, abs=1e-5)
    assert utc[-1] == pytest.approx(EPOCH_S + 499 * FRAME_S - 0.5, abs=0.001)


def test_what_a_camera_with_unusable_stamps_reports_is_not_believed(bench: Bench) -> None:
    for n in range(750):
        stamp_s, arrived_s = n / 30, n * FRAME_S
        placed = bench.time.place(bench.captured(stamp_s, arrived_s, EPOCH_S + arrived_s - 1.0))
    assert bench.time.camera_offset_s is None
    assert placed.captured_at == pytest.approx(EPOCH_S + 749 * FRAME_S, abs=0.001)


def test_what_the_camera_reports_is_forgotten_with_the_connection(bench: Bench) -> None:
    assert bench.time.camera_offset_s is None
    reported(bench, 1.0, 0.0, 0.1)
    bench.time.connected()
    assert bench.time.camera_offset_s is None


# What always holds.

FAULTS = st.sampled_from(["frame", "connect", "wall"])
STEPS = st.one_of(
    st.floats(-0.2, 0.2), st.floats(-10, 10), st.sampled_from([3600.0, -3600.0, -95_443.7, 0.0])
)
HAPPENINGS = st.lists(
    st.tuples(
        FAULTS,
        st.one_of(st.none(), STEPS),  # the stamp's error, or none
        st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 40)),  # silence before it
        st.one_of(st.none(), STEPS),  # what the camera's clock is wrong by, or no report
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(HAPPENINGS)
def test_whatever_comes_the_line_rises_and_no_frame_is_taken_after_it_came(
    happenings: list[tuple[str, float | None, float, float | None, int]],
) -> None:
    bench = Bench()
    placed: list[Placed] = []
    stepped = set[int]()
    arrived = stamp = 0.0
    for kind, error, silence, sender, count in happenings:
        if kind == "connect":
            bench.time.connected()
        elif kind == "wall" and error is not None:
            bench.clock.step(error)
            stepped.add(len(placed))
        arrived += silence
        for n in range(count):
            arrived += FRAME_S if silence < 0.2 else 0.0
            stamp += FRAME_S
            shown = None if error is None else stamp + (error if n % 3 == 0 else 0.0)
            utc = None if sender is None else bench.clock.now() + sender
            captured = bench.captured(shown, arrived, utc)
            assert captured.taken_s <= arrived
            assert captured.utc <= bench.clock.now() + 1.0
            placed.append(bench.time.place(captured))
    assert placed[0].at_s == 0.0
    assert all(step > 0 for step in intervals(lines(placed)))
    back = {n + 1 for n, step in enumerate(intervals([p.captured_at for p in placed])) if step < 0}
    assert back <= stepped


def test_two_pictures_of_one_moment_are_a_millisecond_apart_in_utc() -> None:
    times = CaptureTime(ManualClock())
    same = Captured(10.0, EPOCH_S + 10.0, 0)
    placed = [times.place(same) for _ in range(3)]
    utc = [each.captured_at - EPOCH_S for each in placed]
    assert utc == pytest.approx([10.0, 10.001, 10.002], abs=1e-6)
    # Where the wall clock was set back, UTC follows.
    assert times.place(Captured(10.1, EPOCH_S + 5.0, 1)).captured_at == EPOCH_S + 5.0
