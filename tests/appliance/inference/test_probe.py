"""The probe as the program that it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.inference.catalog import load_catalog
from appliance.inference.probe import try_provider
from appliance.inference.session import CPU, available_providers
from appliance.inference.store import Store

ROOT = Path(__file__).parents[3]


def probe(model: Path, provider: str) -> subprocess.CompletedProcess[str]:
    arguments = [str(model), provider, "1,3,300,300"]
    command = [sys.executable, "-m", "appliance.inference.probe", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.network
def test_a_model_that_runs_ends_the_probe_well(demo_store: Store) -> None:
    done = probe(demo_store.path(load_catalog()["people-ssdlite"]), available_providers()[0])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.network
def test_a_provider_that_runs_the_model_as_expected_has_nothing_against_it(
    demo_store: Store,
) -> None:
    model = demo_store.path(load_catalog()["people-ssdlite"])
    assert try_provider(model, CPU, (1, 3, 300, 300)) == ""


def test_a_file_that_is_no_model_ends_the_probe_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    done = probe(tmp_path / "x.onnx", CPU)
    assert done.returncode == 1
    assert "x.onnx failed" in done.stderr.strip().splitlines()[-1]
