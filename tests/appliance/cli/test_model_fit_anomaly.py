"""Fitting a model to good pictures, as a user types it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import Result

from tests.appliance.inference import tiny

Run = Callable[..., Result]


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """A settings file with two models, and a picture."""
    models = {
        "people": {"family": "ssd", "labels": ["person"], "file": "people.onnx"},
        "parts": {"family": "embedding", "input": {"scale": "0..1"}, "file": "parts.onnx"},
    }
    tiny.detector(tmp_path / "people.onnx")
    tiny.embedder(tmp_path / "parts.onnx")
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((48, 64, 3), 99, np.uint8))
    file = tmp_path / "yard.yaml"
    document = {"version": 1, "state_dir": "state", "models": models}
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def test_good_pictures_are_fitted_and_others_are_told_from_them(
    run: Run, yard: Path, tmp_path: Path
) -> None:
    samples = tmp_path / "good"
    samples.mkdir()
    for number in range(6):
        cv2.imwrite(
            str(samples / f"{number}.png"), np.full((20, 20, 3), (0, number, 200), np.uint8)
        )
    (samples / "odd.jpg").write_text("no picture")
    result = run("models", "fit-anomaly", "parts", "--samples", samples, "--config", yard)
    assert result.exit_code == 0, result.output
    assert "parts: fitted to 6 pictures" in result.stdout
    assert "left out: " in result.stderr
    assert (tmp_path / "state" / "banks" / "parts.npz").is_file()


@pytest.mark.parametrize(
    ("model", "samples", "sentence"),
    [
        ("people", "good", "people is an object detection model"),
        ("parts", "empty", "there are no pictures in"),
        ("parts", "gone", "cannot be read: No such file"),
        ("parts", "good", "it takes at least two good pictures to fit, not 1"),
    ],
)
def test_a_fit_that_cannot_be_is_a_sentence(
    run: Run, yard: Path, tmp_path: Path, model: str, samples: str, sentence: str
) -> None:
    for name in ("good", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "good" / "one.png").write_bytes((tmp_path / "photo.png").read_bytes())
    folder = tmp_path / samples
    result = run("models", "fit-anomaly", model, "--samples", folder, "--config", yard)
    assert result.exit_code != 0
    assert sentence in result.stderr
