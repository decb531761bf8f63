"""The benchmark of the demo runs on the demo's own model and clip."""

from collections.abc import Callable

import pytest

from benchmarks.demo import Stopwatch


def test_a_stopwatch_stops_at_the_last_frame_that_is_wanted() -> None:
    watch = Stopwatch(2)
    watch.seen()
    watch.seen()
    assert not watch.enough.is_set()
    watch.seen()
    first = watch.values()
    watch.seen()
    assert watch.values() == first
    assert first["speed"] > 0


def test_a_stopwatch_tells_no_speed_of_too_few_frames() -> None:
    watch = Stopwatch(2)
    watch.seen()
    watch.seen()
    with pytest.raises(RuntimeError, match="only 2 of 3 frames came"):
        watch.values()


@pytest.mark.usefixtures("demo_store")
def test_it_runs(quick_run: Callable[[str], str]) -> None:
    printed = quick_run("demo")
    for variant in ("daemon", "one thread", "plain loop"):
        assert f"\n{variant}  " in printed
