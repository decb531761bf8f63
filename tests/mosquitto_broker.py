"""A pytest plugin: the fixture `mosquitto`, a real broker on a free port of the loopback."""

import contextlib
import getpass
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ANSWER_S = 10.0
PORTS_TRIED = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class MosquittoBroker:
    """The broker of Debian's package. It may be killed and started again, on the same port.

    Its queues are unlimited, so that it forwards what it acknowledges. `settings` are the lines of
    its configuration file beside the port; at first, everybody may come in.
    """

    def __init__(self, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._folder = folder
        self.settings = ["allow_anonymous true"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def file(self, name: str, text: str) -> Path:
        """Write a file beside its configuration, for a line of `settings` to name."""
        path = self._folder / name
        path.write_text(text)
        return path

    @property
    def log(self) -> str:
        return (self._folder / "mosquitto.log").read_text(errors="replace")

    def start(self) -> None:
        assert self._process is None, "it runs already"
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.fail("mosquitto is missing: sudo apt-get install mosquitto", pytrace=False)
        config = self._folder / "mosquitto.conf"
        lines = (
            f"listener {self.port} {self.host}",
            f"user {getpass.getuser()}",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            *self.settings,
        )
        config.write_text("\n".join(lines) + "\n")
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-v", "-c", str(config)], stdout=log, stderr=log
            )
        self._wait_for_answer(self._process)

    def start_on_a_free_port(self) -> None:
        # Between asking for a port and taking it, somebody else may have taken it.
        for _ in range(PORTS_TRIED - 1):
            with contextlib.suppress(ChildProcessError):
                return self.start()
            self._process = None
            self.port = free_port()
        return self.start()

    def kill(self) -> None:
        """As a power cut would: it says goodbye to nobody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ANSWER_S)
            self._process = None

    def pause(self) -> None:
        """It keeps its connections, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ChildProcessError(f"mosquitto ended at once:\n{self.log}")
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.host, self.port), timeout=1.0),
            ):
                return
            time.sleep(0.01)
        raise TimeoutError(f"mosquitto did not answer within {ANSWER_S:g} s:\n{self.log}")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[MosquittoBroker]:
    """A broker that runs and lets everybody in; killed at the end."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = MosquittoBroker(folder)
    broker.start_on_a_free_port()
    try:
        yield broker
    finally:
        broker.kill()
