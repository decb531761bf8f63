"""Copies of models that take pixels, against the models they are copies of."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.parser
import pytest

from appliance.inference import metadata
from appliance.inference.catalog import ModelCard, load_catalog
from appliance.inference.families.fitting import Canvas, Form, fit, pixels
from appliance.inference.families.registry import family_of
from appliance.inference.front import NAME, copies, prepared, with_front
from appliance.inference.graph import problems
from appliance.inference.session import CPU, Session, available_providers
from appliance.inference.store import Store, digest
from blocks.data import Image

FORM = Form((8, 6))
Write = Callable[..., Path]
PICTURE = Image.from_bgr(np.random.default_rng(seed=1).integers(0, 256, (50, 70, 3), np.uint8))


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a model of onnx's own text form: inputs, outputs, and what is between."""

    def write(
        inputs: str = "float[1,3,6,8] image",
        outputs: str = "float[1,3,6,8] out",
        body: str = "half = Constant<value = float {0.5}>() out = Mul(image, half)",
        head: str = 'ir_version: 8, opset_import: ["": 17]',
    ) -> Path:
        model = onnx.parser.parse_model(f"<{head}> tiny ({inputs}) => ({outputs}) {{ {body} }}")
        onnx.save(model, tmp_path / "tiny.onnx")
        return tmp_path / "tiny.onnx"

    return write


def same(path: Path, form: Form, copy: Path, provider: str = CPU) -> None:
    """Both give the same of one picture, to rounding."""
    numbers, _ = fit(PICTURE, form)
    expected = Session(path, provider).run(numbers)
    found = Session(copy, provider).run(pixels(PICTURE, form)[0])
    assert list(found) == list(expected)
    for name, values in expected.items():
        # What is the same to rounding, relative to the largest.
        close = 1e-5 * max(1.0, float(np.abs(values).max()))
        assert np.abs(values - found[name]).max() <= close


FORMS = [
    FORM,
    replace(FORM, colours="bgr"),
    replace(FORM, mean=(127.5,) * 3, std=(127.5,) * 3),
    replace(FORM, std=(1.0,) * 3),
    replace(FORM, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4), colours="bgr"),
]


@pytest.mark.parametrize("form", FORMS)
def test_the_copy_gives_what_the_model_gives(written: Write, tmp_path: Path, form: Form) -> None:
    path, copy = written(), tmp_path / "copy.onnx"
    assert with_front(path, form, copy)
    same(path, form, copy)


@pytest.mark.parametrize("form", FORMS)
def test_so_does_that_of_one_with_colours_last(written: Write, tmp_path: Path, form: Form) -> None:
    form = replace(form, layout="nhwc")
    path, copy = written("float[1,6,8,3] image", "float[1,6,8,3] out"), tmp_path / "copy.onnx"
    assert with_front(path, form, copy)
    same(path, form, copy)


@pytest.mark.parametrize("provider", available_providers())
def test_the_model_of_the_catalog_gives_the_same(
    demo_store: Store, campus: Image, tmp_path: Path, provider: str
) -> None:
    card = load_catalog()["people-ssdlite"]
    assert isinstance(card, ModelCard)
    form = card.input.form(family_of(card.family or "").form((300, 300)))
    path, copy = demo_store.path(card), tmp_path / "copy.onnx"
    assert with_front(path, form, copy)
    expected = Session(path, provider).run(fit(campus, form)[0])
    session = Session(copy, provider)
    found = session.run(Canvas(form).draw(campus)[0])
    for name, values in expected.items():
        assert np.allclose(values, found[name], atol=1e-5)
    assert expected["scores"].max() > 0.5
    assert (session.input_type, session.input_shape) == ("tensor(uint8)", (1, 300, 300, 3))


def test_the_copy_is_sound_and_keeps_name_outputs_and_metadata(
    written: Write, tmp_path: Path
) -> None:
    path, copy = written(), tmp_path / "copy.onnx"
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": "['cat']"})
    onnx.save(model, path)
    assert with_front(path, FORM, copy)
    onnx.checker.check_model(str(copy), full_check=True)
    assert problems(copy) == ""
    facts = metadata.facts_of(copy)
    assert facts.inputs == {"image": (1, 6, 8, 3)}
    assert facts.outputs == {"out": (1, 3, 6, 8)}
    assert facts.metadata == {"names": "['cat']"}


def test_a_model_of_half_floats_is_given_half_floats(written: Write, tmp_path: Path) -> None:
    path = written("float16[1,3,6,8] image", "float16[1,3,6,8] out", "out = Relu(image)")
    copy = tmp_path / "copy.onnx"
    assert with_front(path, FORM, copy)
    expected = fit(PICTURE, FORM)[0].astype(np.float16)
    found = Session(copy, CPU).run(pixels(PICTURE, FORM)[0])["out"]
    assert found.dtype == np.float16
    assert np.abs(found.astype(np.float32) - expected).max() < 0.001


def test_axes_of_any_size_get_the_size_asked_for_but_batches_stay(
    written: Write, tmp_path: Path
) -> None:
    path, copy = written("float[N,3,h,w] image", "float[N,3,h,w] out"), tmp_path / "copy.onnx"
    assert with_front(path, FORM, copy)
    assert metadata.facts_of(copy).inputs == {"image": ("N", 6, 8, 3)}
    same(path, FORM, copy)
    two = np.concatenate([pixels(PICTURE, FORM)[0]] * 2)
    assert Session(copy, CPU).run(two)["out"].shape == (2, 3, 6, 8)


def test_every_use_of_the_input_gets_the_new_name_also_inside_of_branches(
    written: Write, tmp_path: Path
) -> None:
    path, copy = (
        written(
            body="yes = Constant<value = bool {1}>() a = If (yes) <"
            "then_branch = one () => (float[1,3,6,8] y) { y = Neg(image) }, "
            "else_branch = two () => (float[1,3,6,8] z) { z = Relu(image) }>"
            "b = Add(image, image) out = Mul(a, b)",
        ),
        tmp_path / "copy.onnx",
    )
    assert with_front(path, FORM, copy)
    same(path, FORM, copy)


def test_a_file_of_the_first_versions_has_a_copy_too(written: Write, tmp_path: Path) -> None:
    path = written(head='ir_version: 3, opset_import: ["": 9]')
    assert with_front(path, replace(FORM, mean=(1.0, 2.0, 3.0)), tmp_path / "copy.onnx")
    same(path, replace(FORM, mean=(1.0, 2.0, 3.0)), tmp_path / "copy.onnx")


@pytest.mark.parametrize(
    "model",
    [
        {"inputs": "uint8[1,3,6,8] image", "body": "out = Cast<to = 1>(image)"},
        {"inputs": "float[1,3,9,9] image"},
        {"inputs": "float[1,6,8,3] image"},
        {"inputs": "float[1,80] image", "outputs": "float[1,80] out"},
        {
            "inputs": "float[1,3,6,8] image, float[1,3,6,8] mask",
            "body": "out = Add(image, mask)",
        },
        {"head": 'ir_version: 3, opset_import: ["": 6]', "body": "out = Relu(image)"},
        {"outputs": "float[1,3,6,8] image", "body": "out = Relu(image)"},
    ],
)
def test_a_model_that_cannot_take_pixels_has_no_copy(
    written: Write, tmp_path: Path, model: dict[str, str]
) -> None:
    path = written(**model)
    assert not with_front(path, FORM, tmp_path / "copy.onnx")
    assert not (tmp_path / "copy.onnx").exists()
    assert prepared(path, "0" * 64, FORM, tmp_path / "prepared") == path


def test_a_model_in_two_files_has_no_copy(written: Write, tmp_path: Path) -> None:
    path = written(body="out = Add(image, bias)")
    model = onnx.load(path)
    bias = onnx.numpy_helper.from_array(np.zeros((1, 3, 6, 8), np.float32), "bias")
    model.graph.initializer.append(bias)
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert not with_front(path, FORM, tmp_path / "copy.onnx")


def test_copies_are_kept_by_the_digest_and_the_form(written: Write, tmp_path: Path) -> None:
    path, folder = written(), tmp_path / "prepared"
    first = prepared(path, digest(path), FORM, folder)
    assert first.parent == folder
    written_at = first.stat().st_mtime_ns
    assert prepared(path, digest(path), FORM, folder) == first
    assert first.stat().st_mtime_ns == written_at
    other = prepared(path, digest(path), replace(FORM, colours="bgr"), folder)
    assert other != first
    assert sorted(folder.iterdir()) == sorted([first, other])
    assert copies(digest(path), folder) == sorted([first, other])
    assert copies("0" * 64, folder) == []


@pytest.mark.parametrize("damage", ["short", "changed", "long"])
def test_a_damaged_copy_is_made_again(written: Write, tmp_path: Path, damage: str) -> None:
    path, folder = written(), tmp_path / "prepared"
    copy = prepared(path, digest(path), FORM, folder)
    good = copy.read_bytes()
    changed = {"short": good[:-9], "changed": good[:-9] + bytes(9), "long": good + b"\0"}
    copy.write_bytes(changed[damage])
    assert prepared(path, digest(path), FORM, folder) == copy
    assert copy.read_bytes() == good


def test_what_a_killed_process_left_is_taken_away(written: Write, tmp_path: Path) -> None:
    path, folder = written(), tmp_path / "prepared"
    folder.mkdir()
    # No process has a number as large as this.
    (folder / ".left.onnx.99999999").write_bytes(b"half")
    mine = folder / ".other.onnx.1"
    mine.write_bytes(b"being written by another process")
    copy = prepared(path, digest(path), FORM, folder)
    assert sorted(folder.iterdir()) == sorted([copy, mine])


def test_where_nothing_can_be_written_the_model_itself_is_used(
    written: Write, tmp_path: Path
) -> None:
    path = written()
    (tmp_path / "prepared").write_text("a file where the folder should be")
    assert prepared(path, digest(path), FORM, tmp_path / "prepared") == path


def test_a_copy_of_a_copy_would_be_given_pixels_twice(written: Write, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    assert with_front(written(), FORM, copy)
    assert not with_front(copy, replace(FORM, layout="nhwc"), tmp_path / "again.onnx")
    assert NAME.encode() in copy.read_bytes()


def test_the_weights_are_those_of_the_model(demo_store: Store, tmp_path: Path) -> None:
    path, copy = demo_store.path(load_catalog()["people-ssdlite"]), tmp_path / "copy.onnx"
    assert with_front(path, Form((300, 300)), copy)
    weights = [onnx.load(file).graph.initializer for file in (path, copy)]
    assert [w.SerializeToString() for w in weights[0]] == [
        w.SerializeToString() for w in weights[1]
    ]
