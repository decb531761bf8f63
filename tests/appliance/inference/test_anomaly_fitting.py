"""Fitting to a folder of good pictures, and what the block is lent then."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.engine.testing import image
from appliance.inference import anomaly_fitting
from appliance.inference.anomaly_fitting import fit_anomaly, read_picture
from appliance.inference.catalog import ModelError
from appliance.inference.models import Models
from appliance.inference.store import Store, digest
from tests.appliance.inference.tiny import card, embedder


@pytest.fixture
def models(tmp_path: Path) -> Models:
    parts = card("parts", embedder(tmp_path / "parts.onnx"), "embedding", input={"scale": "0..1"})
    return Models(Store(tmp_path / "state"), {"parts": parts})


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Eight pictures of almost the same red, a text, and a file that is no picture."""
    folder = tmp_path / "good"
    folder.mkdir()
    for number in range(8):
        pixels = np.full((20, 20, 3), (0, number, 200), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    (folder / "notes.txt").write_text("all good")
    (folder / "odd.jpg").write_text("no picture")
    return folder


def test_what_was_fitted_is_lent_and_tells_others(
    models: Models, good: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    fitted = fit_anomaly(models, "parts", good, lambda number, of: seen.append((number, of)))
    assert (fitted.used, fitted.unreadable) == (8, (good / "odd.jpg",))
    assert fitted.path == tmp_path / "state" / "banks" / "parts.npz"
    assert fitted.bank.model == digest(tmp_path / "parts.onnx")
    assert seen == [(number, 9) for number in range(1, 9)]
    inspector = models.inspector("parts")
    assert not inspector.inspect(image(bgr=(0, 3, 200))).anomalous
    assert inspector.inspect(image(bgr=(200, 3, 0))).anomalous


def test_of_too_many_some_are_taken_evenly(
    models: Models, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomaly_fitting, "MOST_PICTURES", 4)
    assert fit_anomaly(models, "parts", good).used == 3


def test_their_features_take_no_more_memory_than_is_said(
    models: Models, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A vector of three numbers takes 12 bytes.
    monkeypatch.setattr(anomaly_fitting, "MOST_BYTES", 5 * 12)
    assert fit_anomaly(models, "parts", good).used == 5


def test_a_bank_that_cannot_be_kept_is_a_sentence(
    models: Models, good: Path, tmp_path: Path
) -> None:
    models.features("parts").loaded  # noqa: B018 - what it takes in the state directory is there
    (tmp_path / "state" / "banks").write_text("a file")
    with pytest.raises(ModelError, match=r"parts\.npz cannot be written"):
        fit_anomaly(models, "parts", good)


def test_a_picture_is_read_or_there_is_none(good: Path) -> None:
    read = read_picture(good / "0.png")
    assert read is not None
    assert read.bgr[0, 0].tolist() == [0, 0, 200]
    assert read_picture(good / "odd.jpg") is None
    assert read_picture(good / "gone.png") is None
