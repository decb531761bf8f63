import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.tracking.kalman import Motion

BOX = np.array([[100, 100, 140, 200]], np.float32)


def moved(right: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return BOX + np.array([right, 0, right, 0], np.float32)


@given(st.floats(0, 3), st.floats(0, 3))
def test_two_steps_are_one_step_of_their_sum(first: float, second: float) -> None:
    start = Motion.of(BOX, 1.5).after(0.5, 1.5).seen(moved(30))
    # Sizes set the scale of what wanders, so they are held still for the comparison.
    speed = start.speed * (1, 1, 0, 0)
    still = Motion(np.array([start.place, speed, start.spread, start.link, start.speed_spread]))
    once, twice = still.after(first + second, 1.5), still.after(first, 1.5).after(second, 1.5)
    np.testing.assert_allclose(once.state, twice.state, rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-500, 500)), max_size=20))
def test_variances_stay_positive_whatever_is_seen(sights: list[tuple[float, float]]) -> None:
    motion = Motion.of(BOX, 1.5)
    for elapsed_s, right in sights:
        motion = motion.after(elapsed_s, 1.5).seen(moved(right))
    assert (motion.spread > 0).all()
    assert (motion.speed_spread > 0).all()
    assert (motion.spread * motion.speed_spread >= motion.link**2 * (1 - 1e-9)).all()


@pytest.mark.parametrize("gap_s", [1 / 15, 0.4, 0.7])
def test_a_steady_walk_is_foreseen_at_any_rate(gap_s: float) -> None:
    motion = Motion.of(BOX, 1.5)
    for step in range(1, round(4 / gap_s)):
        motion = motion.after(gap_s, 1.5).seen(moved(80 * gap_s * step))
    assert motion.speed[0, 0] == pytest.approx(80, rel=0.1)
    last = motion.place[0, 0]
    assert motion.after(gap_s, 1.5).place[0, 0] - last == pytest.approx(80 * gap_s, rel=0.2)


def test_what_is_not_seen_becomes_less_sure_and_comes_to_rest() -> None:
    walking = Motion.of(BOX, 1.5).after(0.2, 1.5).seen(moved(30))
    soon, later, long_after = (walking.after(s, 1.5) for s in (0.2, 2.0, 60.0))
    assert (walking.spread < soon.spread).all()
    assert (soon.spread < later.spread).all()
    assert abs(long_after.speed[0, 0]) < 1e-3 < walking.speed[0, 0]


def test_a_box_that_fits_better_surprises_less() -> None:
    motion = Motion.of(BOX, 1.5).after(0.2, 1.5)
    near, far, other_size = motion.surprises(
        np.concatenate([moved(5), moved(100), BOX * 2 - BOX.mean()])
    )[0]
    assert near < 1 < far
    assert near < other_size


def test_overlaps_are_intersection_over_union() -> None:
    overlaps = Motion.of(BOX, 1.5).overlaps(np.concatenate([BOX, moved(20), moved(40)]))
    np.testing.assert_allclose(overlaps, [[1.0, 1 / 3, 0.0]])


def test_boxes_without_an_area_divide_by_nothing() -> None:
    flat = np.array([[5, 5, 5, 5]], np.float32)
    motion = Motion.of(flat, 1.5).after(0.1, 1.5)
    assert motion.overlaps(flat) == 0
    assert np.isfinite(motion.surprises(flat)).all()
    assert np.isfinite(motion.seen(flat).place).all()
