"""Whether several images at once are faster, with sessions that say what they take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.engine.testing import ManualClock
from appliance.inference.batches import BatchVerdict, best_batch, measured

SHAPE = (1, 3, 2, 2)


class Timed:
    """A session whose runs take `fixed_s`, and `each_s` more for each image."""

    provider = "timed"
    input_type = "tensor(float)"

    def __init__(self, clock: ManualClock, fixed_s: float, each_s: float) -> None:
        self.input_shape: tuple[int | str, ...] = ("N", 3, 2, 2)
        self.runs = 0
        self._clock = clock
        self._fixed_s, self._each_s = fixed_s, each_s

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.runs += 1
        self._clock.advance(self._fixed_s + self._each_s * len(tensor))
        return self.outputs(tensor)

    def outputs(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"sum": tensor.sum(axis=(1, 2, 3))[:, None].astype(np.float32)}


class Mixed(Timed):
    """Gives all it finds in one list, whichever image it is of."""

    def outputs(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"boxes": np.zeros((7, 6), np.float32)}


class OneOnly(Timed):
    """Has an axis of any size, and takes one image nevertheless."""

    def outputs(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        if len(tensor) > 1:
            raise RuntimeError("Reshape: 4 is no multiple")
        return super().outputs(tensor)


class FewOnly(Timed):
    """Has no room for many."""

    def outputs(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        if len(tensor) > 4:
            raise RuntimeError("out of memory")
        return super().outputs(tensor)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_where_a_call_costs_more_than_an_image_batches_are_taken(clock: ManualClock) -> None:
    verdict = measured(Timed(clock, 0.008, 0.002), SHAPE, clock)
    reason = "16 at once are not faster"
    assert verdict == BatchVerdict(batch=8, alone_ms=10.0, together_ms=3.0, reason=reason)


def test_a_call_that_costs_far_more_than_an_image_has_the_most_images(clock: ManualClock) -> None:
    verdict = measured(Timed(clock, 0.015, 0.001), SHAPE, clock)
    assert verdict == BatchVerdict(batch=16, alone_ms=16.0, together_ms=1.938)


def test_where_few_are_faster_and_more_are_not_there_are_few(clock: ManualClock) -> None:
    verdict = measured(Timed(clock, 0.004, 0.004), SHAPE, clock)
    reason = "8 at once are not faster"
    assert verdict == BatchVerdict(batch=4, alone_ms=8.0, together_ms=5.0, reason=reason)


def test_what_fails_with_many_has_few(clock: ManualClock) -> None:
    verdict = measured(FewOnly(clock, 0.008, 0.002), SHAPE, clock)
    assert (verdict.batch, verdict.together_ms) == (4, 4.0)
    assert verdict.reason == "it takes no 8 images at once: out of memory"


def test_where_all_the_time_is_in_the_images_they_are_not(clock: ManualClock) -> None:
    verdict = measured(Timed(clock, 0.0001, 0.01), SHAPE, clock)
    assert (verdict.batch, verdict.reason) == (1, "4 at once are not faster")


def test_pixels_are_given_as_bytes(clock: ManualClock) -> None:
    session = Timed(clock, 0.008, 0.002)
    session.input_type = "tensor(uint8)"
    assert measured(session, (1, 2, 2, 3), clock).batch == 8


def test_outputs_that_are_not_one_for_each_image_allow_none(clock: ManualClock) -> None:
    verdict = measured(Mixed(clock, 0.008, 0.002), SHAPE, clock)
    assert (verdict.batch, verdict.reason) == (1, "its output boxes is not one for each image")


def test_a_model_that_fails_with_several_images_is_given_one(clock: ManualClock) -> None:
    verdict = measured(OneOnly(clock, 0.008, 0.002), SHAPE, clock)
    assert verdict.batch == 1
    assert "Reshape" in verdict.reason


def test_it_is_measured_once_and_remembered(clock: ManualClock, tmp_path: Path) -> None:
    session, kept = Timed(clock, 0.008, 0.002), tmp_path / "probes" / "batch.json"
    assert best_batch(session, lambda: session, SHAPE, kept, clock) == 8
    runs = session.runs
    assert best_batch(session, lambda: session, SHAPE, kept, clock) == 8
    assert session.runs == runs
    kept.write_text("half of i")
    assert best_batch(session, lambda: session, SHAPE, kept, clock) == 8
    assert session.runs == 2 * runs


def test_a_model_of_one_image_is_not_measured(clock: ManualClock, tmp_path: Path) -> None:
    session = Timed(clock, 0.008, 0.002)
    session.input_shape = SHAPE
    assert best_batch(session, lambda: session, SHAPE, tmp_path / "batch.json", clock) == 1
    assert session.runs == 0


def test_where_nothing_can_be_kept_it_is_found_out_all_the_same(
    clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "probes").write_text("a file")
    kept = tmp_path / "probes" / "batch.json"
    session = Timed(clock, 0.008, 0.002)
    assert best_batch(session, lambda: session, SHAPE, kept, clock) == 8
