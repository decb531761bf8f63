"""How fast models are, measured for real and told by children."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.clock import SystemClock
from appliance.inference import bench, choosing, providers
from appliance.inference.bench import Row, rows
from appliance.inference.catalog import ModelCard
from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import family_of
from appliance.inference.metadata import Facts
from appliance.inference.providers import Choice
from appliance.inference.rating import Cell, Rate, rate
from appliance.inference.resolution import Resolved
from appliance.inference.session import CPU, OPENVINO
from appliance.inference.store import Store

RATE = '{"results_s": 20.0, "p50_ms": 50.0, "memory_mib": 30}'


@pytest.fixture
def model(onnx_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """A model on a machine with OpenVINO, two cores and bf16, where bf16 is chosen."""
    monkeypatch.setattr(providers, "available_providers", lambda: [OPENVINO, CPU])
    monkeypatch.setattr(bench, "has_bf16", lambda: True)
    monkeypatch.setattr(bench, "cores", lambda: 2)
    choice = Choice(OPENVINO, "bf16")
    monkeypatch.setattr(choosing, "choose_provider", lambda *_, **__: choice)
    path = onnx_file()
    card = ModelCard(name="m", file=path, family="classification")
    facts = Facts(inputs={}, outputs={})
    family = family_of("classification")
    return Resolved(card, path, "0" * 64, facts, family, Form((300, 300)), ())


def told(model: Resolved, tmp_path: Path, code: str) -> list[Row]:
    start = (
        "import json, os, sys\ncell = json.loads(sys.argv[1])\n"
        f"openvino = cell['provider'] == {OPENVINO!r}\n"
    )
    return list(rows(model, Store(tmp_path), 0.1, (sys.executable, "-c", start + code)))


def test_each_variant_is_measured_for_one_caller_and_for_as_many_as_cores(
    model: Resolved, tmp_path: Path
) -> None:
    found = told(model, tmp_path, f"print({RATE!r})")
    cells = [(row.variant.provider, row.variant.name, row.callers, row.used) for row in found]
    assert cells == [
        (OPENVINO, "fp32", 1, False),
        (OPENVINO, "fp32", 2, False),
        (OPENVINO, "bf16", 1, True),
        (OPENVINO, "bf16", 2, True),
        (CPU, "fp32", 1, False),
        (CPU, "fp32", 2, False),
    ]
    assert {row.rate for row in found} == {Rate(results_s=20.0, p50_ms=50.0, memory_mib=30)}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.abort()", "it crashed (SIGABRT)"),
        ("sys.exit('no kernel')", "no kernel"),
        ("pass", "it gave no rate"),
    ],
)
def test_a_variant_that_fails_is_a_row_with_the_reason(
    model: Resolved, tmp_path: Path, code: str, reason: str
) -> None:
    found = told(model, tmp_path, f"if openvino: {code}\nelse: print({RATE!r})")
    assert [(row.variant.name, row.reason) for row in found if row.rate is None] == [
        ("fp32", reason),
        ("bf16", reason),
    ]
    assert len(found) == 4


def test_a_model_for_which_there_is_no_memory_is_not_tried(
    model: Resolved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "free_mib", lambda: 10)
    (first, *_) = told(model, tmp_path, f"print({RATE!r})")
    assert (first.rate, first.reason[-11:]) == (None, "10 are free")


def test_a_real_model_gives_results_to_two_callers(onnx_file: Callable[..., Path]) -> None:
    cell = Cell(
        model=onnx_file(),
        provider=CPU,
        precision="fp32",
        form=Form((300, 300)),
        callers=2,
        seconds=0.2,
    )
    found = rate(cell, SystemClock())
    assert found.results_s > 10
    assert found.p50_ms > 0
