"""Each model is lent as what it is, and refused as anything else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance.engine.testing import image
from appliance.inference.catalog import ModelError
from appliance.inference.families.anomaly import Bank
from appliance.inference.models import Models
from appliance.inference.store import Store, digest
from tests.appliance.inference.tiny import card, classifier, detector, embedder, finder, segmenter

RED = image(bgr=(0, 0, 255))


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is found out of the models, which are the same in all tests."""
    return tmp_path_factory.mktemp("probes")


@pytest.fixture
def models(tmp_path: Path, probes: Path) -> Models:
    (tmp_path / "probes").symlink_to(probes)
    files = {
        "people": detector(tmp_path / "people.onnx"),
        "pets": classifier(tmp_path / "pets.onnx"),
        "parts": embedder(tmp_path / "parts.onnx"),
        "ground": segmenter(tmp_path / "ground.onnx"),
        "signs": finder(tmp_path / "signs.onnx"),
    }
    bank = tmp_path / "good.npz"
    cards = [
        card("people", files["people"], "ssd", "person"),
        card("pets", files["pets"], "classification", "cat", "dog"),
        card("parts", files["parts"], "embedding", input={"scale": "0..1"}),
        card("good", files["parts"], "anomaly", bank=bank, input={"scale": "0..1"}),
        card("ground", files["ground"], "segmentation", "sand", "grass", "water"),
        card("signs", files["signs"], "ocr"),
    ]
    return Models(Store(tmp_path), {each.name: each for each in cards})


def test_each_kind_does_what_it_is_for(models: Models) -> None:
    assert list(models.detector("people").detect(RED).label) == ["person"]
    many = models.detector("people").detect_many([RED, RED], 0.1)
    assert [len(found) for found in many] == [2, 2]
    assert list(models.classifier("pets").classify(RED).label) == ["cat"]
    assert list(models.classifier("pets").classify(RED, 0.2, multi_label=True).label) == [
        "cat",
        "dog",
    ]
    assert models.segmenter("ground").segment(RED).shares.tolist() == [1, 0, 0]
    assert models.embedder("parts").embed(RED).vector.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("ask", "model", "sentence"),
    [
        (Models.detector, "pets", "pets is a classification model: use the block classification"),
        (Models.classifier, "people", "people is an object detection model: use the block object_"),
        (Models.segmenter, "parts", "parts is an embedding model: use the block embedding"),
        (Models.embedder, "ground", "ground is a semantic segmentation model"),
        (Models.reader, "people", "people is an object detection model"),
        (Models.inspector, "pets", "pets is a classification model"),
        (Models.embedder, "good", "good is an anomaly model: use the block anomaly"),
        (Models.classifier, "signs", "signs is a model that finds text: use the block ocr"),
    ],
)
def test_a_model_that_gives_something_else_is_refused_with_the_block_that_it_is_for(
    models: Models, ask: Callable[[Models, str], object], model: str, sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        ask(models, model)


def test_boxes_alone_do_for_no_block_that_wants_masks(models: Models) -> None:
    for gives in ("masks", "keypoints"):
        with pytest.raises(ModelError, match="people is an object detection model"):
            models.detector("people", gives)


def test_an_anomaly_model_is_lent_with_its_good_pictures(models: Models, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"good has not been fitted .* `appliance models fit-anom"):
        models.inspector("good")
    sha256 = digest(tmp_path / "parts.onnx")
    Bank(np.array([[1, 0, 0]], np.float32), 0.1, sha256).save(tmp_path / "good.npz")
    inspector = models.inspector("good")
    assert models.inspector("good") is inspector
    assert not inspector.inspect(RED).anomalous
    found = inspector.inspect(image(bgr=(255, 0, 0)))
    assert (found.anomalous, found.threshold) == (True, 0.1)
    assert found.score == pytest.approx(2**0.5, abs=0.01)


def test_good_pictures_of_another_model_are_refused(models: Models, tmp_path: Path) -> None:
    Bank(np.array([[1, 0, 0]], np.float32), 0.1, "f" * 64).save(tmp_path / "good.npz")
    with pytest.raises(ModelError, match="was fitted with another model file"):
        models.inspector("good")
    (tmp_path / "good.npz").write_text("half of i")
    with pytest.raises(ModelError, match=r"good: .* holds no pictures fitted before"):
        models.inspector("good")


def test_an_embedding_model_inspects_once_it_was_fitted(models: Models, tmp_path: Path) -> None:
    (tmp_path / "banks").mkdir()
    Bank(np.array([[1, 0, 0]], np.float32), 0.1).save(tmp_path / "banks" / "parts.npz")
    inspector = models.inspector("parts")
    assert inspector.inspect(RED).score == pytest.approx(0.0, abs=1e-3)
    assert inspector.inspect(image(bgr=(255, 0, 0))).anomalous


def test_a_text_detector_needs_one_that_reads(models: Models) -> None:
    with pytest.raises(ModelError, match="signs finds where text is: name the model that reads it"):
        models.reader("signs")
