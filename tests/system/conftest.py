"""Fixtures of the system tests: the daemon as a process, its state directory, a real broker."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.inference.store import Store
from tests.cameras.camera import rtsp_camera, rtsp_server
from tests.mosquitto_broker import mosquitto
from tests.system.processes import PATIENCE_S, Appliance

__all__ = ["mosquitto", "rtsp_camera", "rtsp_server"]


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    runner = Appliance(tmp_path)
    yield runner
    for process in runner.started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_S)


@pytest.fixture
def state_dir(tmp_path: Path, demo_store: Store) -> Path:
    for folder in ("models", "probes"):
        shutil.copytree(demo_store.root / folder, tmp_path / "state" / folder)
    return tmp_path / "state"
