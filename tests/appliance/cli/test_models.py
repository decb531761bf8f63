"""`appliance models` as a user types it: the table, and fetching."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from appliance.inference.catalog import ModelCard
from appliance.inference.declared import remember
from appliance.inference.store import Store, digest
from tests.appliance.inference import tiny

Run = Callable[..., Result]


def row(result: Result, name: str) -> list[str]:
    """The cells of a line of the table."""
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.split()[0] == name]
    return line.split()[1:]


def test_no_network_while_fetching_is_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    names = ("people-ssdlite", "bikes")
    result = run("models", "pull", *names, "--state-dir", tmp_path / "state")
    assert result.exit_code == 2
    # The second is tried as well.
    for name, last in zip(names, result.stderr.splitlines()[-2:], strict=True):
        assert last.startswith(f"{name}: ")
        assert "network" in last
    assert not list((tmp_path / "state").rglob("*.onnx"))


def test_an_unknown_name_is_answered_with_where_to_look(run: Run) -> None:
    result = run("models", "pull", "peple")
    assert result.exit_code == 2
    assert result.stderr == (
        "there is no model or clip called 'peple'; `appliance models` lists what there is, and "
        "with --config FILE those of a settings file too\n"
    )


def test_the_catalog_is_listed_with_sizes_and_licences(run: Run, tmp_path: Path) -> None:
    result = run("models", "--help")
    assert result.exit_code == 0
    result = run("models", "list", "--state-dir", tmp_path)
    assert result.stdout.split("\n")[0].split() == [
        *("NAME", "KIND", "SIZE", "STATE", "DECLARED", "LICENCE")
    ]
    assert row(result, "people-ssdlite") == ["ssd", "11.6", "MB", "to", "fetch", "catalog", "MIT"]
    assert row(result, "bikes")[:5] == ["clip", "2.2", "MB", "to", "fetch"]
    assert run("models").stdout == result.stdout


@pytest.mark.network
def test_a_fetched_model_is_listed_as_ready(run: Run, demo_store: Store) -> None:
    result = run("models", "list", "--state-dir", demo_store.root)
    assert row(result, "people-ssdlite") == ["ssd", "12.2", "MB", "ready", "catalog", "MIT"]


def test_models_of_the_settings_are_listed_with_their_place_and_state(
    run: Run, tmp_path: Path
) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    zeros = "0" * 64
    (tmp_path / "site.yaml").write_text(
        "version: 1\nstate_dir: state\nmodels:\n"
        "  pets: {file: pets.onnx, licence: MIT}\n"
        "  gone: gone.onnx\n"
        f"  other: {{file: pets.onnx, sha256: '{zeros}'}}\n"
        f"  web: {{url: 'https://x.org/web.onnx', sha256: '{zeros}', family: yolo}}\n"
        "  far: {backend: oip, remote: {url: 'http://gpu', model: far}, family: yolo}\n"
    )
    sha256 = digest(path)
    store = Store(tmp_path / "state")
    remember(store, ModelCard(name="mine", sha256=sha256, family="classification"))
    store.model_path(sha256).parent.mkdir()
    store.model_path(sha256).write_bytes(path.read_bytes())
    result = run("models", "list", "--config", "site.yaml")
    assert row(result, "pets") == ["model", "0.0", "MB", "ready", "site.yaml:4", "MIT"]
    assert row(result, "gone") == ["model", "missing", "site.yaml:5", "not", "said"]
    assert row(result, "other") == ["model", "damaged", "site.yaml:6", "not", "said"]
    assert row(result, "web") == ["yolo", "to", "fetch", "site.yaml:7", "not", "said"]
    assert row(result, "far") == ["yolo", "on", "a", "server", "site.yaml:8", "not", "said"]
    assert row(result, "mine")[:4] == ["classification", "0.0", "MB", "ready"]
    store.model_path(sha256).write_bytes(b"half of i")
    assert row(run("models", "list", "--config", "site.yaml"), "mine")[1] == "damaged"


def test_without_names_what_the_pipelines_use_is_fetched(
    run: Run, tmp_path: Path, workflow: Path
) -> None:
    path = tiny.detector(tmp_path / "yard.onnx")
    (tmp_path / "site.yaml").write_text(
        "version: 1\nstate_dir: state\nmodels:\n"
        f"  people-ssdlite: {{url: '{path.as_uri()}', sha256: '{digest(path)}'}}\n"
        f"  unused: {{url: 'file:///gone', sha256: '{digest(path)}'}}\n"
        "cameras: {gate: {url: x.mp4}}\n"
        f"pipelines: {{gate: {{workflow: {workflow.name}, cameras: [gate]}}}}\n"
    )
    (tmp_path / "x.mp4").touch()
    result = run("models", "pull", "--config", "site.yaml")
    assert result.exit_code == 0, result.stderr
    assert "people-ssdlite: ready, " in result.stderr
    assert "unused" not in result.stderr
    assert Store(Path("state")).model_path(digest(path)).read_bytes() == path.read_bytes()


def test_without_names_and_settings_there_is_nothing_to_fetch(run: Run) -> None:
    result = run("models", "pull")
    assert result.exit_code == 2
    assert "name what to fetch, or a settings file with --config" in result.stderr


def test_a_file_of_ones_own_that_is_missing_is_not_fetched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("version: 1\nmodels: {gone: gone.onnx}\n")
    result = run("models", "pull", "gone", "--config", "site.yaml")
    assert result.exit_code == 2
    assert result.stderr == "gone: there is no file gone.onnx\n"
