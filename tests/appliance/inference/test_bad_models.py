"""Bad model files: each is refused with a sentence, and harms nobody else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import pytest

from appliance.inference.catalog import ModelCard, ModelError, load_catalog
from appliance.inference.models import Models
from appliance.inference.session import available_providers
from appliance.inference.store import Store
from blocks.data import Image

PICTURE = Image.from_bgr(np.full((64, 64, 3), 90, np.uint8))
LABELS = ("cat", "dog")
IMAGE = "float[1,3,32,32] image"
TABLE = "float[1,6,20] out"
# A table of one box: centre, size, and the scores of two classes; the other boxes are not sure.
BODY = """
    column = Constant<value = float[1,6,1] {16, 16, 8, 8, 0.9, 0.1}>()
    unsure = Constant<value = float[1,6,1] {0, 0, 1, 1, 0, 0}>()
    shape = Constant<value = int64[3] {1, 6, 19}>()
    others = Expand(unsure, shape)
    all = Concat<axis = 2>(column, others)
    rows = ReduceMean<axes = [3], keepdims = 0>(image)
    mean = ReduceMean<axes = [1, 2], keepdims = 1>(rows)
    zero = Constant<value = float {0}>()
    nothing = Mul(mean, zero)
    out = Add(all, nothing)
"""
Write = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a model of onnx's own text form, by default one that finds a cat in any image."""

    def write(
        inputs: str = IMAGE,
        outputs: str = TABLE,
        body: str = BODY,
        head: str = 'ir_version: 8, opset_import: ["": 17, "com.example": 1]',
        name: str = "model",
    ) -> Path:
        model = onnx.parser.parse_model(f"<{head}> {name} ({inputs}) => ({outputs}) {{ {body} }}")
        onnx.save(model, tmp_path / f"{name}.onnx")
        return tmp_path / f"{name}.onnx"

    return write


Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store for all of these tests, so that the good model is tried on each provider once."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def refusal(written: Write, state: Path) -> Refusal:
    """Uses a bad model beside a good one: the sentence it is refused with."""
    good = ModelCard(name="good", file=written(name="good"), family="yolo", labels=LABELS)

    def use(bad: Path, **said: Any) -> str:
        card = ModelCard.model_validate(
            {"name": "bad", "file": bad, "family": "yolo", "labels": LABELS, **said}
        )
        models = Models(Store(state), {"bad": card, "good": good})
        assert models.detector("good").detect(PICTURE).label.tolist() == ["cat"]
        sentences = set()
        for _ in range(2):
            with pytest.raises(ModelError) as caught:
                models.detector("bad").detect(PICTURE)
            sentences.add(str(caught.value))
        assert models.detector("good").detect(PICTURE).label.tolist() == ["cat"]
        # The second time it is refused as the first.
        (sentence,) = sentences
        assert sentence.startswith("bad: ")
        assert "\n" not in sentence
        assert not re.search(r"Traceback|Error\b|\.cc:\d+|0x[0-9a-f]{6}", sentence), sentence
        assert len(sentence) < 400
        return sentence

    return use


def test_a_file_that_is_cut_off(refusal: Refusal, demo_store: Store, tmp_path: Path) -> None:
    full = demo_store.path(load_catalog()["people-ssdlite"]).read_bytes()
    for share in (0.001, 0.4, 0.9999):
        (tmp_path / "cut.onnx").write_bytes(full[: int(len(full) * share)])
        assert "is cut off, or damaged: copy or download it again" in refusal(tmp_path / "cut.onnx")


def test_a_file_with_another_checksum(refusal: Refusal, written: Write) -> None:
    assert "its checksum is not the expected" in refusal(written(), sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04\x14\0\0\0", "is no ONNX file, but a zip archive"),
        (b"<html>404 Not Found</html>", "is no ONNX file, but a web page"),
        (b"just some words", "is no ONNX file"),
        (bytes(range(256)) * 20, "is no ONNX file"),
    ],
)
def test_what_is_no_model(refusal: Refusal, tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    assert why in refusal(tmp_path / "file.onnx")


def test_a_folder_and_what_is_not_there(refusal: Refusal, tmp_path: Path) -> None:
    assert f"there is no file {tmp_path}" in refusal(tmp_path)
    assert f"there is no file {tmp_path}/none.onnx" in refusal(tmp_path / "none.onnx")


def test_outputs_of_a_shape_that_nobody_knows(refusal: Refusal, written: Write) -> None:
    bad = written(outputs="float[1,3,4,8,32] out", body=SHAPED)
    assert "outputs are of no family known: out" in refusal(bad, family=None)
    assert "out" in refusal(bad)


SHAPED = """
    shape = Constant<value = int64[5] {1, 3, 4, 8, 32}>()
    out = Reshape(image, shape)
"""


def test_labels_that_are_more_or_fewer_than_the_classes(refusal: Refusal, written: Write) -> None:
    assert "labels" in refusal(written(), labels=("cat",))
    assert "labels" in refusal(written(), labels=("cat", "dog", "horse"))


def test_weights_in_a_second_file_that_is_not_there(
    refusal: Refusal, written: Write, tmp_path: Path
) -> None:
    path = written(inputs=f"{IMAGE}, float[1,6,20] all", body="out = Identity(all)")
    model = onnx.load(path)
    weight = onnx.numpy_helper.from_array(np.zeros((1, 6, 20), np.float32), "all")
    model.graph.initializer.append(weight)
    del model.graph.input[1]
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    assert "keeps weights in a second file, w.bin, which is not beside it" in refusal(path)


def test_operators_of_somebodys_own(refusal: Refusal, written: Write) -> None:
    bad = written(body=f"{BODY.replace('out =', 'sum =')} out = com.example.Decode(sum)")
    assert "Decode of com.example" in refusal(bad)


def test_operators_that_do_not_exist(refusal: Refusal, written: Write) -> None:
    bad = written(body=f"{BODY.replace('out =', 'sum =')} out = Decode(sum)")
    assert "Decode" in refusal(bad)


def test_a_graph_that_does_not_hold_together(refusal: Refusal, written: Write) -> None:
    bad = written(body="out = Add(image, nowhere)")
    assert str(bad) in refusal(bad)


def test_a_file_that_is_too_new(refusal: Refusal, written: Write) -> None:
    bad = written(head='ir_version: 8, opset_import: ["": 99]')
    assert "operators of version 99" in refusal(bad)


def test_a_model_of_sound(refusal: Refusal, written: Write) -> None:
    body = "shape = Constant<value = int64[3] {1, 6, 20}>() out = Reshape(sound, shape)"
    bad = written("float[1,120] sound", body=body)
    assert "takes no single image: its inputs are sound of 2 axes" in refusal(bad)


def test_a_model_that_takes_grey_pictures(refusal: Refusal, written: Write) -> None:
    assert "three colours" in refusal(written("float[1,1,32,32] image"))


def test_axes_of_any_size_are_asked_for(refusal: Refusal, written: Write) -> None:
    assert "say which with `size`" in refusal(written("float[1,3,h,w] image"))


def free(path: Path, state: Path, *providers: str) -> Models:
    card = ModelCard.model_validate(
        {
            "name": "free",
            "file": path,
            "family": "yolo",
            "labels": LABELS,
            "input": {"size": (32, 32)},
            "providers": providers,
        }
    )
    return Models(Store(state), {"free": card})


def test_with_a_size_they_work(written: Write, tmp_path: Path) -> None:
    path = written("float[N,3,h,w] image", outputs="float[N,6,20] out")
    found = free(path, tmp_path).detector("free").detect(PICTURE)
    assert found.label.tolist() == ["cat"]
    assert found.xyxy.tolist() == [[24.0, 24.0, 40.0, 40.0]]


@pytest.mark.parametrize(
    "provider",
    available_providers(),
)
def test_a_batch_that_is_only_said_to_be_free(
    written: Write, tmp_path: Path, provider: str
) -> None:
    # Of four images there would be four sums, which fit no table of twenty.
    body = BODY.replace("mean = ReduceMean<axes = [1, 2], keepdims = 1>(rows)", ONLY_ONE)
    path = written("float[N,3,32,32] image", outputs="float[N,6,20] out", body=body)
    found = free(path, tmp_path, provider).detector("free")
    for _ in range(3):
        assert found.detect(PICTURE).label.tolist() == ["cat"]
    assert [len(each) for each in found.detect_many([PICTURE] * 5)] == [1] * 5


ONLY_ONE = "mean = ReduceMean<axes = [1, 2], keepdims = 0>(rows)"


def test_a_size_that_the_file_does_not_take(refusal: Refusal, written: Write) -> None:
    sentence = refusal(written(), input={"size": (64, 48)})
    assert "takes 32 x 32, not the 64 x 48 that is said" in sentence


def test_a_model_that_needs_more_memory_than_any_machine_has(
    refusal: Refusal, written: Write
) -> None:
    # 4 TiB of zeros, made when it runs: what there is of the image decides how many, so that
    # nobody can work it out before.
    body = """
        count = Constant<value = int64[1] {1099511627776}>()
        here = Shape<start = 0, end = 1>(image)
        size = Mul(count, here)
        zeros = ConstantOfShape(size)
        much = ReduceMean<axes = [0], keepdims = 0>(zeros)
    """
    bad = written(
        "float[1,3,32,32] image", body=body + BODY.replace("nothing = Mul(mean, zero)", HUGE)
    )
    assert refusal(bad)


HUGE = "much_less = Mul(much, zero) nothing = Mul(mean, much_less)"


def test_numbers_that_are_none_are_no_finds(written: Write, tmp_path: Path) -> None:
    path = written(
        body=BODY.replace("out = Add(all, nothing)", "nan = Div(zero, zero) out = Add(all, nan)")
    )
    card = ModelCard(name="nan", file=path, family="yolo", labels=LABELS)
    assert len(Models(Store(tmp_path), {"nan": card}).detector("nan").detect(PICTURE)) == 0


def attention(path: Path) -> None:
    """Two layers of attention over an image, as they crash OpenVINO 2025.4 when it loads them."""
    chance = np.random.default_rng(seed=1)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(onnx.helper.make_node(operator, inputs, [f"v{len(nodes)}"], **attributes))
        return f"v{len(nodes) - 1}"

    def constant(values: Any) -> str:
        weights.append(onnx.numpy_helper.from_array(np.asarray(values), f"w{len(weights)}"))
        return f"w{len(weights) - 1}"

    def linear(value: str) -> str:
        made = add("MatMul", value, constant(chance.normal(0, 0.1, (64, 64)).astype(np.float32)))
        return add("Add", made, constant(np.zeros(64, np.float32)))

    image = add("Conv", "image", constant(np.full((64, 3, 8, 8), 0.01, np.float32)), strides=[8, 8])
    tokens = add("Reshape", image, constant(np.array([1, 64, 16])))
    tokens = add("Transpose", tokens, perm=[0, 2, 1])
    asking = constant(chance.normal(0, 1, (1, 8, 64)).astype(np.float32))
    for _ in range(2):
        keys = add("Transpose", linear(tokens), perm=[0, 2, 1])
        likeness = add("MatMul", linear(asking), keys)
        likeness = add("Mul", likeness, constant(np.float32(0.125)))
        found = add("MatMul", add("Softmax", likeness, axis=-1), linear(tokens))
        asking = add("Add", asking, found)
    table = add("Transpose", asking, perm=[0, 2, 1])
    nodes.append(onnx.helper.make_node("Sigmoid", [table], ["out"]))
    given = onnx.helper.make_tensor_value_info("image", 1, [1, 3, 32, 32])
    outcome = onnx.helper.make_tensor_value_info("out", 1, [1, 64, 8])
    graph = onnx.helper.make_graph(nodes, "attention", [given], [outcome], weights)
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


def test_a_model_that_crashes_a_provider_runs_on_another(tmp_path: Path) -> None:
    attention(path := tmp_path / "attention.onnx")
    labels = tuple(f"thing {number}" for number in range(60))
    card = ModelCard(name="attention", file=path, family="yolo", labels=labels, confidence=0.0)
    models = Models(Store(tmp_path / "state"), {"attention": card})
    assert len(models.detector("attention").detect(PICTURE)) > 0
