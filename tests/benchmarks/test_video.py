"""The arithmetic of the cameras' benchmark: the limit, the cells and what is asked of each."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.machine import Load
from benchmarks.samples import Round, Rounds
from benchmarks.video import CELL_UNITS, cells, goals_of
from benchmarks.video_cell import Cell
from benchmarks.video_clips import Format
from benchmarks.video_costs import Costs
from benchmarks.video_load import Counters, percentile
from benchmarks.video_scenarios import GOALS, SCENARIOS, UNITS
from benchmarks.video_table import table_of

ROOT = Path(__file__).parents[2]
COSTS = Costs(decode=2.0, key=10.0, inference=15.0, around=1.0)


def cell(cameras: int = 4, lines: int = 720, design: str = "daemon") -> Cell:
    return Cell(design, cameras, Format("h264", lines), seconds=1.0, settle_s=1.0)


def rounds_of(name: str, **values: float) -> Rounds:
    taken = {metric.replace("_", " "): value for metric, value in values.items()}
    return Rounds(CELL_UNITS, (Round({name: taken}, Load(1.0, 1.0, 0.0)),))


def test_decoding_all_frames_costs_what_each_costs() -> None:
    assert COSTS.decoding(100.0, 100.0) == pytest.approx(200.0)


def test_decoding_keys_only_costs_what_keys_do() -> None:
    assert COSTS.decoding(2.0, 100.0) == pytest.approx(20.0)


def test_decoding_some_charges_all_keys_and_as_many_others() -> None:
    # Of a group of 50 the 49 others cost 90 ms.
    assert COSTS.decoding(51.0, 100.0) == pytest.approx(2 * 10.0 + 49 * 90.0 / 49)


def test_the_limit_is_what_decoding_leaves_over_an_inference_and_what_is_around_it() -> None:
    assert COSTS.limit(2.0, 1000.0, 400.0) == pytest.approx(1600 / 16)


def test_the_limit_is_never_more_than_the_cameras_send() -> None:
    assert COSTS.limit(2.0, 25.0, 50.0) == 25.0


def test_where_decoding_takes_everything_the_limit_is_nothing() -> None:
    assert COSTS.limit(1.0, 400.0, 1200.0) == 0.0


def test_costs_of_several_measurements_are_their_medians() -> None:
    costs = Costs.of([COSTS, Costs(4.0, 14.0, 17.0, 3.0)])
    assert costs == Costs(3.0, 12.0, 16.0, 2.0)


def test_the_cores_there_are_for_us_are_ours_and_the_idle_ones() -> None:
    use = Counters(14.0, 5.0, 101.0).since(Counters(10.0, 1.0, 100.0))
    assert (use.wall_s, use.own, use.idle, use.cores) == (4.0, 1.0, 0.25, 1.25)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 3.0), (0.95, 5.0), (0.0, 1.0)])
def test_a_percentile_is_one_of_the_values(share: float, expected: float) -> None:
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], share) == expected


def test_of_nothing_a_percentile_is_0() -> None:
    assert percentile([], 0.95) == 0.0


def test_the_matrix_is_whole_for_720p_h264() -> None:
    found = cells((1, 2, 4, 8, 16), 1.0, 1.0, quick=False)
    counts = Counter((c.design, str(c.format)) for c in found)
    assert counts == {
        ("daemon", "720p h264"): 5,
        ("detector", "720p h264"): 5,
        ("bare", "720p h264"): 5,
        ("daemon", "1080p h264"): 3,
        ("daemon", "720p h265"): 2,
        ("daemon", "1080p h265"): 3,
        ("opencv loop", "720p h264"): 2,
        ("process each", "720p h264"): 2,
    }
    assert len({c.name for c in found}) == len(found)


@pytest.mark.parametrize(("cameras", "goal"), [(8, 0.90), (16, 0.85)])
def test_of_a_cell_a_share_of_its_limit_is_asked(cameras: int, goal: float) -> None:
    one = cell(cameras)
    measured = rounds_of(one.name, efficiency=goal - 0.01, worst_p95=500.0)
    verdicts = {g.verdict(measured).name: g.verdict(measured) for g in goals_of(one, 0.5)}
    assert verdicts[f"{one.name}: efficiency"].goal == goal
    assert not verdicts[f"{one.name}: efficiency"].met
    assert verdicts[f"{one.name}: p95 age of the worst lane"].met


def test_where_decoding_leaves_too_little_key_frames_and_a_word_are_asked_for() -> None:
    one = cell(16, 1080)
    measured = rounds_of(one.name, worst_p95=501.0, told_short=0.0, least=0.45, rss=591.0)
    verdicts = [goal.verdict(measured) for goal in goals_of(one, 0.81)]
    assert [v.name.removeprefix(f"{one.name}: ").split()[0] for v in verdicts] == [
        "p95",
        "whether",
        "results/s",
        "memory",
    ]
    assert [v.met for v in verdicts] == [False, False, True, False]


def test_nothing_is_asked_of_a_baseline() -> None:
    assert goals_of(cell(design="opencv loop"), 0.0) == []


def test_goals_are_of_metrics_that_a_scenario_has_units_for() -> None:
    assert GOALS.keys() == SCENARIOS.keys()
    for name, goals in GOALS.items():
        sample = dict.fromkeys(UNITS, 0.0)
        measured = Rounds(UNITS, (Round({name: sample}, Load(1.0, 1.0, 0.0)),))
        assert all(goal.verdict(measured).measured == 0.0 for goal in goals)


def test_a_table_has_a_line_for_each_cell_and_leaves_out_what_was_not_measured() -> None:
    one = cell()
    measured = rounds_of(one.name, results=59.5, k=1.75)
    lines = table_of(measured, {one.name: Counter({"{'all frames': 4}": 1})})
    assert lines[1].split() == ["daemon,", "4", "x", "720p", "h264", "59.5", "1.75"]
    assert lines[-1] == f"  {one.name}: {{'all frames': 4}}"


@pytest.mark.long
@pytest.mark.usefixtures("demo_store")
def test_it_runs() -> None:
    command = [sys.executable, "-m", "benchmarks.video", "--quick", "--only", "1 x 720p"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for design in ("daemon", "detector", "bare", "opencv loop", "process each"):
        assert f"\n{design}, 1 x 720p h264  " in done.stdout
