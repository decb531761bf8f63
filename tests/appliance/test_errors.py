"""One name for all that a script has to catch."""

from pathlib import Path

import pytest

import appliance
from appliance.engine.errors import DefinitionError, InputError, StepError
from appliance.result import RunError
from appliance.sources import SettingsError
from appliance.video.errors import VideoError


@pytest.mark.parametrize(
    "kind", [DefinitionError, InputError, RunError, SettingsError, StepError, VideoError]
)
def test_what_is_raised_is_among_them(kind: type[Exception]) -> None:
    assert issubclass(kind, appliance.ERRORS)


def test_a_script_catches_all_mistakes_by_one_name(tmp_path: Path) -> None:
    workflow = tmp_path / "gate.yaml"
    workflow.write_text("version: 1\nname: gate\nsteps: [{name: gate, type: line_cuont@1}]\n")
    with pytest.raises(appliance.ERRORS, match="line_count@1"):
        appliance.Workflow.load(workflow)
    with pytest.raises(appliance.ERRORS, match="no such file"):
        appliance.Workflow.load("no-such-workflow")
    workflow.write_text("version: 1\nname: gate\nsteps: [{name: s, type: state@1}]\n")
    with pytest.raises(appliance.ERRORS):
        appliance.Pipeline(tmp_path / "none.mp4", workflow).start()


def test_mistakes_of_the_program_are_not_among_them() -> None:
    assert not issubclass(TypeError, appliance.ERRORS)
