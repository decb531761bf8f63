"""Which settings the commands of models look at."""

from pathlib import Path

import pytest

from appliance.cli.model_entries import entries
from appliance.engine.errors import DefinitionError
from appliance.inference.catalog import ModelError


@pytest.fixture(autouse=True)
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the usual settings file, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / "config").mkdir()
    settings("yard: yard.onnx")
    return tmp_path


def settings(models: str) -> None:
    text = f"version: 1\nstate_dir: ../state\nmodels: {{{models}}}\n"
    Path("config/appliance.yaml").write_text(text)


def test_the_usual_settings_are_looked_at_and_the_state_lies_where_it_always_does() -> None:
    found = entries(None, None)
    assert found.where("yard") == "config/appliance.yaml:3"
    assert found.store.root == Path(".appliance")


def test_settings_that_are_named_say_where_the_state_lies() -> None:
    found = entries(Path("config/appliance.yaml"), None)
    assert found.store.root == Path("config/../state")
    assert entries(Path("config/appliance.yaml"), Path("mine")).store.root == Path("mine")


@pytest.mark.parametrize("models", ["yard: {fil: x}", "yard: ["])
def test_usual_settings_that_are_wrong_are_told_and_left_out(
    capsys: pytest.CaptureFixture[str], models: str
) -> None:
    settings(models)
    found = entries(None, None)
    assert found.settings is None
    assert found.models.keys() == {"people-ssdlite"}
    assert "so the models that config/appliance.yaml declares are left out" in (
        capsys.readouterr().err
    )
    with pytest.raises(DefinitionError):
        entries(Path("config/appliance.yaml"), None)


def test_a_model_is_found_by_name_or_by_path() -> None:
    Path("best.onnx").touch()
    found = entries(None, None)
    assert found.model("yard").file == Path("config/yard.onnx")
    assert found.model("best.onnx").file == Path("best.onnx")
    with pytest.raises(ModelError, match="there is no such file"):
        found.model("./gone.onnx")
    with pytest.raises(ModelError, match="did you mean 'yard'"):
        found.model("yrd")
