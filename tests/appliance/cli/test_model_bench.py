"""`appliance models bench` as a user types it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from appliance.cli import model_bench
from appliance.inference.bench import Row, Variant
from appliance.inference.rating import Rate
from appliance.inference.session import CPU, OPENVINO
from tests.appliance.inference import tiny

Run = Callable[..., Result]
WORDS = ("--family", "classification", "--labels", "cat,dog")


def test_a_model_is_measured_where_it_can_run_and_what_is_used_is_marked(
    run: Run, tmp_path: Path
) -> None:
    run("models", "add", tiny.classifier(tmp_path / "pets.onnx"), *WORDS)
    result = run("models", "bench", "pets", "--seconds", "0.1")
    assert result.exit_code == 0, result.output
    head, *lines = result.stdout.splitlines()
    assert " ".join(head.split()) == "PROVIDER PRECISION CALLERS RESULTS/S P50 MS MEMORY MIB"
    rows = [line.split() for line in lines if line.startswith(("OpenVINO", "CPU"))]
    assert next(row[:3] for row in rows if row[0] == "CPU") == ["CPU", "fp32", "1"]
    assert all(float(row[3]) > 0 for row in rows)
    assert next(row[2] for row in rows if row[-1] == "used") == "1"
    assert len({tuple(row[:2]) for row in rows if row[-1] == "used"}) == 1


def test_the_table_says_what_was_measured_and_what_failed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*_: object) -> Iterator[Row]:
        variant = Variant(tmp_path, CPU, "fp32")
        rate = Rate(results_s=20.25, p50_ms=49.5, memory_mib=31)
        yield Row(variant, 1, used=True, rate=rate)
        yield Row(Variant(tmp_path, OPENVINO, "bf16"), 1, used=False, reason="it crashed (SIGSEGV)")

    monkeypatch.setattr(model_bench, "rows", found)
    run("models", "add", tiny.classifier(tmp_path / "pets.onnx"), *WORDS)
    assert run("models", "bench", "pets").stdout.splitlines() == [
        "PROVIDER  PRECISION  CALLERS  RESULTS/S  P50 MS  MEMORY MIB",
        "CPU       fp32             1       20.2   49.50          31  used",
        "OpenVINO  bf16" + " " * 47 + "not used: it crashed (SIGSEGV)",
    ]


def test_a_model_that_does_not_exist_is_refused(run: Run) -> None:
    result = run("models", "bench", "nothing-like-it")
    assert result.exit_code == 2
    assert "no model or clip called 'nothing-like-it'" in result.stderr
