"""`appliance models remove` as a user types it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from appliance.inference.store import Store, digest
from tests.appliance.inference import tiny

Run = Callable[..., Result]
ADD = ("--family", "classification", "--labels", "cat,dog")


@pytest.fixture
def pets(run: Run, tmp_path: Path) -> Path:
    """A model that is added under the name `pets`; its file in the store."""
    path = tiny.classifier(tmp_path / "pets.onnx")
    assert run("models", "add", path, *ADD).exit_code == 0
    return Store(Path(".appliance")).model_path(digest(path))


def test_what_was_added_is_gone_with_its_card(run: Run, pets: Path) -> None:
    result = run("models", "remove", "pets")
    assert (result.exit_code, result.stdout) == (0, "pets is removed\n")
    assert not pets.exists()
    assert "pets" not in run("models", "list").stdout
    assert not list(Path(".appliance/facts").iterdir())


def test_what_was_made_of_it_is_gone_with_it(run: Run, tmp_path: Path) -> None:
    path = tiny.embedder(tmp_path / "parts.onnx")
    assert run("models", "add", path, "--family", "embedding").exit_code == 0
    good = tmp_path / "good"
    good.mkdir()
    for shade in range(20):
        cv2.imwrite(str(good / f"{shade}.png"), np.full((16, 16, 3), 100 + shade, np.uint8))
    assert run("models", "fit-anomaly", "parts", "--samples", good).exit_code == 0
    made = {path.parent.name for path in Path(".appliance").glob("*/*") if path.is_file()}
    assert made == {"banks", "facts", "prepared", "probes"}
    result = run("models", "remove", "parts")
    assert result.stdout == "parts is removed, with what it was fitted to\n"
    assert not [path for path in Path(".appliance").glob("*/*") if path.is_file()]


def test_a_file_that_another_name_needs_stays(run: Run, pets: Path, tmp_path: Path) -> None:
    run("models", "add", tmp_path / "pets.onnx", "--name", "zoo", *ADD)
    result = run("models", "remove", "pets")
    assert result.stdout == "pets is forgotten; its file stays, for zoo\n"
    assert pets.exists()
    assert run("models", "remove", "zoo").stdout == "zoo is removed\n"
    assert not pets.exists()


def test_what_a_pipeline_uses_is_kept_unless_forced(
    run: Run, tmp_path: Path, workflow: Path
) -> None:
    path = tiny.detector(tmp_path / "yard.onnx")
    words = ("--name", "yard", "--family", "ssd", "--labels", "person")
    assert run("models", "add", path, *words).exit_code == 0
    workflow.write_text(workflow.read_text().replace("people-ssdlite", "yard"))
    (tmp_path / "x.mp4").touch()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "appliance.yaml").write_text(
        "version: 1\ncameras: {gate: {url: ../x.mp4}}\n"
        f"pipelines: {{gate: {{workflow: ../{workflow.name}, cameras: [gate]}}}}\n"
    )
    # The usual settings file is looked at without being named.
    result = run("models", "remove", "yard")
    assert result.exit_code == 2
    assert result.stderr == "yard is used by the pipeline gate: --force removes it all the same\n"
    assert "yard" in run("models", "list").stdout
    workflow.write_text("version: 1\n")
    assert "so it is not known which models" in run("models", "remove", "yard").stderr
    assert run("models", "remove", "yard", "--force").stdout == "yard is removed\n"


def test_what_another_card_names_is_kept(run: Run, pets: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "version: 1\nstate_dir: .appliance\nmodels:\n"
        "  signs: {file: x.onnx, family: ocr, reads_with: people-ssdlite, turns_with: pets}\n"
    )
    result = run("models", "remove", "pets", "--config", "site.yaml")
    assert result.exit_code == 2
    assert "pets is used by the model signs" in result.stderr
    assert pets.exists()


def test_a_file_of_ones_own_is_not_touched(run: Run, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    (tmp_path / "site.yaml").write_text("version: 1\nmodels: {pets: pets.onnx}\n")
    result = run("models", "remove", "pets", "--config", "site.yaml")
    assert result.exit_code == 2
    assert result.stderr == (
        "pets is declared in site.yaml:2, and its file is your own: take it out there\n"
    )
    assert path.exists()


def test_a_clip_is_removed_too_and_what_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    clip = tmp_path / ".appliance" / "clips" / "bikes.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    assert run("models", "remove", "bikes").stdout == "bikes is removed\n"
    assert run("models", "remove", "bikes").stdout == "bikes was not on this machine\n"
    assert run("models", "remove", "bike").exit_code == 2
