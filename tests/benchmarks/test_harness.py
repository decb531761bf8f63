"""Rounds of variants in turns, and the command that runs them."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.harness import MISSED, Benchmark, Options, Variant, main, run_rounds, seconds
from benchmarks.machine import Reading
from benchmarks.samples import Goal, Values


class StepMeter:
    """Every reading is a second later; of two busy cores this program has one."""

    def __init__(self) -> None:
        self._readings = 0

    def read(self) -> Reading:
        self._readings += 1
        return Reading(float(self._readings), float(self._readings), 2.0 * self._readings)


class Workshop:
    """Three variants that write down when they are run, and when all is closed."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.options: Options | None = None

    def prepare(self, options: Options, stack: ExitStack) -> Sequence[Variant]:
        self.options = options
        stack.callback(self.log.append, "closed")
        return [self._variant(name, taking) for name, taking in (("a", 1.0), ("b", 2.0))]

    def _variant(self, name: str, taking: float) -> Variant:
        def measure() -> Values:
            self.log.append(name)
            return {"time": taking}

        return Variant(name, measure)

    def benchmark(self, limit: float) -> Benchmark:
        goal = Goal("b as a", lambda r: r["b", "time"] / r["a", "time"], "at most", limit)
        return Benchmark("shop", "work in a shop", {"time": "s"}, self.prepare, [goal], rounds=3)


def run(shop: Workshop, results: Path, *arguments: str, limit: float = 2.0) -> int:
    return main(shop.benchmark(limit), arguments, meter=StepMeter(), results=results)


def test_variants_warm_up_and_then_take_turns_at_being_first() -> None:
    shop = Workshop()
    variants = [shop._variant(name, 1.0) for name in "abc"]
    rounds = list(run_rounds(variants, 4, StepMeter()))
    assert "".join(shop.log) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert [list(each.samples) for each in rounds] == [["a", "b", "c"]] * 4


def test_each_round_knows_the_load_of_the_machine() -> None:
    (only,) = run_rounds([Workshop()._variant("a", 1.0)], 1, StepMeter())
    assert (only.load.wall_s, only.load.own_cores, only.load.other_cores) == (1.0, 1.0, 1.0)


def test_the_fastest_pass_counts() -> None:
    passes = []
    assert seconds(lambda: passes.append(1), passes=3) >= 0
    assert len(passes) == 3


def test_a_run_prints_the_table_and_writes_the_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Workshop()
    assert run(shop, tmp_path) == 0
    printed = capsys.readouterr()
    assert "shop: work in a shop" in printed.out
    assert "  met      b as a: 2.00 ± 0 times (at most 2)" in printed.out
    assert f"written to {tmp_path / 'shop.json'}" in printed.out
    assert "round 3 of 3" in printed.err
    data = json.loads((tmp_path / "shop.json").read_text("utf-8"))
    assert [each["samples"] for each in data["rounds"]] == [
        {"a": {"time": 1}, "b": {"time": 2}}
    ] * 3


def test_a_missed_goal_is_the_exit_status(tmp_path: Path) -> None:
    assert run(Workshop(), tmp_path, limit=1.9) == MISSED == 1
    assert json.loads((tmp_path / "shop.json").read_text("utf-8"))["goals"][0]["met"] is False


def test_a_quick_run_is_one_round_keeps_nothing_and_judges_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Workshop()
    assert run(shop, tmp_path, "--quick", limit=1.9) == 0
    assert shop.options == Options(rounds=1, quick=True)
    assert shop.log == [*"abab", "closed"]
    assert "these figures mean nothing" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_number_of_rounds_can_be_given(tmp_path: Path) -> None:
    shop = Workshop()
    run(shop, tmp_path, "--rounds", "5")
    assert shop.options == Options(rounds=5, quick=False)
    assert shop.log.count("a") == 1 + 5


@pytest.mark.parametrize("given", ["0", "-1", "many"])
def test_rounds_are_one_or_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    with pytest.raises(SystemExit):
        run(Workshop(), tmp_path, f"--rounds={given}")
    assert f"'{given}' is no number of rounds" in capsys.readouterr().err


def test_what_was_prepared_is_closed_even_if_a_variant_fails(tmp_path: Path) -> None:
    shop = Workshop()

    def prepare(options: Options, stack: ExitStack) -> Sequence[Variant]:
        shop.prepare(options, stack)
        return [Variant("broken", lambda: {"time": 1 / 0})]

    benchmark = Benchmark("shop", "broken", {"time": "s"}, prepare, [])
    with pytest.raises(ZeroDivisionError):
        main(benchmark, [], meter=StepMeter(), results=tmp_path)
    assert shop.log == ["closed"]
