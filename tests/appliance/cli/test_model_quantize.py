"""`appliance models quantize` as a user types it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import pytest
from click.testing import Result

from appliance.cli import model_quantize
from appliance.inference.packages import Report
from appliance.inference.quantization import Record
from appliance.inference.resolution import Resolved
from appliance.inference.sampling import picture
from appliance.inference.store import Store
from tests.appliance.inference import tiny

Run = Callable[..., Result]
WORDS = ("--family", "classification", "--labels", "cat,dog")
RECORD = Record(
    source="0" * 64,
    sha256="1" * 64,
    agreement=0.9553,
    measure="F1 of boxes at IoU 0.5",
    samples=1,
    fp32_ms=9.0,
    int8_ms=6.0,
)
TOLD = (
    "pets: int8 against fp32 on 1 pictures: F1 of boxes at IoU 0.5 95.5%; 9.0 ms before, "
    "6.0 ms after for a result (1.50 times as fast)"
)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each copy that was made is kept; none is made."""
    found: list[bool] = []

    def make(
        resolved: Resolved, pictures: Sequence[Path], store: Store, report: Report, *, keep: bool
    ) -> Record:
        assert (resolved.card.name, [path.name for path in pictures]) == ("pets", ["a.png"])
        assert store.root == Path(".appliance")
        found.append(keep)
        return RECORD

    monkeypatch.setattr(model_quantize, "quantize", make)
    return found


@pytest.fixture
def samples(tmp_path: Path, run: Run) -> Path:
    run("models", "add", tiny.classifier(tmp_path / "pets.onnx"), *WORDS)
    (tmp_path / "samples").mkdir()
    cv2.imwrite(str(tmp_path / "samples/a.png"), picture().planes[0])
    return tmp_path / "samples"


def test_what_a_copy_loses_and_gains_is_told(run: Run, kept: list[bool], samples: Path) -> None:
    result = run("models", "quantize", "pets", "--samples", samples)
    assert result.exit_code == 0, result.output
    told = "kept: models use it whose card says `precision: int8`"
    assert result.stdout.splitlines() == [TOLD, told]
    assert kept == [True]


def test_with_keep_fp32_it_is_only_told(run: Run, kept: list[bool], samples: Path) -> None:
    result = run("models", "quantize", "pets", "--samples", samples, "--keep", "fp32")
    assert result.stdout.splitlines() == [TOLD]
    assert kept == [False]


def test_few_pictures_are_warned_of(run: Run, kept: list[bool], samples: Path) -> None:
    result = run("models", "quantize", "pets", "--samples", samples)
    assert "1 picture is few: with 30 or more, less is lost" in result.stderr


def test_a_folder_without_pictures_is_refused(run: Run, kept: list[bool], samples: Path) -> None:
    (samples / "a.png").unlink()
    result = run("models", "quantize", "pets", "--samples", samples)
    assert result.exit_code == 2
    assert f"there are no pictures in {samples}" in result.stderr
    assert kept == []
