"""Int8 copies, made for real of a small model."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx.parser
import pytest

from appliance.inference import quantization
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.children import child
from appliance.inference.choosing import choose, file_of
from appliance.inference.packages import FetchError
from appliance.inference.probe import is_quantized
from appliance.inference.quantization import pictures_in, quantize, quantized
from appliance.inference.resolution import Resolved
from appliance.inference.resolution import resolved as resolution
from appliance.inference.sampling import picture
from appliance.inference.session import CPU, Session
from appliance.inference.store import Store

LABELS = ("dark", "light", "other")
ADDS_NOTHING = """
    g (int64[1, 2] orig_target_sizes, float[1, 3] bare) => (float[1, 3] scores) {
        sizes = Cast <to = 1> (orig_target_sizes)
        sum = ReduceSum <keepdims = 1> (sizes)
        none = Sub (sum, sum)
        scores = Add (bare, none)
    }"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    pixels = picture().planes[0]
    for number in range(12):
        cut = pixels[number * 10 : 300 + number * 10, number * 20 : 300 + number * 20]
        assert cv2.imwrite(str(folder / f"{number:02}.png"), cut)
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """A classifier of 3 labels: two convolutions and a mean."""
    text = """
        <ir_version: 8, opset_import: ["": 17]>
        g (float[1, 3, 32, 32] image) => (float[1, 3] scores)
        <float[16, 3, 3, 3] w1, float[16] b1, float[3, 16, 3, 3] w2, float[3] b2>
        {
            a = Conv <pads = [1, 1, 1, 1]> (image, w1, b1)
            b = Relu (a)
            c = Conv <pads = [1, 1, 1, 1]> (b, w2, b2)
            d = GlobalAveragePool (c)
            scores = Flatten (d)
        }"""
    parsed = onnx.parser.parse_model(text)
    rng = np.random.default_rng(0)
    for name, shape in (("w1", (16, 3, 3, 3)), ("b1", (16,)), ("w2", (3, 16, 3, 3)), ("b2", (3,))):
        values = rng.normal(0, 0.4, shape).astype(np.float32)
        kept = [tensor for tensor in parsed.graph.initializer if tensor.name != name]
        del parsed.graph.initializer[:]
        parsed.graph.initializer.extend([*kept, onnx.numpy_helper.from_array(values, name)])
    root = tmp_path_factory.mktemp("model")
    onnx.save(parsed, root / "m.onnx")
    card = ModelCard(name="m", file=root / "m.onnx", family="classification", labels=LABELS)
    return resolution(card, Store(root / "state"))


def said(_sentence: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, model: Resolved, samples: Path) -> Store:
    """A store with the int8 copy in it."""
    store = Store(tmp_path_factory.mktemp("store"))
    quantize(model, pictures_in(samples), store, said)
    return store


def test_the_copy_is_kept_by_its_checksum_with_what_was_measured(
    model: Resolved, store: Store
) -> None:
    copy = quantized(model.sha256, store)
    assert copy is not None
    assert copy.path == store.model_path(copy.sha256)
    assert copy.record.source == model.sha256
    assert (copy.record.measure, copy.record.samples) == ("same first label", 12)
    assert copy.record.agreement >= 0.9
    assert copy.record.fp32_ms > 0 < copy.record.int8_ms


def test_convolutions_compute_in_8_bits_with_weights_scaled_by_channel(
    model: Resolved, store: Store
) -> None:
    copy = quantized(model.sha256, store)
    assert copy is not None
    assert is_quantized(copy.path)
    assert not is_quantized(model.path)
    graph = onnx.load(copy.path).graph
    made = {output: node for node in graph.node for output in node.output}
    values = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 2
    for node, channels in zip(convolutions, (16, 3), strict=True):
        pixels, weights = (made[name] for name in node.input[:2])
        assert {pixels.op_type, weights.op_type} == {"DequantizeLinear"}
        assert list(values[weights.input[1]].dims) == [channels]
        assert values[weights.input[0]].data_type == onnx.TensorProto.INT8
        assert values[pixels.input[2]].data_type == onnx.TensorProto.UINT8


def test_the_copy_gives_nearly_what_the_model_gives(model: Resolved, store: Store) -> None:
    copy = quantized(model.sha256, store)
    assert copy is not None
    tensor = np.random.default_rng(1).random((1, 3, 32, 32), np.float32)
    ours, theirs = (Session(path, CPU).run(tensor)["scores"] for path in (copy.path, model.path))
    assert not np.array_equal(ours, theirs)
    np.testing.assert_allclose(ours, theirs, atol=0.1)


def test_a_card_that_says_int8_gets_the_copy(model: Resolved, store: Store) -> None:
    card = model.card.model_copy(update={"precision": "int8"})
    file, choice = choose(replace(model, card=card), store)
    copy = quantized(model.sha256, store)
    assert copy is not None
    assert file.sha256 == copy.sha256
    assert (file.front, file.shape) == (True, (1, 32, 32, 3))
    assert choice.precision == "fp32"
    assert is_quantized(file.path)


def test_a_model_that_is_read_in_numbers_has_no_front(model: Resolved, store: Store) -> None:
    file = file_of(model, store, fewer=False, raw=True)
    assert file is not None
    assert (file.path, file.front, file.shape) == (model.path, False, (1, 3, 32, 32))


def test_a_card_that_says_int8_where_no_copy_was_made_is_refused(
    model: Resolved, tmp_path: Path
) -> None:
    card = model.card.model_copy(update={"precision": "int8"})
    with pytest.raises(ModelError, match=r"^m: there is no int8 file of it: make one with"):
        choose(replace(model, card=card), Store(tmp_path))


def test_a_copy_that_is_damaged_is_not_used(model: Resolved, store: Store, tmp_path: Path) -> None:
    copy = quantized(model.sha256, store)
    assert copy is not None
    other = Store(tmp_path)
    other.written(tmp_path / "quantized" / f"{model.sha256}.json", copy.record.model_dump_json())
    with pytest.raises(ModelError, match=r"its int8 file .* is missing or damaged"):
        quantized(model.sha256, other)
    other.written(other.model_path(copy.sha256), "not what it was")
    with pytest.raises(ModelError, match="make it again"):
        quantized(model.sha256, other)


def test_a_model_that_asks_for_the_size_of_the_image_is_made_of_the_image_alone(
    model: Resolved, samples: Path, tmp_path: Path
) -> None:
    asking = onnx.load(model.path)
    size = onnx.helper.make_tensor_value_info("orig_target_sizes", onnx.TensorProto.INT64, (1, 2))
    asking.graph.input.append(size)
    asking.graph.node[-1].output[0] = "bare"
    asking.graph.node.extend(onnx.parser.parse_graph(ADDS_NOTHING).node)
    onnx.save(asking, tmp_path / "asking.onnx")
    card = ModelCard(
        name="asking", file=tmp_path / "asking.onnx", family="classification", labels=LABELS
    )
    store = Store(tmp_path / "state")
    record = quantize(resolution(card, store), pictures_in(samples), store, said)
    assert record.agreement >= 0.9


def test_a_report_alone_keeps_nothing(model: Resolved, samples: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    record = quantize(model, pictures_in(samples), store, said, keep=False)
    assert record.samples == 12
    assert quantized(model.sha256, store) is None
    assert not store.model_path(record.sha256).exists()
    assert not list(store.root.glob(".fetch-*"))


def test_pictures_are_those_that_can_be_read(samples: Path) -> None:
    assert [path.name for path in pictures_in(samples)] == [f"{n:02}.png" for n in range(12)]


@pytest.mark.parametrize("name", ["empty", "not-there"])
def test_a_folder_without_pictures_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=name):
        pictures_in(tmp_path / name)


def test_a_model_that_cannot_be_quantized_says_why(
    model: Resolved, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "QUANTIZE", child("no_such_program"))
    with pytest.raises(ModelError, match=r"m: it cannot be quantized: .*no_such_program"):
        quantize(model, pictures_in(samples), Store(tmp_path), said)


def test_where_onnx_is_missing_it_is_asked_for_and_without_a_network_that_is_said(
    model: Resolved, samples: Path, tmp_path: Path, no_network: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.inference.quantization.find_spec", lambda name: None)
    told: list[str] = []
    with pytest.raises(FetchError, match=r"installing what the quantization needs .onnx. failed"):
        quantize(model, pictures_in(samples), Store(tmp_path), told.append)
    assert told == ["downloading onnx for the quantization (40 MB, removed afterwards)"]
    assert not list(tmp_path.glob(".fetch-*"))
