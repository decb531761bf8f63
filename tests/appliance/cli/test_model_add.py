"""`appliance models add` as a user types it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from appliance.inference.store import digest
from tests.appliance.inference import tiny

Run = Callable[..., Result]


def test_a_model_is_added_and_shown(run: Run, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    words = ("--family", "classification", "--labels", "cat,dog", "--confidence", "0.6")
    result = run("models", "add", path, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "pets is ready.",
        "  family   classification: a row of scores, one for each label",
        "  input    16 x 16",
        "  labels   2: cat, dog",
        f"  sha256   {digest(path)}",
        "In a workflow: `model: pets`",
    ]
    listed = run("models", "list").stdout
    assert "pets            classification  0.0 MB   ready" in listed


def test_labels_may_be_a_file_of_any_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "LABELS").write_text("cat\ndog\n")
    path = tiny.classifier(tmp_path / "pets.onnx")
    result = run("models", "add", path, "--family", "classification", "--labels", "LABELS")
    assert "  labels   2: cat, dog" in result.stdout


def test_many_labels_are_counted(run: Run, tmp_path: Path) -> None:
    labels = [f"thing {number}" for number in range(9)]
    scores = "float[1,9] {" + ",".join("0.1" for _ in labels) + "}"
    body = (
        "mean = ReduceMean<axes=[1,2,3], keepdims=0>(image) "
        f"sure = Constant<value = {scores}>() out = Add(sure, mean)"
    )
    path = tiny.write(tmp_path / "things.onnx", "float[1,9] out", body)
    words = ("--family", "classification", "--labels", ",".join(labels), "--name", "nine")
    result = run("models", "add", path, *words)
    assert "  labels   9: thing 0, thing 1, thing 2, thing 3, thing 4, thing 5, …" in result.stdout


def test_what_cannot_be_told_is_asked_for(run: Run, tmp_path: Path) -> None:
    result = run("models", "add", tiny.detector(tmp_path / "yard.onnx"))
    assert result.exit_code == 2
    assert "say which with --family" in result.stderr
    assert "say them with --labels" in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--family", "yollo"), "there is no family 'yollo' (did you mean 'yolo'?)"),
        (("--size", "640*640"), "write width x height in pixels, as 640x640"),
        (("--labels", "gone.txt"), "gone.txt: there is no such text file of labels"),
        (("--name", "../x"), "a letter or digit, then also '_', '.' and '-'"),
        (("--sha256", "abc"), "a sha256 is 64 hexadecimal digits"),
        (("--confidence", "2"), "2.0 is not in the range 0<=x<=1"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(
    run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    result = run("models", "add", tiny.detector(tmp_path / "yard.onnx"), *words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_one_number_is_a_square(run: Run, tmp_path: Path) -> None:
    path = tiny.detector(tmp_path / "yard.onnx", "float[1,3,h,w]")
    words = ("--family", "ssd", "--labels", "person", "--size", "32")
    assert "  input    32 x 32" in run("models", "add", path, *words).stdout


def test_a_name_of_the_settings_is_taken(run: Run, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    (tmp_path / "site.yaml").write_text("version: 1\nmodels: {pets: x.onnx}\n")
    words = ("--family", "classification", "--labels", "cat,dog", "--config", "site.yaml")
    result = run("models", "add", path, *words)
    assert result.exit_code == 2
    assert result.stderr == (
        "there is a model called 'pets' already (site.yaml:2): give another --name\n"
    )
