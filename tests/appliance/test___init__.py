"""What `import appliance` brings, and what it does not."""

import subprocess
import sys

import pytest

import appliance
from appliance.pipeline import Pipeline
from appliance.workflow import Workflow

# What a script that only checks workflows would wait for in vain.
HEAVY = ("av", "onnxruntime", "paho", "sqlalchemy", "structlog")


def loaded_by(statement: str) -> list[str]:
    """Which heavy libraries a fresh Python has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("module", ["appliance", "appliance.engine.plan"])
def test_the_package_and_its_engine_load_no_runtime(module: str) -> None:
    assert loaded_by(f"import {module}") == []


def test_the_runtime_comes_when_a_workflow_is_asked_for() -> None:
    assert "onnxruntime" in loaded_by("from appliance import Workflow")


def test_what_is_offered_is_found_under_its_name() -> None:
    assert appliance.Workflow is Workflow
    assert appliance.Pipeline is Pipeline
    assert all(getattr(appliance, name) is not None for name in appliance.__all__)
    assert set(appliance.__all__) <= set(dir(appliance))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Workflows'"):
        _ = appliance.Workflows  # type: ignore[attr-defined]  # that is the test
