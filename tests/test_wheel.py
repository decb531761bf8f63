"""The wheel has all that the program needs, and works without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def run_installed(wheel: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the unpacked wheel alone, in an empty folder; libraries are this one's."""
    installed = folder / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    empty = folder / "empty"
    empty.mkdir()
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_both_packages_their_types_and_what_ships_beside_them(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "appliance/py.typed",
        "blocks/py.typed",
        "appliance/inference/catalog.yaml",
        "appliance/share/workflows/people-count.yaml",
        "appliance/share/workflows/workflow.schema.json",
        "appliance/share/config/appliance.yaml",
        "appliance/share/requirements/convert.txt",
    } <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"appliance", "blocks"}


def test_the_wheel_names_its_command_and_its_blocks(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entry_points,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
    text = archive.read(entry_points).decode()
    assert "[console_scripts]\nappliance = appliance.__main__:main" in text
    assert "[appliance.blocks]\nbuiltin = blocks" in text


def test_the_wheel_finds_what_it_shipped_and_checks_its_own_workflow(
    wheel: Path, tmp_path: Path
) -> None:
    script = (
        "import appliance, sys\n"
        "from appliance.shipped import shipped\n"
        "from appliance.cli import main\n"
        "assert 'installed' in appliance.__file__, appliance.__file__\n"
        "assert 'share' in str(shipped('requirements/convert.txt'))\n"
        "main(['check', str(shipped('workflows/people-count.yaml'))])\n"
    )
    done = run_installed(wheel, tmp_path, "-c", script)
    assert done.returncode == 0, done.stderr
    assert "people-count.yaml: ok, 6 steps" in done.stdout


def test_importing_the_engine_loads_no_runtime(wheel: Path, tmp_path: Path) -> None:
    script = (
        "import sys, appliance.engine.plan\n"
        "print(sorted({'av', 'onnxruntime', 'sqlalchemy', 'paho', 'structlog'} & set(sys.modules)))"
    )
    done = run_installed(wheel, tmp_path, "-c", script)
    assert done.stdout == "[]\n", done.stderr
