"""Models on onnxruntime, for real."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from appliance.inference.catalog import load_catalog
from appliance.inference.precision import difference, has_bf16
from appliance.inference.session import (
    CPU,
    CUDA,
    NICENESS,
    OPENVINO,
    TENSORRT,
    Session,
    available_providers,
    cores,
    streams_for,
    streams_on,
)
from appliance.inference.store import Store


@pytest.fixture(scope="module")
def model(demo_store: Store) -> Path:
    return demo_store.path(load_catalog()["people-ssdlite"])


def test_onnxruntimes_own_provider_is_always_there_and_last() -> None:
    assert available_providers()[-1] == CPU


def test_a_graphics_card_has_one_stream() -> None:
    assert [streams_on(provider, 9) for provider in (CUDA, TENSORRT)] == [1, 1]
    assert [streams_on(provider, 9) for provider in (OPENVINO, CPU)] == [streams_for(9)] * 2


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
    said = "it takes 1 x 3 x 300 x 300 of float32, and was given 1 x 3 x 10 x 10 of float32"
    with pytest.raises(ValueError, match=said):
        session.run(np.zeros((1, 3, 10, 10), np.float32))
    assert session.run(np.zeros((1, 3, 300, 300), np.float32))["boxes"].shape == (1, 1917, 4)


def test_a_model_that_takes_bytes_is_given_bytes_only(onnx_file: Callable[..., Path]) -> None:
    session = Session(onnx_file(element=2), CPU)
    assert session.input_type == "tensor(uint8)"
    pixels = np.full((1, 3, 300, 300), 200, np.uint8)
    assert session.run(pixels)["same"].max() == 200
    with pytest.raises(ValueError, match=r"of uint8, and was given .* of float32"):
        session.run(pixels.astype(np.float32))


def test_an_axis_without_a_size_takes_any_and_is_shown_as_a_word(tmp_path: Path) -> None:
    path = tmp_path / "any.onnx"
    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 8, opset_import: ["": 17]> g (float[?, 3, height, 4] x) =>'
            " (float[?, 3, height, 4] y) { y = Relu(x) }"
        ),
        path,
    )
    session = Session(path, CPU)
    assert session.input_shape == ("?", 3, "height", 4)
    assert session.run(np.ones((2, 3, 5, 4), np.float32))["y"].shape == (2, 3, 5, 4)
    with pytest.raises(ValueError, match=r"takes \? x 3 x height x 4 of float32"):
        session.run(np.ones((2, 3, 5, 5), np.float32))
    with pytest.raises(ValueError, match="was given 2 x 3 of float32"):
        session.run(np.ones((2, 3), np.float32))


def test_a_session_has_as_many_streams_as_callers_but_never_more_than_cores(
    onnx_file: Callable[..., Path],
) -> None:
    assert streams_for(0) == streams_for(1) == 1
    assert streams_for(10**6) == cores()
    session = Session(onnx_file(), CPU)
    other = session.with_callers(10**6)
    assert (session.streams, other.streams) == (1, cores())
    tensor = np.ones((1, 3, 300, 300), np.float32)
    assert np.array_equal(session.run(tensor)["same"], other.run(tensor)["same"])


def test_only_openvino_computes_in_bf16(onnx_file: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="CPU does not compute in bf16 here"):
        Session(onnx_file(), CPU, precision="bf16")


@pytest.mark.network
@pytest.mark.skipif(not has_bf16(), reason="needs a processor that computes in bf16")
@pytest.mark.skipif(OPENVINO not in available_providers(), reason="needs OpenVINO")
def test_bf16_rounds_but_finds_the_same(model: Path) -> None:
    tensor = np.random.default_rng(1).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    fewer, plain = Session(model, OPENVINO, precision="bf16"), Session(model, OPENVINO)
    off, _ = difference(fewer.with_callers(2).run(tensor), plain.run(tensor))
    assert 1e-4 < off < 0.02


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
