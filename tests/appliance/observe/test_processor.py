"""The cores this process may use, and what became of them."""

import os
from pathlib import Path

import pytest

from appliance.observe.processor import Processor, core_count

TICKS = os.sysconf("SC_CLK_TCK")


def bound() -> int:
    return len(os.sched_getaffinity(0))


def stat(path: Path, idle_s: float, waiting_s: float = 0.0, core: int | None = None) -> Path:
    """What proc(5) says of the first of our cores, idle for so long and waiting for the disk."""
    ours = min(os.sched_getaffinity(0)) if core is None else core
    idle, waiting = round(idle_s * TICKS), round(waiting_s * TICKS)
    path.write_text(
        f"cpu  9 9 9 99999 9 9 9 0 0 0\ncpu{ours} 5 6 7 {idle} {waiting} 8 9 0 0 0\nctxt 123\n"
    )
    return path


def test_without_a_quota_all_cores_that_it_is_bound_to_may_be_used(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    assert core_count(quota) == bound()
    for text in ("max 100000\n", "", "100000\n", "100000 0\n"):
        quota.write_text(text)
        assert core_count(quota) == bound()


@pytest.mark.parametrize(("quota_us", "cores"), [(100_000, 1), (20_000, 1), (10**9, 10_000)])
def test_a_quota_pays_for_one_core_at_least_and_no_more_than_there_are(
    tmp_path: Path, quota_us: int, cores: int
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(f"{quota_us} 100000\n")
    assert core_count(quota) == min(cores, bound())


def test_the_first_look_tells_nothing_and_the_second_what_was_idle(tmp_path: Path) -> None:
    path = stat(tmp_path / "stat", 100.0, 10.0)
    processor = Processor(path)
    assert processor.use(50.0) is None
    stat(path, 102.0, 11.0)
    use = processor.use(54.0)
    assert use is not None
    # Idle for two seconds, and for one of the disk, of four.
    assert use.idle == pytest.approx(0.75)


def test_what_this_process_uses_is_counted_as_its_own(tmp_path: Path) -> None:
    processor = Processor(stat(tmp_path / "stat", 100.0))
    times = os.times()
    processor.use(0.0)
    while os.times().user + os.times().system - times.user - times.system < 0.1:
        sum(range(10_000))
    use = processor.use(1.0)
    assert use is not None
    assert 0.05 <= use.own <= 5.0
    assert use.idle == 0.0


def test_of_no_time_nothing_is_told(tmp_path: Path) -> None:
    processor = Processor(stat(tmp_path / "stat", 100.0))
    processor.use(5.0)
    assert processor.use(5.0) is None


def test_a_machine_that_does_not_tell_is_not_guessed_at(tmp_path: Path) -> None:
    missing = Processor(tmp_path / "stat")
    assert [missing.use(0.0), missing.use(1.0)] == [None, None]
    others = Processor(stat(tmp_path / "others", 5.0, core=99_999))
    assert [others.use(0.0), others.use(1.0)] == [None, None]


def test_this_machine_tells() -> None:
    processor = Processor()
    processor.use(0.0)
    use = processor.use(1.0)
    assert use is not None
    assert use.own >= 0.0
    assert use.idle >= 0.0
