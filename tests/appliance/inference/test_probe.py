"""The probe: in this process, and as the program that it is."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest

from appliance.clock import SystemClock
from appliance.inference.catalog import load_catalog
from appliance.inference.families.fitting import Form
from appliance.inference.probe import Measured, Trial, UnlikeError, carry_out
from appliance.inference.session import CPU, OPENVINO, Session, available_providers
from appliance.inference.store import Store

ROOT = Path(__file__).parents[3]
SHAPE = (1, 3, 300, 300)
needs_openvino = pytest.mark.skipif(OPENVINO not in available_providers(), reason="needs OpenVINO")


def probe(trial: Trial) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.inference.probe", trial.model_dump_json()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.network
def test_a_model_that_runs_ends_the_probe_well(demo_store: Store) -> None:
    model = demo_store.path(load_catalog()["people-ssdlite"])
    trial = Trial(model=model, provider=CPU, shape=SHAPE, form=Form((300, 300)))
    done = probe(trial)
    assert (done.returncode, done.stderr) == (0, "")
    measured = Measured.model_validate_json(done.stdout.strip().splitlines()[-1])
    assert measured.result_ms > 0
    # Its weights alone are 12 MB.
    assert 10 < measured.memory_mib < 500


@pytest.mark.network
@needs_openvino
def test_a_provider_is_held_against_another(demo_store: Store) -> None:
    model = demo_store.path(load_catalog()["people-ssdlite"])
    trial = Trial(model=model, provider=OPENVINO, shape=SHAPE, form=Form((300, 300)), reference=CPU)
    measured = carry_out(trial, SystemClock())
    assert measured.difference < 0.001
    assert measured.output in ("boxes", "scores")
    assert measured.reference_ms > 0


def test_a_provider_that_gives_something_else_is_refused(
    onnx_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Session.run
    runs = []

    def other(self: Session, tensor: object) -> object:
        runs.append(tensor)
        found = dict(run(self, tensor))  # type: ignore[arg-type] # handed through
        return found if len(runs) > 1 else {name: values * 2 for name, values in found.items()}

    monkeypatch.setattr(Session, "run", other)
    trial = Trial(model=onnx_file(), provider=CPU, shape=SHAPE, reference=CPU)
    with pytest.raises(UnlikeError, match="the output same differs from that on CPU"):
        carry_out(trial, SystemClock())


def test_a_file_that_is_no_model_ends_the_probe_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    done = probe(Trial(model=tmp_path / "x.onnx", provider=CPU, shape=SHAPE))
    assert done.returncode == 1
    assert "x.onnx failed" in done.stderr.strip().splitlines()[-1]


def test_a_model_that_takes_more_than_it_may_fails_and_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "greedy.onnx"
    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 17]> g (float[1, 3, 8, 8] x) => (float y)'
            " <int64[1] shape = {1000000000}>"
            " { all = ConstantOfShape(shape) y = ReduceSum<keepdims = 0>(all) }"
        ),
        path,
    )
    trial = Trial(model=path, provider=CPU, shape=(1, 3, 8, 8), memory_mib=100)
    done = probe(trial)
    assert done.returncode != 0
    assert "allocate" in done.stderr or "bad_alloc" in done.stderr
