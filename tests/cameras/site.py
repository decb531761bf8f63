"""A daemon in this process, with cameras, that notes which frames came."""

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml

from appliance.clock import SystemClock
from appliance.control import RefusedError
from appliance.daemon import STOP_S, Daemon
from appliance.engine.turn import Turn
from appliance.pipelines.planning import plan_pipelines
from appliance.settings import read_settings
from blocks.data import Frame
from blocks.loading import load_blocks
from tests.cameras.clips import read_number

# An event now and then, so that the outbox takes part.
WORKFLOW = """version: 1
name: noting
inputs: {image: {type: image}}
steps:
  - name: seen
    type: event@1
    when: double(int(frame.sequence) % 25) == 0
    connection: local
    data: {number: $frame.sequence}
"""
PATIENCE_S = 30.0
POLL_S = 0.02
# A decoder holds pictures back to bring them into order, and low latency hands them on.
HELD_BACK = 20
# What of a lane's frames is kept: hours of them need no more memory than minutes.
KEPT = 3000


class Note(NamedTuple):
    """A frame that was processed: when (monotonic), its times, its numbers, and its size."""

    done_s: float
    at_s: float
    captured_at: float
    sequence: int
    number: int | None
    size: tuple[int, int]


class Site:
    """Runs inside its `with`: one lane for each camera, which notes all its frames.

    `cameras` are those of the settings; `terms` are of the one pipeline that watches them all.
    """

    def __init__(
        self, folder: Path, cameras: Mapping[str, Mapping[str, Any]], **terms: object
    ) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "noting.yaml").write_text(WORKFLOW)
        pipeline = {"workflow": "noting.yaml", "cameras": list(cameras), **terms}
        document = {"version": 1, "cameras": dict(cameras), "pipelines": {"noting": pipeline}}
        file = folder / "appliance.yaml"
        file.write_text(yaml.safe_dump(document))
        settings = read_settings(file, folder / "state")
        plans = plan_pipelines(settings, load_blocks(), ())
        self._lock = threading.Lock()
        self._notes = {name: deque[Note](maxlen=KEPT) for name in cameras}
        self.backwards: list[str] = []
        self.daemon = Daemon(settings, plans, SystemClock(), on_turn=self._note)

    def __enter__(self) -> Self:
        self.daemon.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.daemon.stop(STOP_S)
        self.daemon.close()

    def notes(self, camera: str, since_s: float = 0.0) -> list[Note]:
        """The frames of a camera that were done since a time of `time.monotonic`."""
        with self._lock:
            return [note for note in self._notes[camera] if note.done_s >= since_s]

    def camera(self, name: str) -> Mapping[str, Any]:
        """The status of one camera."""
        found: Mapping[str, Any] = self.daemon.status()["cameras"][name]
        return found

    def explained(self, camera: str) -> str:
        """All that can be asked of a camera, as text; waits until anything is known of it."""
        told: list[str] = []

        def known() -> bool:
            with contextlib.suppress(RefusedError):
                told.append(str(self.daemon.explain({"camera": camera, "frames": True})))
            return bool(told)

        self.until(known, f"an explanation of {camera}")
        return told[0]

    def until(self, condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait for something; what the cameras say is told if it does not come."""
        deadline = time.monotonic() + within_s
        while not condition():
            told = {name: (c["state"], c["why"]) for name, c in self._cameras().items()}
            assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}: {told}"
            time.sleep(POLL_S)

    def until_frames(self, camera: str, count: int, within_s: float = PATIENCE_S) -> list[Note]:
        """The first frames of a camera from now on."""
        since_s = time.monotonic()
        self.until(
            lambda: len(self.notes(camera, since_s)) >= count,
            f"{count} frames of {camera}",
            within_s,
        )
        return self.notes(camera, since_s)

    def until_state(self, camera: str, *states: str, within_s: float = PATIENCE_S) -> str:
        """Why a camera is in one of these states, once it is."""
        seen: list[str] = []

        def reached() -> bool:
            status = self.camera(camera)
            seen[:] = [status["why"]]
            return status["state"] in states

        self.until(reached, f"{camera} to be {' or '.join(states)}", within_s)
        return seen[0]

    def gap_s(self, camera: str, since_s: float) -> float:
        """The longest pause between two frames that a camera has had since then."""
        done = [note.done_s for note in self.notes(camera, since_s)]
        return max((b - a for a, b in pairwise([since_s, *done])), default=float("inf"))

    def unbalanced(self) -> list[str]:
        """Lanes whose buckets are not what was captured, but for what is held back."""
        wrong = []
        for lane in self.daemon.status()["lanes"]:
            in_flight = lane["captured"] - sum(lane["buckets"].values())
            if not 0 <= in_flight <= HELD_BACK:
                wrong.append(f"{lane['name']}: {in_flight} of {lane['captured']} in flight")
        return wrong

    def left_over(self) -> list[str]:
        """After the stop: lanes of which any frame is in no bucket."""
        lanes = self.daemon.status()["lanes"]
        return [x["name"] for x in lanes if x["captured"] != sum(x["buckets"].values())]

    def _cameras(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.daemon.status()["cameras"]
        return found

    def _note(self, turn: Turn) -> None:
        frame = turn.moment
        if not isinstance(frame, Frame):
            return
        size = (frame.image.width, frame.image.height)
        number, now = read_number(frame.image), time.monotonic()
        note = Note(now, frame.at_s, frame.captured_at, frame.sequence, number, size)
        with self._lock:
            notes = self._notes[frame.camera]
            if notes and _backwards(notes[-1], note):
                self.backwards.append(f"{frame.camera}: {notes[-1]} and then {note}")
            notes.append(note)


def _backwards(before: Note, after: Note) -> bool:
    return not (
        after.at_s > before.at_s
        and after.captured_at >= before.captured_at
        and after.sequence > before.sequence
    )


def open_files() -> Counter[str]:
    """What this process holds open, by kind: "socket", "pipe", or the path of a file.

    The outbox's connections are left out: its pool opens them when asked to, and keeps them.
    """
    kinds: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            kinds[target if target.startswith("/") else target.partition(":")[0]] += 1
    return Counter({kind: count for kind, count in kinds.items() if "/outbox.db" not in kind})
