"""What stands in ONNX files, against what the runtime says of them."""

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import onnxruntime
import pytest

from appliance.inference import metadata, wire
from appliance.inference.catalog import load_catalog
from appliance.inference.graph import (
    NEWEST_FORMAT,
    NEWEST_OPERATORS,
    facts_of,
    problems,
)
from appliance.inference.store import Store

Write = Callable[..., Path]
IMAGE = "float[1,3,8,8] image"


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a model of onnx's own text form: inputs, outputs, and what is between."""

    def write(
        inputs: str = IMAGE,
        outputs: str = "float[1,3,8,8] out",
        body: str = "out = Relu(image)",
        head: str = 'ir_version: 8, opset_import: ["": 17]',
    ) -> Path:
        model = onnx.parser.parse_model(f"<{head}> tiny ({inputs}) => ({outputs}) {{ {body} }}")
        onnx.save(model, tmp_path / "tiny.onnx")
        return tmp_path / "tiny.onnx"

    return write


def test_the_facts_are_those_of_the_runtime(written: Write) -> None:
    path = written(
        "float[N,3,height,8] image",
        "float[N,3] out, int64[4] shape",
        "shape = Shape(image) small = GlobalAveragePool(image) "
        "two = Constant<value = int64[2] {0, 3}>() out = Reshape(small, two)",
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": "{0: 'cat'}", "task": "classify"})
    onnx.save(model, path)
    assert facts_of(path) == metadata.facts_of(path)


def test_the_facts_of_the_model_of_the_catalog_are_those_of_the_runtime(demo_store: Store) -> None:
    path = demo_store.path(load_catalog()["people-ssdlite"])
    assert facts_of(path) == metadata.facts_of(path)
    assert problems(path) == ""


def test_weights_that_are_named_among_the_inputs_are_no_inputs(written: Write) -> None:
    path = written(f"{IMAGE}, float[1] bias", body="out = Add(image, bias)", head=OLD)
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(1, np.float32), "bias"))
    onnx.save(model, path)
    facts = facts_of(path)
    assert facts is not None
    assert facts == metadata.facts_of(path)
    assert facts.inputs == {"image": (1, 3, 8, 8)}


OLD = 'ir_version: 3, opset_import: ["": 11]'


def test_what_only_the_runtime_can_work_out_is_not_guessed(written: Write) -> None:
    assert facts_of(written(outputs="float[1,3,a,b] out")) is None
    path = written()
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, path)
    assert facts_of(path) is None


def test_a_file_larger_than_memory_is_read_without_its_weights(
    written: Write, tmp_path: Path
) -> None:
    small = onnx.load(written())
    size = 1 << 36
    weight = wire.message(8, "big") + wire.whole(2, 2) + wire.head(9, size)
    graph = small.graph.SerializeToString() + wire.head(5, len(weight) + size) + weight
    small.ClearField("graph")
    path = tmp_path / "large.onnx"
    path.write_bytes(small.SerializeToString() + wire.head(7, len(graph) + size) + graph)
    # A hole of zeros: as long as those weights, on no disk.
    os.truncate(path, path.stat().st_size + size)
    tracemalloc.start()
    try:
        assert problems(path) == ""
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_good_file_has_no_problems(written: Write) -> None:
    assert problems(written()) == ""


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_said_to_be(
    demo_store: Store, tmp_path: Path, share: float
) -> None:
    full = demo_store.path(load_catalog()["people-ssdlite"]).read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(full[: int(len(full) * share)])
    assert problems(cut) == "is cut off, or damaged: copy or download it again"
    with pytest.raises(ValueError, match=r"^is cut off"):
        facts_of(cut)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest of it", "is no ONNX file, but a zip archive"),
        (b"\x1c\0\0\0TFL3rest", "is no ONNX file, but a TensorFlow Lite model"),
        (b"\x89HDF\r\n\x1a\nrest", "is no ONNX file, but an HDF5 file"),
        (b"<!DOCTYPE html><html>", "is no ONNX file, but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS's note"),
        (b"not a model at all, only words", "is no ONNX file"),
        (bytes(2000), "is no ONNX file"),
        (b"\x08\x08", "is no ONNX file, or damaged: there is no graph in it"),
        (b"\x08\x08\x3a\x00", "there are no operators in its graph"),
    ],
)
def test_what_is_no_model_is_told_apart(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "file.onnx"
    path.write_bytes(content)
    assert why in problems(path)
    with pytest.raises(ValueError, match=why):
        facts_of(path)


def test_a_file_of_any_bytes_is_refused_or_read_but_never_breaks_anything(
    written: Write, tmp_path: Path
) -> None:
    whole = bytearray(written().read_bytes())
    noise = np.random.default_rng(seed=5)
    path = tmp_path / "noise.onnx"
    refused = 0
    for _ in range(300):
        changed = whole.copy()
        for place in noise.integers(0, len(whole), 3):
            changed[place] = noise.integers(0, 256)
        path.write_bytes(changed)
        refused += bool(problems(path))
    assert refused > 100


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.onnx") == "cannot be read: No such file or directory"


def loads(path: Path) -> bool:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - its errors have no class in common
        return False
    return True


def test_the_newest_format_is_the_newest_that_the_runtime_loads(written: Write) -> None:
    newest = written(head=f'ir_version: {NEWEST_FORMAT}, opset_import: ["": 17]')
    assert (loads(newest), problems(newest)) == (True, "")
    newer = written(head=f'ir_version: {NEWEST_FORMAT + 1}, opset_import: ["": 17]')
    assert not loads(newer)
    assert problems(newer) == (
        f"is of version {NEWEST_FORMAT + 1} of the format, where {NEWEST_FORMAT} is the newest "
        "that can be run: export it with `opset` 17"
    )


def test_the_newest_operators_are_the_newest_that_the_runtime_loads(written: Write) -> None:
    newest = written(head=f'ir_version: 8, opset_import: ["": {NEWEST_OPERATORS}]')
    assert (loads(newest), problems(newest)) == (True, "")
    newer = written(head=f'ir_version: 8, opset_import: ["": {NEWEST_OPERATORS + 1}]')
    assert not loads(newer)
    assert f"operators of version {NEWEST_OPERATORS + 1}" in problems(newer)


CUSTOM = 'ir_version: 8, opset_import: ["": 17, "com.example": 1]'


def test_operators_of_somebodys_own_are_named(written: Write) -> None:
    path = written(body="a = com.example.Foo(image) out = com.example.Bar(a)", head=CUSTOM)
    assert not loads(path)
    assert problems(path) == (
        "uses operators of somebody's own, which are not here: Foo of com.example, Bar of "
        "com.example; export it without them"
    )


def test_they_are_also_found_in_branches(written: Write) -> None:
    path = written(
        "float[1,3,8,8] image",
        body="yes = Constant<value = bool {1}>() out = If (yes) <"
        "then_branch = one () => (float[1,3,8,8] y) { y = com.example.Foo(image) }, "
        "else_branch = two () => (float[1,3,8,8] z) { z = Relu(image) }>",
        head=CUSTOM,
    )
    assert "Foo of com.example" in problems(path)


def test_operators_that_the_file_defines_itself_are_no_problem(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        f"<{CUSTOM}> tiny ({IMAGE}) => (float[1,3,8,8] out) {{ out = com.example.Foo(image) }}"
        '<domain: "com.example", opset_import: ["": 17]> Foo (x) => (y) { y = Relu(x) }'
    )
    path = tmp_path / "own.onnx"
    onnx.save(model, path)
    assert loads(path)
    assert problems(path) == ""


@pytest.fixture
def in_two_files(written: Write) -> Path:
    path = written(body="out = Add(image, bias)")
    model = onnx.load(path)
    bias = onnx.numpy_helper.from_array(np.zeros((1, 3, 8, 8), np.float32), "bias")
    model.graph.initializer.append(bias)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_weights_in_a_second_file_are_found_beside_it(in_two_files: Path) -> None:
    assert problems(in_two_files) == ""


def test_a_second_file_that_is_not_there_is_named(in_two_files: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "tiny.onnx"
    alone.parent.mkdir()
    shutil.copy(in_two_files, alone)
    assert problems(alone) == (
        "keeps weights in a second file, weights.bin, which is not beside it"
    )


def test_a_second_file_that_is_too_short_is_named(in_two_files: Path) -> None:
    in_two_files.with_name("weights.bin").write_bytes(bytes(100))
    assert "weights.bin, which is cut off: it has 100 of" in problems(in_two_files)


@pytest.mark.parametrize("place", ["/etc/passwd", "../weights.bin"])
def test_no_other_folder_is_read(in_two_files: Path, place: str) -> None:
    model = onnx.load(in_two_files, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = place
    onnx.save(model, in_two_files)
    assert problems(in_two_files) == f"keeps weights in {place}, which is not a file beside it"


def test_a_model_that_takes_no_image_says_what_it_takes(written: Write) -> None:
    path = written("float[1,80] sound", "float[1,80] out", "out = Relu(sound)")
    assert problems(path) == "takes no single image: its inputs are sound of 2 axes"
    two = written(f"{IMAGE}, float[1,3,8,8] mask", body="out = Add(image, mask)")
    assert problems(two) == (
        "takes no single image: its inputs are image of 4 axes, mask of 4 axes"
    )
