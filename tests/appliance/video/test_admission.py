"""What a lane lets in: an even rate, whatever the times are, and what moves."""

import itertools
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.engine.testing import frame
from appliance.video.admission import Admission, RateLimit
from appliance.video.motion import Motion, MotionGate, MotionSettings


def admitted(rate: float, times_s: Sequence[float]) -> list[float]:
    limit = RateLimit(rate)
    return [at_s for at_s in times_s if limit.admits(at_s)]


def every(step_s: float, count: int, begin_s: float = 0.0) -> list[float]:
    return [begin_s + number * step_s for number in range(count)]


def test_ten_of_twenty_five_frames_a_second_are_exactly_ten_a_second() -> None:
    let_in = admitted(10.0, every(1 / 25, 25 * 100))
    assert len(let_in) == 1000
    assert {round((b - a) * 25) for a, b in itertools.pairwise(let_in)} == {2, 3}


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.5, 10.0, 12.0, 24.0])
@pytest.mark.parametrize("source", [25.0, 29.97, 30.0])
def test_the_rate_is_kept_on_the_average_also_where_it_divides_nothing(
    rate: float, source: float
) -> None:
    seconds = 200
    let_in = admitted(rate, every(1 / source, round(source * seconds)))
    assert len(let_in) == pytest.approx(rate * seconds, abs=1.5)


def test_jitter_of_twenty_milliseconds_changes_nothing_of_the_rate() -> None:
    chance = random.Random(3)
    times_s = [number / 25 + chance.uniform(-0.02, 0.02) for number in range(25 * 200)]
    let_in = admitted(10.0, sorted(times_s))
    assert len(let_in) == pytest.approx(2000, abs=10)
    assert max(b - a for a, b in itertools.pairwise(let_in)) < 0.2


@pytest.mark.parametrize("rate", [25.0, 25.1, 30.0, 1000.0])
def test_a_rate_that_is_no_less_than_the_sources_lets_all_in(rate: float) -> None:
    assert len(admitted(rate, every(1 / 25, 5000))) == 5000


def test_with_jitter_the_full_rate_still_lets_nearly_all_in() -> None:
    chance = random.Random(5)
    times_s = sorted(number / 25 + chance.uniform(-0.01, 0.01) for number in range(5000))
    assert len(admitted(25.0, times_s)) >= 4900


def test_after_a_gap_it_does_not_catch_up() -> None:
    times_s = every(1 / 25, 100) + every(1 / 25, 100, begin_s=60.0)
    let_in = admitted(5.0, times_s)
    after = [at_s for at_s in let_in if at_s >= 60.0]
    assert after[0] == 60.0
    assert len(after) == 20
    assert min(b - a for a, b in itertools.pairwise(after)) > 0.19


def test_less_than_one_frame_a_second_may_be_asked_for() -> None:
    assert admitted(0.1, every(0.5, 100)) == pytest.approx([0.0, 10.0, 20.0, 30.0, 40.0], abs=0.3)


@given(st.floats(0.5, 60.0), st.lists(st.floats(0.001, 0.5), min_size=2, max_size=300))
def test_whatever_the_times_are_there_are_never_more_than_the_rate_and_a_little(
    rate: float, steps_s: list[float]
) -> None:
    times_s = list(itertools.accumulate(steps_s))
    let_in = admitted(rate, times_s)
    assert let_in[0] == times_s[0]
    # Half an interval early at most, so one more than the time has room for.
    assert len(let_in) <= rate * (times_s[-1] - times_s[0]) + 2.0


# With a gate.


def seen(share: float, *, is_open: bool) -> Motion:
    return Motion(is_open, share, "motion" if is_open else "still")


class FixedGate(MotionGate):
    """Opens as it is told, and notes what it is asked."""

    def __init__(self, *found: Motion) -> None:
        super().__init__(MotionSettings())
        self._found = list(found)
        self.asked: list[tuple[float, float]] = []

    def look(
        self, luma: NDArray[np.uint8], at_s: float, awake_until_s: float = -math.inf
    ) -> Motion:
        assert luma.shape == (2, 2)
        self.asked.append((at_s, awake_until_s))
        return self._found.pop(0)


def luma() -> NDArray[np.uint8]:
    return np.zeros((2, 2), np.uint8)


def no_luma() -> NDArray[np.uint8]:
    raise AssertionError("nobody is to ask for the small picture")


def test_without_rules_everything_is_let_in_and_the_picture_is_not_made_small() -> None:
    admission = Admission()
    assert admission.gate is None
    assert admission.limit is None
    assert [admission.refusal(frame(number / 100), no_luma) for number in range(10)] == [None] * 10


def test_what_is_above_the_rate_is_over_rate() -> None:
    admission = Admission(max_rate=10.0)
    refusals = [admission.refusal(frame(number / 20), no_luma) for number in range(4)]
    assert refusals == [None, ("over-rate", None), None, ("over-rate", None)]


def test_where_nothing_moves_the_share_that_did_is_told() -> None:
    gate = FixedGate(seen(0.0001, is_open=False), seen(0.05, is_open=True))
    admission = Admission(gate)
    assert admission.refusal(frame(0.0), luma) == ("no-motion", 0.0001)
    assert admission.moved == 0.0001
    assert admission.refusal(frame(0.1), luma) is None
    assert admission.moved == 0.05


def test_the_gate_sees_every_frame_and_the_rate_only_what_it_lets_in() -> None:
    moves = [False, False, True, True, True]
    gate = FixedGate(*[seen(0.0, is_open=each) for each in moves])
    admission = Admission(gate, max_rate=1.0)
    refusals = [admission.refusal(frame(number * 0.5), luma) for number in range(5)]
    assert [None if each is None else each[0] for each in refusals] == [
        "no-motion",
        "no-motion",
        None,
        "over-rate",
        None,
    ]
    assert [at_s for at_s, _ in gate.asked] == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_the_gate_is_told_until_when_the_blocks_ask_for_every_frame() -> None:
    gate = FixedGate(seen(0.0, is_open=False), seen(0.0, is_open=True))
    admission = Admission(gate)
    admission.refusal(frame(0.0), luma)
    admission.awake_until_s = 7.0
    admission.refusal(frame(0.1), luma)
    assert gate.asked == [(0.0, -math.inf), (0.1, 7.0)]
