"""A real server of the Open Inference Protocol: MLServer, in an environment of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.clock import SystemClock
from appliance.inference.remote import OfflineError, RemoteSession
from appliance.inference.remote_address import Remote
from tests.mosquitto_broker import free_port
from tests.system.processes import wait_for

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(900)]

MLSERVER = "mlserver==1.7.1"
SETUP_S = 600.0
STOP_S = 30.0
IMAGE = np.linspace(-1, 1, 3 * 64 * 64, dtype=np.float32).reshape(1, 3, 64, 64)

RUNTIME = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Double(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        image = NumpyCodec.decode_input(payload.inputs[0])
        outputs = [NumpyCodec.encode_output("doubled", image * 2)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""


class MLServer:
    """The server with one model, `double`. It may be killed and started again."""

    def __init__(self, environment: Path, folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        tensor = {"datatype": "FP32", "shape": [-1, 3, 64, 64]}
        model = {
            "name": "double",
            "implementation": "runtime.Double",
            "inputs": [{"name": "image", **tensor}],
            "outputs": [{"name": "doubled", **tensor}],
        }
        ports = {"http_port": self.port, "grpc_port": free_port(), "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", **ports, "parallel_workers": 0}
        (folder / "runtime.py").write_text(RUNTIME)
        (folder / "model-settings.json").write_text(json.dumps(model))
        (folder / "settings.json").write_text(json.dumps(settings))

    def start(self) -> None:
        path = f"{self._environment / 'bin'}:{os.environ['PATH']}"
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [self._environment / "bin" / "mlserver", "start", str(self._folder)],
                cwd=self._folder,
                env={**os.environ, "PATH": path},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(STOP_S)
            self._process = None


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with MLServer: 330 MB, and a minute."""
    folder = tmp_path_factory.mktemp("mlserver") / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=SETUP_S)
    install = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", MLSERVER]
    done = subprocess.run(install, capture_output=True, text=True, timeout=SETUP_S, check=False)
    if done.returncode:
        pytest.fail(f"pip cannot fetch {MLSERVER}: {done.stderr[-2000:]}", pytrace=False)
    return folder


@pytest.fixture
def mlserver(environment: Path, tmp_path: Path) -> Iterator[MLServer]:
    server = MLServer(environment, tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def session(mlserver: MLServer) -> Iterator[RemoteSession]:
    """A session on the server, which may be starting yet."""
    remote = Remote(url=f"http://127.0.0.1:{mlserver.port}", model="double", timeout_s=20.0)
    session = RemoteSession("people", remote, SystemClock())
    yield session
    session.close()


def answers(session: RemoteSession) -> bool:
    try:
        session.run(IMAGE)
    except OfflineError:
        return False
    return True


def test_its_model_is_used_by_json_which_is_what_it_takes(session: RemoteSession) -> None:
    wait_for(lambda: answers(session), "MLServer to be ready")
    assert session.facts.inputs == {"image": ("?", 3, 64, 64)}
    assert session.facts.outputs == {"doubled": ("?", 3, 64, 64)}
    outputs = session.run(IMAGE)
    assert outputs["doubled"].dtype == np.float32
    assert np.array_equal(outputs["doubled"], IMAGE * 2)
    assert session.tensors == "json"
    assert session.state == "online, by JSON, which is slow: it takes no binary tensors"


def test_it_is_missed_when_it_is_killed_and_used_again_when_it_is_back(
    mlserver: MLServer, session: RemoteSession
) -> None:
    wait_for(lambda: answers(session), "MLServer to be ready")
    mlserver.kill()
    with pytest.raises(OfflineError, match=r"people: the model 'double' on .* cannot be used"):
        session.run(IMAGE)
    assert session.is_offline
    mlserver.start()
    wait_for(lambda: answers(session), "MLServer to be back")
    assert session.state.startswith("online")


def test_a_model_it_has_not_is_a_sentence(mlserver: MLServer, session: RemoteSession) -> None:
    wait_for(lambda: answers(session), "MLServer to be ready")
    remote = Remote(url=f"http://127.0.0.1:{mlserver.port}", model="triple", timeout_s=20.0)
    other = RemoteSession("people", remote, SystemClock())
    with pytest.raises(
        OfflineError, match=r"no such model there \(404\).*'Model triple not found'"
    ):
        _ = other.facts
    other.close()
