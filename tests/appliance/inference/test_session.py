"""Models on onnxruntime, for real."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance.inference.catalog import load_catalog
from appliance.inference.session import (
    CPU,
    NICENESS,
    OPENVINO,
    Session,
    available_providers,
    cores,
)
from appliance.inference.store import Store


@pytest.fixture(scope="module")
def model(demo_store: Store) -> Path:
    return demo_store.path(load_catalog()["people-ssdlite"])


def test_onnxruntimes_own_provider_is_always_there_and_last() -> None:
    assert available_providers()[-1] == CPU


def test_there_is_a_core_to_run_on() -> None:
    assert cores() >= 1


@pytest.mark.network
@pytest.mark.skipif(OPENVINO not in available_providers(), reason="needs OpenVINO")
def test_both_providers_find_the_same(model: Path) -> None:
    tensor = np.random.default_rng(1).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    ours, theirs = (Session(model, provider).run(tensor) for provider in (OPENVINO, CPU))
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=0.02)


@pytest.mark.network
def test_a_session_knows_what_it_takes_and_gives(model: Path) -> None:
    session = Session(model, CPU)
    assert session.provider == CPU
    assert session.input_shape == (1, 3, 300, 300)
    assert session.input_type == "tensor(float)"
    assert set(session.output_shapes) == {"boxes", "scores"}


@pytest.mark.network
def test_an_input_of_another_shape_is_refused_and_not_tried_elsewhere(model: Path) -> None:
    session = Session(model, CPU)
    with pytest.raises(Exception, match="dimension"):
        session.run(np.zeros((1, 3, 10, 10), np.float32))
    assert session.run(np.zeros((1, 3, 300, 300), np.float32))["boxes"].shape == (1, 1917, 4)


def test_a_model_of_two_inputs_is_refused(onnx_file: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="it takes 2 inputs"):
        Session(onnx_file(inputs=("image", "size")), CPU)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(Exception, match=r"x\.onnx"):
        Session(tmp_path / "x.onnx", CPU)


@pytest.mark.network
@pytest.mark.skipif(OPENVINO not in available_providers(), reason="needs OpenVINO")
def test_the_threads_of_a_model_let_others_go_first(model: Path) -> None:
    before = {int(task.name) for task in Path("/proc/self/task").iterdir()}
    session = Session(model, OPENVINO, callers=2)
    session.run(np.zeros((1, 3, 300, 300), np.float32))
    made = {int(task.name) for task in Path("/proc/self/task").iterdir()} - before
    assert made
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert {os.getpriority(os.PRIO_PROCESS, task) for task in made} == {ours + NICENESS}
