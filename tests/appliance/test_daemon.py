"""Cameras, lanes and deliveries wired together and taken apart again."""

import json
import socket
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from appliance.clock import SystemClock
from appliance.control import ControlError, request
from appliance.daemon import Daemon, serve
from appliance.engine.errors import DefinitionError
from appliance.engine.plan import Plan
from appliance.pipelines.planning import plan_pipelines
from appliance.settings import (
    CameraSettings,
    ConnectionSettings,
    PipelineSettings,
    Settings,
    read_settings,
)
from appliance.video.capture import Pace
from blocks.block import BlockType, Manifest, block
from blocks.data import Moment
from blocks.loading import load_blocks

WORKFLOW = """\
version: 1
name: tell
inputs: {image: {type: image}}
steps:
  - {name: tell, type: event@1, connection: CONNECTION, data: {number: $frame.sequence}}
"""
YARD = """\
version: 1
name: yard
inputs: {image: {type: image}}
steps:
  - {name: stock, type: stock@1}
  - name: tell
    type: event@1
    connection: local
    data: {n: $steps.stock.n, last: $steps.stock.last, camera: $frame.camera}
"""
PATIENCE_S = 20.0


class NoSettings(Manifest):
    """Nothing to set."""


class Stock(NamedTuple):
    """How many frames there were, and whether this is the last word."""

    n: int
    last: bool


@block("stock@1", NoSettings, scope="pipeline")
class CountStock:
    """Counts the frames of all cameras; whoever enters while another is in has broken in."""

    def __init__(self, manifest: NoSettings) -> None:
        self._n = 0
        self._inside = threading.Lock()

    def run(self, moment: Moment) -> Stock:
        """Count one more."""
        if not self._inside.acquire(blocking=False):
            raise RuntimeError("two cameras at once")
        try:
            before = self._n
            # Whoever waits for the interpreter gets it now.
            time.sleep(0.0005)
            self._n = before + 1
            return Stock(self._n, last=False)
        finally:
            self._inside.release()

    def stop(self, now: Moment) -> Stock:
        """The last word."""
        return Stock(self._n, last=True)


@block("hold@1", NoSettings)
class Hold:
    """Counts frames, and says how many only at the stop; refuses the third one."""

    def __init__(self, manifest: NoSettings) -> None:
        self._n = 0

    def run(self, moment: Moment) -> Stock | None:
        """Count one more."""
        if self._n == 2:
            raise ValueError("the third is too many")
        self._n += 1
        return None

    def stop(self, now: Moment) -> Stock:
        """Say it."""
        return Stock(self._n, last=True)


BLOCKS: dict[str, BlockType] = load_blocks() | {
    found.type: found for found in (vars(cls)["block_type"] for cls in (CountStock, Hold))
}

Make = Callable[..., Settings]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_settings(
        cameras: dict[str, Path | str], connection: str = "local", **urls: str
    ) -> Settings:
        (tmp_path / "tell.yaml").write_text(WORKFLOW.replace("CONNECTION", connection))
        kinds: dict[str, Any] = {"mqtt": "mqtt", "sqlite": "sql"}
        connections = {
            n: ConnectionSettings(type=kinds[u.split(":")[0]], url=u) for n, u in urls.items()
        }
        local = {"local": ConnectionSettings(type="sql", url="sqlite:///events.db")}
        return Settings(
            state_dir=tmp_path / "state",
            cameras={name: CameraSettings(url=str(url)) for name, url in cameras.items()},
            connections=local | connections,
            pipelines={"tell": PipelineSettings(workflow="tell.yaml", cameras=tuple(cameras))},
            base=tmp_path,
        )

    return make_settings


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    daemons: list[Daemon] = []

    def start_daemon(settings: Settings, pace: Pace = Pace.FAST) -> Daemon:
        plans = plan_pipelines(settings, BLOCKS, ())
        daemon = Daemon(settings, plans, SystemClock(), pace=pace)
        daemons.append(daemon)
        daemon.start()
        return daemon

    yield start_daemon
    for daemon in daemons:
        daemon.stop(2.0)
        daemon.close()


def test_two_cameras_of_a_pipeline_have_a_lane_each_and_every_event_arrives(
    make: Make, start: Callable[..., Daemon], short_clip: Path
) -> None:
    daemon = start(make({"front": short_clip, "back": short_clip}))
    wait_for(lambda: daemon.ended)
    assert daemon.drain(PATIENCE_S, threading.Event())
    status = daemon.status()
    assert [lane["name"] for lane in status["lanes"]] == ["tell:front", "tell:back"]
    assert all(lane["buckets"] == {"processed": 40} for lane in status["lanes"])
    assert status["connections"]["local"]["delivered"] == 80
    assert status["cameras"]["front"]["state"] == "ended"


def test_a_camera_that_is_missing_delays_no_other(
    make: Make, start: Callable[..., Daemon], short_clip: Path, tmp_path: Path
) -> None:
    daemon = start(make({"gone": tmp_path / "gone.mp4", "front": short_clip}))
    wait_for(lambda: daemon.status()["lanes"][1]["buckets"].get("processed") == 40)
    gone = daemon.status()["cameras"]["gone"]
    assert gone["state"] == "offline"
    assert "there is no such file" in gone["last_error"]
    assert not daemon.ended


def test_events_of_an_earlier_run_are_delivered_when_the_peer_is_back(
    make: Make, start: Callable[..., Daemon], short_clip: Path, tmp_path: Path
) -> None:
    first = start(make({"front": short_clip}, "plant", plant="mqtt://127.0.0.1:9"))
    wait_for(lambda: first.ended)
    first.stop(2.0)
    assert first.status()["connections"]["plant"]["pending"] == 40
    first.close()
    again = start(make({"front": short_clip}, "local", plant=f"sqlite:///{tmp_path}/plant.db"))
    wait_for(lambda: again.status()["connections"]["plant"]["delivered"] == 40)


def test_events_that_are_not_committed_yet_are_waited_for(make: Make, short_clip: Path) -> None:
    settings = make({"front": short_clip})
    plans = plan_pipelines(settings, load_blocks(), ())
    daemon = Daemon(settings, plans, SystemClock(), pace=Pace.FAST)
    other = sqlite3.connect(settings.state_dir / "outbox.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    daemon.start()
    try:
        wait_for(lambda: daemon.ended)
        assert not daemon.drain(0.1, threading.Event())
        other.close()
        assert daemon.drain(PATIENCE_S, threading.Event())
        assert daemon.status()["connections"]["local"]["delivered"] == 40
    finally:
        other.close()
        daemon.stop(2.0)
        daemon.close()


def test_a_connection_that_is_declared_no_more_keeps_its_events_and_is_shown(
    make: Make, start: Callable[..., Daemon], short_clip: Path
) -> None:
    first = start(make({"front": short_clip}, "plant", plant="mqtt://127.0.0.1:9"))
    wait_for(lambda: first.ended)
    first.stop(2.0)
    first.close()
    status = start(make({"front": short_clip})).status()
    assert status["outbox"] == {"uncommitted": 0, "last_error": ""}
    assert status["connections"]["plant"]["pending"] == 40
    assert status["connections"]["plant"]["last_error"] == "no pipeline of these settings uses it"


def told(settings: Settings) -> list[dict[str, Any]]:
    """The data of all events that have arrived, in their order."""
    with closing(sqlite3.connect(settings.state_dir / "events.db")) as database:
        return [json.loads(data) for (data,) in database.execute("SELECT data FROM events")]


def test_a_block_for_the_whole_pipeline_counts_over_all_its_cameras_one_at_a_time(
    make: Make, start: Callable[..., Daemon], short_clip: Path, tmp_path: Path
) -> None:
    settings = make({"front": short_clip, "back": short_clip})
    (tmp_path / "tell.yaml").write_text(YARD)
    daemon = start(settings)
    wait_for(lambda: daemon.ended)
    assert daemon.drain(PATIENCE_S, threading.Event())
    assert [lane["failures"] for lane in daemon.status()["lanes"]] == [{}, {}]
    *before, end = told(settings)
    assert (end["n"], end["last"]) == (80, True)
    rows = [row for row in before if not row["last"]]
    assert sorted(row["n"] for row in rows) == list(range(1, 81))
    for camera in ("front", "back"):
        seen = [row["n"] for row in rows if row["camera"] == camera]
        assert len(seen) == 40
        assert seen == sorted(seen)


def test_what_a_block_held_back_is_delivered_at_the_stop_also_of_a_lane_that_has_failed(
    make: Make, start: Callable[..., Daemon], short_clip: Path, tmp_path: Path
) -> None:
    settings = make({"front": short_clip})
    hold = YARD.replace("stock@1}", "hold@1, on_error: stop}")
    hold = hold.replace("connection:", "when: steps.stock.last\n    connection:")
    (tmp_path / "tell.yaml").write_text(hold)
    daemon = start(settings)
    wait_for(lambda: bool(daemon.status()["lanes"][0]["buckets"].get("failed")))
    daemon.stop(2.0)
    assert daemon.status()["connections"]["local"]["delivered"] == 1
    assert told(settings) == [{"n": 2, "last": True, "camera": "front"}]


def test_what_is_probably_not_meant_is_logged_once(
    make: Make, start: Callable[..., Daemon], short_clip: Path, tmp_path: Path
) -> None:
    settings = make({"front": short_clip, "back": short_clip})
    (tmp_path / "tell.yaml").write_text(
        "version: 1\nname: tell\nsteps:\n  - {name: stock, type: stock@1}\n"
    )
    with capture_logs() as logs:
        start(settings)
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["at"], line["where"], line["what"]) for line in warnings] == [
        (
            f"{tmp_path}/tell.yaml:4:5",
            "steps.stock",
            "this step is for nothing: no step and no output takes what it gives",
        )
    ]


def test_a_block_that_refuses_its_settings_refuses_the_daemon(
    make: Make, short_clip: Path, tmp_path: Path
) -> None:
    settings = make({"front": short_clip})
    (tmp_path / "tell.yaml").write_text(
        "version: 1\nname: find\ninputs: {image: {type: image}}\nsteps:\n"
        "  - {name: find, type: object_detection@1, image: $inputs.image, model: people-ssdlite}\n"
    )
    plans = plan_pipelines(settings, load_blocks(), {"people-ssdlite"})
    with pytest.raises(DefinitionError, match="not on this machine yet"):
        Daemon(settings, plans, SystemClock())


def test_a_served_daemon_answers_and_stops_over_its_socket(make: Make, short_clip: Path) -> None:
    settings = make({"front": short_clip})
    plans = plan_pipelines(settings, load_blocks(), ())
    stop = threading.Event()
    thread = threading.Thread(
        target=serve, args=(settings, plans, SystemClock(), stop), daemon=True
    )
    thread.start()
    wait_for(lambda: (settings.state_dir / "control.sock").exists())
    assert request(settings.state_dir, "status")["lanes"][0]["name"] == "tell:front"
    assert request(settings.state_dir, "stop") == {"stopping": True}
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not (settings.state_dir / "control.sock").exists()


def test_a_daemon_that_could_not_be_spoken_to_does_not_run_and_leaves_nothing_behind(
    make: Make, short_clip: Path
) -> None:
    settings = make({"front": short_clip})
    plans = plan_pipelines(settings, load_blocks(), ())
    in_the_way = settings.state_dir / "control.sock"
    in_the_way.mkdir(parents=True)
    before = threading.active_count()
    with pytest.raises(ControlError, match="the socket for commands cannot be made"):
        serve(settings, plans, SystemClock(), threading.Event())
    assert threading.active_count() == before
    # Not even the lock of the state directory.
    in_the_way.rmdir()
    stop = threading.Event()
    stop.set()
    serve(settings, plans, SystemClock(), stop)
    assert not in_the_way.exists()


def test_a_camera_that_accepts_and_is_mute_does_not_delay_the_stop(
    make: Make, start: Callable[..., Daemon], short_clip: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, capture_logs() as logs:
        port = server.getsockname()[1]
        mute = {kind: f"{kind}://127.0.0.1:{port}/camera" for kind in ("rtsp", "http")}
        daemon = start(make({"front": short_clip, **mute}))
        server.settimeout(PATIENCE_S)
        with ExitStack() as stack:
            # Both wait for an answer.
            for _ in mute:
                stack.enter_context(server.accept()[0])
            daemon.stop(2.0)
    assert "did not stop in time" not in [line["event"] for line in logs]
    states = {name: status["state"] for name, status in daemon.status()["cameras"].items()}
    assert states == dict.fromkeys(("front", *mute), "ended")


class LeakyManifest(Manifest):
    """A text."""

    text: str


@block("leaky@1", LeakyManifest)
class Leaky:
    """Tells its text: when it is made, or with every frame."""

    def __init__(self, manifest: LeakyManifest) -> None:
        self._text = manifest.text
        if manifest.text.endswith("refused"):
            raise ValueError(f"there is no label '{manifest.text}'")

    def run(self, moment: Moment) -> Stock:
        """Break."""
        raise LookupError(f"there is no label '{self._text}'")


LEAKY = """\
version: 1
cameras: {front: {url: CLIP}}
pipelines:
  leak: {workflow: leak.yaml, cameras: [front], inputs: {word: !secret word}}
"""


def leaky(tmp_path: Path, clip: Path, word: str, on_error: str) -> tuple[Settings, dict[str, Plan]]:
    """Settings that give a secret to a block that tells it."""
    (tmp_path / "secrets.yaml").write_text(f"word: {word}\n")
    (tmp_path / "leak.yaml").write_text(
        "version: 1\nname: leak\ninputs: {word: {type: string}}\nsteps:\n"
        f"  - {{name: look, type: leaky@1, text: $inputs.word, on_error: {on_error}}}\n"
    )
    (tmp_path / "appliance.yaml").write_text(LEAKY.replace("CLIP", str(clip)))
    settings = read_settings(tmp_path / "appliance.yaml", tmp_path / "leak-state")
    blocks = BLOCKS | {"leaky@1": vars(Leaky)["block_type"]}
    return settings, plan_pipelines(settings, blocks, ())


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_secret_of_the_settings_is_in_no_log_and_no_status(
    tmp_path: Path, short_clip: Path, on_error: str
) -> None:
    settings, plans = leaky(tmp_path, short_clip, "hunter2-0815", on_error)
    daemon = Daemon(settings, plans, SystemClock(), pace=Pace.FAST, restarts=False)
    with capture_logs() as logs:
        daemon.start()
        wait_for(lambda: daemon.ended)
        daemon.stop(2.0)
    status = daemon.status()
    daemon.close()
    told = json.dumps(status) + str(logs) + str(daemon.failure)
    assert "there is no label '…'" in status["lanes"][0]["last_failure"]
    assert "hunter2" not in told
    assert (daemon.failure is not None) == (on_error == "stop")


def test_a_refusal_at_the_start_tells_no_secret_of_the_settings(
    tmp_path: Path, short_clip: Path
) -> None:
    settings, plans = leaky(tmp_path, short_clip, "hunter2-refused", "skip")
    with pytest.raises(DefinitionError) as refused:
        Daemon(settings, plans, SystemClock())
    assert "there is no label '…'" in str(refused.value)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
