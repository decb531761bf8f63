"""The table for people, and the JSON for later comparison."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.machine import Code, Load, Machine
from benchmarks.report import Measurement, number, text_of, write_json
from benchmarks.samples import Goal, Round, Rounds

SLOW_AND_FAST = [(4.0, 1.0), (5.0, 1.0), (60.0, 20.0)]


def measured(other_cores: float = 0.1) -> Measurement:
    rounds = tuple(
        Round({"slow": {"step": slow}, "fast": {"step": fast}}, Load(2.0, 1.0, other_cores))
        for slow, fast in SLOW_AND_FAST
    )
    found = Rounds({"step": "µs"}, rounds)
    goals = [
        Goal("times as slow", lambda r: r["slow", "step"] / r["fast", "step"], "at most", 4.5),
        Goal("a fast step", lambda r: r["fast", "step"], "at most", 0.5),
    ]
    return Measurement(
        name="walk",
        about="two ways to walk",
        began_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        machine=Machine("Abacus 9", 2, 7.8, "Debian, Linux 6"),
        code=Code("abc1234", modified=False),
        versions={"python": "3.11.7", "numpy": "2.4.6"},
        rounds=found,
        verdicts=[goal.verdict(found) for goal in goals],
    )


def test_the_text_says_what_was_measured_where_and_when() -> None:
    lines = text_of(measured()).splitlines()
    assert lines[:4] == [
        "walk: two ways to walk",
        "Abacus 9, 2 cores, 7.8 GiB, Debian, Linux 6",
        "2026-01-02 03:04 UTC, commit abc1234",
        "python 3.11.7, numpy 2.4.6",
    ]


def test_the_table_has_a_line_for_each_metric_of_each_variant() -> None:
    lines = text_of(measured()).splitlines()
    assert lines[5:8] == [
        "variant  metric  median     ±   low  high  unit",
        "slow     step      5.00  1.00  4.00  60.0  µs",
        "fast     step      1.00     0  1.00  20.0  µs",
    ]


def test_goals_are_met_or_not_met() -> None:
    lines = text_of(measured()).splitlines()
    assert lines[-2:] == [
        "  met      times as slow: 4.00 ± 1.00 times (at most 4.5)",
        "  NOT met  a fast step: 1.00 ± 0 µs (at most 0.5)",
    ]


def test_a_working_tree_with_changes_is_no_commit_alone() -> None:
    changed = replace(measured(), code=Code("abc1234", modified=True))
    assert "commit abc1234 with changes" in text_of(changed)
    assert "commit unknown" in text_of(replace(measured(), code=Code("", modified=False)))


@pytest.mark.parametrize(("other_cores", "noisy"), [(0.4, False), (0.41, True)])
def test_a_machine_that_did_much_else_is_called_noisy(other_cores: float, noisy: bool) -> None:
    text = text_of(measured(other_cores))
    assert "load: this program 1.00 cores, others 0.4" in text
    assert ("noisy" in text) is noisy


def test_the_json_holds_the_machine_all_samples_and_the_goals(tmp_path: Path) -> None:
    path = write_json(measured(), tmp_path / "made" / "for it")
    assert path == tmp_path / "made" / "for it" / "walk.json"
    data = json.loads(path.read_text("utf-8"))
    assert data["name"] == "walk"
    assert data["date"] == "2026-01-02T03:04:05+00:00"
    assert data["machine"]["cores"] == 2
    assert data["code"] == {"commit": "abc1234", "modified": False}
    assert data["versions"]["numpy"] == "2.4.6"
    samples = [(r["samples"]["slow"]["step"], r["samples"]["fast"]["step"]) for r in data["rounds"]]
    assert samples == SLOW_AND_FAST
    assert data["rounds"][0]["load"] == {"wall_s": 2.0, "own_cores": 1.0, "other_cores": 0.1}
    assert data["medians"][0] == {
        "variant": "slow",
        "metric": "step",
        "unit": "µs",
        "median": 5.0,
        "spread": 1.0,
    }
    assert data["goals"][0] == {
        "name": "times as slow",
        "bound": "at most",
        "goal": 4.5,
        "measured": 4.0,
        "unit": "times",
        "met": True,
        "spread": 1.0,
        "rounds": [4.0, 5.0, 3.0],
    }
    assert data["goals"][1]["met"] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.00012345, "0.000123"),
        (0.99951, "1.000"),
        (1.2345, "1.23"),
        (-12.345, "-12.3"),
        (123.45, "123"),
        (1234567.8, "1,234,568"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_three_digits_that_say_something(value: float, text: str) -> None:
    assert number(value) == text
