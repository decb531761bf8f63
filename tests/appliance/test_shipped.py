"""Files beside the code, in a checkout and in an installed wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import appliance
from appliance.shipped import shipped


@pytest.mark.parametrize(
    "name",
    [
        "config/appliance.yaml",
        "requirements/convert.txt",
        "workflows",
        "workflows/people-count.yaml",
    ],
)
def test_what_ships_is_there(name: str) -> None:
    assert shipped(name).exists()


def test_in_a_checkout_it_lies_at_the_root() -> None:
    root = Path(str(appliance.__file__)).parents[1]
    assert shipped("config/appliance.yaml") == root / "config" / "appliance.yaml"


def test_what_does_not_ship_is_not_there() -> None:
    assert not shipped("config/nothing.yaml").exists()


def test_installed_it_lies_in_the_package(tmp_path: Path) -> None:
    package = tmp_path / "appliance"
    (package / "share" / "config").mkdir(parents=True)
    (package / "share" / "config" / "appliance.yaml").touch()
    # Beside the package others keep what they like.
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "appliance.yaml").touch()
    for name in ("__init__.py", "shipped.py"):
        shutil.copy(Path(str(appliance.__file__)).with_name(name), package / name)
    code = "from appliance.shipped import shipped; print(shipped('config/appliance.yaml'))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()) == package / "share" / "config" / "appliance.yaml"
