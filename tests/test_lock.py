"""The lock files hold for every machine we promise, and name no index."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("runtime", "dev", "convert")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("x86_64-manylinux_2_36", "aarch64-manylinux_2_36")


def _lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def _resolve(lock: Path, python: str, platform: str, target: Path) -> str:
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", python]
    command += ["--python-platform", platform, "--target", str(target), "-r", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_runtime_lock_resolves_to_wheels(python: str, platform: str, tmp_path: Path) -> None:
    resolved = _resolve(_lock("runtime"), python, platform, tmp_path)
    runtimes = re.findall(r"\+ (onnxruntime\S*)==", resolved)
    expected = "onnxruntime-openvino" if platform.startswith("x86_64") else "onnxruntime"
    assert runtimes == [expected]
    assert "+ opencv-python-headless==" in resolved
    assert "+ opencv-python==" not in resolved


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", ["dev", "convert"])
def test_the_other_locks_resolve_on_the_oldest_python(
    name: str, platform: str, tmp_path: Path
) -> None:
    assert "Would install" in _resolve(_lock(name), "3.11", platform, tmp_path)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_hashes_everything(name: str) -> None:
    text = _lock(name).read_text()
    assert "://" not in text
    assert "index-url" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries if not entry.startswith("#"))


def test_development_runs_on_the_versions_that_ship() -> None:
    pins = {
        name: dict(re.findall(r"^(\S+)==(\S+)", _lock(name).read_text(), re.M)) for name in LOCKS
    }
    differing = {
        p: (v, pins["dev"].get(p)) for p, v in pins["runtime"].items() if pins["dev"].get(p) != v
    }
    assert not differing


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([\w-]+)==", _lock("runtime").read_text(), re.M))
    names = {re.split(r"[<>=!;\[ ]", wanted)[0] for wanted in project["dependencies"]}
    assert names <= locked
