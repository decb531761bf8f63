"""`appliance models inspect` as a user types it."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from appliance.inference.probe import Measured, Trial
from appliance.inference.store import digest
from appliance.inference.trials import blank
from tests.appliance.inference import tiny

Run = Callable[..., Result]


def page(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_a_file_tells_what_it_is(run: Run, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    assert page(run("models", "inspect", "./pets.onnx")) == [
        "pets",
        "declared by its path",
        "licence not said",
        "file pets.onnx (0.0 MB)",
        f"sha256 {digest(path)}",
        "inputs image (1 x 3 x 16 x 16)",
        "outputs out (1 x 2)",
        "size 16 x 16",
        "LACKING it may be of the family classification or embedding: say which with `family`",
        "provider none was tried here yet: the first start does, or `bench`",
    ]


def test_an_added_model_is_shown_with_what_is_known_of_providers(run: Run, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    words = ("--family", "classification", "--labels", "cat,dog", "--licence", "MIT")
    run("models", "add", path, *words)
    probes = Path(".appliance/probes")
    probes.mkdir()
    for number, (ending, reason) in enumerate([("works", ""), ("fails", "it crashed (SIGSEGV)")]):
        trial = Trial(model=path, provider=f"P{number}ExecutionProvider", shape=(1, 3, 16, 16))
        measured = Measured(result_ms=4.2, reference_ms=8.4, difference=0.001)
        update = {"ending": ending, "reason": reason, "measured": measured}
        verdict = blank(trial, digest(path)).model_copy(update=update)
        (probes / f"{number}.json").write_text(verdict.model_dump_json())
    shown = page(run("models", "inspect", "pets"))
    assert "declared added" in shown
    assert "licence MIT" in shown
    about = "a row of scores, one for each label"
    assert f"family classification (as declared): {about}" in shown
    assert "labels 2: cat, dog" in shown
    assert shown[-2:] == [
        "provider P0 fp32: works, 4.2 ms, 8.4 ms on the reference, differs by 0.001",
        "provider P1 fp32: not used: it crashed (SIGSEGV)",
    ]


def test_a_model_that_is_not_fetched_tells_what_its_card_says(run: Run) -> None:
    shown = page(run("models", "inspect", "people-ssdlite"))
    assert "licence MIT" in shown
    assert "family ssd" in shown
    assert any("run `appliance models pull people-ssdlite`" in line for line in shown)


def test_a_model_on_a_server_is_shown_without_its_token(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "version: 1\nmodels:\n  far: {backend: oip, "
        "remote: {url: 'http://gpu:8000', model: people, token: hush}}\n"
    )
    result = run("models", "inspect", "far", "--config", "site.yaml")
    assert "server http://gpu:8000, as people" in page(result)
    assert "hush" not in result.output


def test_what_is_no_model_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_text("<html>")
    result = run("models", "inspect", "x.onnx")
    assert result.exit_code == 2
    assert result.stderr.startswith("x: x.onnx is no ONNX file")
    assert run("models", "inspect", "gone.onnx").stderr == "gone.onnx: there is no such file\n"
    assert run("models", "inspect", "bikes").stderr == "bikes is a clip, not a model\n"
