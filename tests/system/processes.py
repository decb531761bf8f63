"""The daemon as a process of its own, and a subscriber that remembers what it got."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

PATIENCE_S = 60.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


class Appliance:
    """Runs the command `appliance` in a folder; what it prints goes to files there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        number = len(self.started)
        command = [sys.executable, "-m", "appliance", *(str(word) for word in words)]
        with (
            (self.folder / f"out{number}.txt").open("wb") as out,
            (self.folder / f"err{number}.txt").open("wb") as err,
        ):
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=out,
                stderr=err,
            )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
        """Its exit status, and what it printed to standard output and standard error."""
        status = process.wait(PATIENCE_S)
        number = self.started.index(process)
        return status, self.printed(f"out{number}.txt"), self.printed(f"err{number}.txt")

    def printed(self, name: str) -> str:
        return (self.folder / name).read_text(errors="replace")

    def run(self, *words: str | Path) -> tuple[int, str, str]:
        return self.finish(self.start(*words))


class Subscriber:
    """Everything a broker forwards, as it came. It comes back when the broker does."""

    def __init__(self, host: str, port: int) -> None:
        self.received: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="witness", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._ready = threading.Event()
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect(host, port, clean_start=False)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe("yard/#", qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self.received.append(json.loads(message.payload))

    def ids(self) -> list[str]:
        with self._lock:
            return [event["id"] for event in self.received]

    def has(self, count: int) -> bool:
        """Whether so many different events have come."""
        return len(set(self.ids())) >= count

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
