"""What a model finds in one picture, told and drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import Result

from appliance.inference.anomaly_fitting import read_picture
from tests.appliance.inference import tiny

Run = Callable[..., Result]


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """A settings file with a model of each kind, and a picture whose left half is red."""
    models: dict[str, dict[str, Any]] = {
        "people": {"family": "ssd", "labels": ["person"]},
        "pets": {"family": "classification", "labels": ["cat", "dog"]},
        "parts": {"family": "embedding", "input": {"scale": "0..1"}},
        "ground": {"family": "segmentation", "labels": ["sand", "grass", "water"]},
    }
    made = {
        "people": tiny.detector,
        "pets": tiny.classifier,
        "parts": tiny.embedder,
        "ground": tiny.segmenter,
    }
    for name, make in made.items():
        models[name]["file"] = str(make(tmp_path / f"{name}.onnx"))
    file = tmp_path / "yard.yaml"
    document = {"version": 1, "state_dir": "state", "models": models}
    file.write_text(yaml.safe_dump(document), "utf-8")
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32, 2] = 255
    picture[:, 32:, 1] = 255
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    return file


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        ("people", ["person 0.90 at 0, 0 to 32, 24"]),
        ("pets", ["cat 0.75", "dog 0.25"]),
        ("parts", ["a vector of 3 numbers, of length 1"]),
        ("ground", ["sand 50.0%", "grass 50.0%"]),
    ],
)
def test_what_is_found_is_told_and_drawn(
    run: Run, yard: Path, tmp_path: Path, model: str, lines: list[str]
) -> None:
    target = tmp_path / "drawn.png"
    result = run("models", "test", model, tmp_path / "photo.png", "-o", target, "--config", yard)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [*lines, f"drawn: {target}"]
    drawn = read_picture(target)
    assert drawn is not None
    assert (drawn.width, drawn.height) == (64, 48)


def test_a_surer_bar_leaves_out_what_is_below_it(run: Run, yard: Path, tmp_path: Path) -> None:
    target = tmp_path / "drawn.jpg"
    given = (tmp_path / "photo.png", "-o", target, "--config", yard, "--confidence", "0.95")
    result = run("models", "test", "people", *given)
    assert result.stdout.splitlines()[0] == "nothing was found"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("people", "none.png"), "none.png: this is no picture that can be read"),
        (("peeple", "photo.png"), "no model or clip called 'peeple' (did you mean 'people'?)"),
        (("people", "photo.png", "-o", "photo.png"), "this is the picture itself"),
        (("people", "photo.png", "-o", "out.docx"), "no such picture can be written"),
        (("people", "photo.png", "-o", "no/where.png"), "where.png cannot be written: No such"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    run: Run,
    yard: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("models", "test", *arguments, "--config", yard)
    assert result.exit_code != 0
    assert sentence in result.stderr
