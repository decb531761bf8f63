"""A pytest plugin: RTSP cameras on the loopback, with the faults of real ones.

    def test_a_camera(rtsp_server: RtspServer) -> None:
        camera = rtsp_server.add("gate", ClipSpec(width=640, height=480))
        … camera.url() … camera.stall() … camera.go_on() … rtsp_server.kill()

The fixtures are `rtsp_server`, without a camera, and `rtsp_camera`, one of 320x240 at 25 frames/s.
"""

import contextlib
import json
import mmap
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pytest

from tests.cameras.clips import ClipSpec, clip_file
from tests.cameras.sender import LOG_BYTES

ROOT = Path(__file__).parents[2]
# A virtual environment has no bindings of GStreamer; Debian's own Python has.
SYSTEM_PYTHON = "/usr/bin/python3"
READY_S = 30.0
ANSWER_S = 15.0
PORTS_TRIED = 5
MISSING = "GStreamer's RTSP server is missing ({what}): `make parts` installs it"


class PortTakenError(Exception):
    """Somebody else has the port."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RtspCamera:
    """One mount point of a server. Its faults last until `go_on`."""

    def __init__(self, server: "RtspServer", name: str, log: Path) -> None:
        self.name = name
        self._server = server
        with log.open("r+b") as file:
            self._log = mmap.mmap(file.fileno(), LOG_BYTES)

    def url(self, user: str | None = None, password: str = "") -> str:
        who = f"{user}:{password}@" if user is not None else ""
        return f"rtsp://{who}127.0.0.1:{self._server.port}/{self.name}"

    def stall(self) -> None:
        """It keeps its connections and sends nothing."""
        self._do("stall")

    def freeze(self) -> None:
        """It sends one identical picture, the next key frame, again and again."""
        self._do("freeze")

    def go_on(self) -> None:
        """No stall, freeze, corruption or pause any more."""
        self._do("go_on")

    def corrupt(self, flip: float = 0.0, drop: float = 0.0) -> None:
        """Flip bytes in this share of the pictures, drop this share of the packets."""
        self._do("corrupt", flip=flip, drop=drop)

    def burst_pause(self, pause_s: float = 0.02) -> None:
        """Send each picture of two packets or more in two bursts, with a pause between them."""
        self._do("burst_pause", pause_s=pause_s)

    def jump(self, seconds: float) -> None:
        """Let the RTP time stamps jump, forward or back; the sender reports follow."""
        self._do("jump", seconds=seconds)

    def rate(self, rate: float) -> None:
        """Deliver so many pictures a second, whatever the stream declares."""
        self._do("rate", rate=rate)

    def switch(self, spec: ClipSpec, *, drop: bool | None = None) -> None:
        """Send another clip from now on.

        With `drop` all clients are hung up on. Without, the new parameter sets come in the stream.
        By default they are hung up on if the codec changes, which a session cannot express.
        """
        if drop is None:
            drop = spec.codec != self._server.specs[self.name].codec
        self._server.specs[self.name] = spec
        self._do("switch", clip=str(clip_file(spec)), drop=drop)

    def close(self) -> int:
        """Hang up on all clients; how many there were. They may come again."""
        return int(self._do("close"))

    def sent_s(self, number: int) -> float | None:
        """When the picture of that number was last sent, by `time.monotonic`; None: never."""
        (sent_ns,) = struct.unpack_from("<Q", self._log, number * 8)
        return sent_ns / 1e9 if sent_ns else None

    def _do(self, action: str, **arguments: object) -> Any:
        return self._server.do(action, camera=self.name, **arguments)


class RtspServer:
    """A process with any number of cameras. It may be killed and started again, on the same port.

    With `credentials`, a user and a password, it lets nobody else in; `method` is how it asks.
    """

    def __init__(
        self,
        folder: Path,
        credentials: tuple[str, str] | None = None,
        method: Literal["basic", "digest"] = "digest",
    ) -> None:
        self.port = free_port()
        self.specs: dict[str, ClipSpec] = {}
        self._folder = folder
        self._credentials = credentials
        self._method = method
        self._options: dict[str, dict[str, object]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "rtsp.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it; the first time it looks for another port if its own is taken."""
        assert self._process is None, "it runs already"
        for _ in range(PORTS_TRIED - 1):
            try:
                return self._start()
            except PortTakenError:
                if self.specs:
                    time.sleep(0.2)
                else:
                    self.port = free_port()
        return self._start()

    def add(
        self,
        name: str,
        spec: ClipSpec | None = None,
        *,
        rate: float | None = None,
        mtu: int = 1400,
        drift_ppm: float = 0.0,
        report_every_s: float = 5.0,
    ) -> RtspCamera:
        """Add a camera, which delivers at `rate` (as declared by default) in packets of `mtu`.

        Its clock gains `drift_ppm`; its sender reports come about `report_every_s` apart. The
        server need not run yet.
        """
        log = self._folder / f"{name}.sent"
        log.write_bytes(bytes(LOG_BYTES))
        self.specs[name] = spec or ClipSpec()
        self._options[name] = {
            "log": str(log),
            "rate": rate,
            "mtu": mtu,
            "drift_ppm": drift_ppm,
            "report_every_s": report_every_s,
        }
        clip_file(self.specs[name])
        if self._process is not None:
            self._add(name)
        return RtspCamera(self, name, log)

    def kill(self) -> None:
        """As a power cut would: it says goodbye to nobody."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(ANSWER_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None

    def stop(self) -> None:
        """It keeps its connections, and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it on the same port, with the same cameras and no faults."""
        self.kill()
        self.start()

    def refuse(self, *, on: bool = True) -> None:
        """Hang up on every new connection at once, or no more."""
        self.do("refuse", on=on)

    def do(self, action: str, **arguments: object) -> Any:
        """Give one command and wait for the answer."""
        assert self._process is not None, "it does not run"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": action, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._read(self._process, ANSWER_S)
        assert "error" not in answer, f"{answer['error']}\n{self.log}"
        return answer["answer"]

    def _start(self) -> None:
        if not Path(SYSTEM_PYTHON).exists():
            pytest.fail(MISSING.format(what=f"{SYSTEM_PYTHON} is not there"), pytrace=False)
        command = [SYSTEM_PYTHON, "-s", "-m", "tests.cameras.rtsp_server", str(self.port)]
        # What the tests' own Python is told is not for the system's.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        with (self._folder / "rtsp.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self._prepare(self._read(self._process, READY_S))
        except BaseException:
            self.kill()
            raise

    def _prepare(self, said: dict[str, Any]) -> None:
        """Its first word has come: give it the credentials and the cameras."""
        if "missing" in said:
            pytest.fail(MISSING.format(what=said["missing"]), pytrace=False)
        if not said["port"]:
            raise PortTakenError(f"port {self.port} is taken")
        if self._credentials is not None:
            user, password = self._credentials
            self.do("credentials", user=user, password=password, method=self._method)
        for name in self.specs:
            self._add(name)

    def _add(self, name: str) -> None:
        clip = str(clip_file(self.specs[name]))
        self.do("add", camera=name, clip=clip, **self._options[name])

    def _read(self, process: subprocess.Popen[bytes], within_s: float) -> dict[str, Any]:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(within_s):
                raise TimeoutError(f"no word within {within_s:g} s:\n{self.log}")
        line = process.stdout.readline()
        if not line:
            raise ChildProcessError(f"the RTSP server ended:\n{self.log}")
        said: dict[str, Any] = json.loads(line)
        return said


@pytest.fixture
def rtsp_server(tmp_path: Path) -> Iterator[RtspServer]:
    """A server that runs, without a camera; killed at the end."""
    folder = tmp_path / "rtsp"
    folder.mkdir()
    with RtspServer(folder) as server:
        yield server


@pytest.fixture
def rtsp_camera(rtsp_server: RtspServer) -> RtspCamera:
    """One camera: H.264, 320x240, 25 frames/s, a key frame a second."""
    return rtsp_server.add("camera")
