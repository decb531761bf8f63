"""Models in a daemon: loaded while it runs already, shared by its lanes, and let go."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.clock import SystemClock
from appliance.daemon import Daemon
from appliance.engine.errors import DefinitionError
from appliance.inference.loading import MayPassError, Opened, Start
from appliance.inference.models import Models
from appliance.inference.opening import Opener
from appliance.inference.resolution import Resolved
from appliance.inference.store import Store
from appliance.pipelines.planning import plan_pipelines
from appliance.settings import CameraSettings, PipelineSettings, Settings
from appliance.video.capture import Pace
from blocks.loading import load_blocks
from tests.appliance.inference.tiny import card, detector

PATIENCE_S = 30.0
FIND = """\
version: 1
name: find
inputs: {image: {type: image}}
steps:
  - {name: find, type: object_detection@1, image: $inputs.image, model: MODEL}
outputs: {found: $steps.find.detections}
"""


class Held(Opener):
    """Loads a model only when it may; one of the name `heavy` needs too much memory."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, SystemClock())
        self.may = threading.Event()
        self.callers: list[int] = []

    def open(
        self, resolved: Resolved, callers: int, start: Start | None = None, *, raw: bool = False
    ) -> Opened:
        if resolved.card.name == "heavy":
            raise MayPassError("heavy: it needs about 9000 MiB of memory, 800 are free")
        assert self.may.wait(PATIENCE_S)
        self.callers.append(callers)
        return super().open(resolved, callers, start, raw=raw)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


Made = tuple[Daemon, Held, Models]


@pytest.fixture
def make(tmp_path: Path, short_clip: Path) -> Iterator[Callable[..., Made]]:
    """A daemon with a pipeline for each model, all on one camera; it is given its models."""
    daemons: list[tuple[Daemon, Held]] = []

    def make_daemon(*models: str, pace: Pace = Pace.FAST, **pipeline: Any) -> Made:
        store = Store(tmp_path / "state")
        opener = Held(store)
        names = {name: tmp_path / f"{name}.onnx" for name in ("yard", "heavy")}
        scales = {"yard": "0..1", "heavy": "0..255"}
        cards = {
            name: card(name, detector(path), "ssd", "person", input={"scale": scales[name]})
            for name, path in names.items()
        }
        pipelines = {}
        for number, model in enumerate(models):
            (tmp_path / f"{model}.yaml").write_text(FIND.replace("MODEL", model))
            given = PipelineSettings(workflow=f"{model}.yaml", cameras=("gate",), **pipeline)
            pipelines[f"p{number}"] = given
        settings = Settings(
            state_dir=store.root,
            cameras={"gate": CameraSettings(url=str(short_clip), loop=pace is Pace.REALTIME)},
            connections={},
            pipelines=pipelines,
            base=tmp_path,
        )
        lent = Models(store, cards, unloads=True, opener=opener)
        plans = plan_pipelines(settings, load_blocks(), cards)
        daemon = Daemon(settings, plans, SystemClock(), pace=pace, models=lent)
        daemons.append((daemon, opener))
        return daemon, opener, lent

    yield make_daemon
    for daemon, opener in daemons:
        opener.may.set()
        daemon.stop(2.0)
        daemon.close()


def buckets(daemon: Daemon) -> list[dict[str, int]]:
    return [lane["buckets"] for lane in daemon.status()["lanes"]]


def test_the_daemon_runs_while_its_model_loads_and_all_lanes_share_it(
    make: Callable[..., Made],
) -> None:
    daemon, opener, models = make("yard", "yard", "yard", "yard")
    daemon.start()
    wait_for(lambda: daemon.status()["cameras"]["gate"]["state"] == "running")
    assert daemon.status()["models"]["yard"]["state"] == "loading"
    assert buckets(daemon) == [{}] * 4
    opener.may.set()
    wait_for(lambda: daemon.ended)
    assert buckets(daemon) == [{"processed": 40}] * 4
    status = daemon.status()["models"]["yard"]
    assert (status["state"], status["users"], opener.callers) == ("ready", 4, [4])
    daemon.stop(2.0)
    assert models.status()["yard"]["users"] == 4
    daemon.close()
    assert models.status() == {}


def test_frames_that_come_while_the_model_loads_are_late_and_take_no_permit(
    make: Callable[..., Made],
) -> None:
    daemon, opener, _models = make("yard", pace=Pace.REALTIME, max_latency_s=0.3)
    daemon.start()
    wait_for(lambda: buckets(daemon)[0].get("late", 0) >= 2)
    assert daemon.status()["lanes"][0]["failures"] == {}
    opener.may.set()
    wait_for(lambda: buckets(daemon)[0].get("processed", 0) >= 3)


def test_a_model_that_cannot_be_loaded_hurts_its_own_pipeline_only(
    make: Callable[..., Made],
) -> None:
    daemon, opener, _models = make("heavy", "yard")
    opener.may.set()
    daemon.start()
    wait_for(lambda: daemon.ended)
    status = daemon.status()
    why = "heavy: it needs about 9000 MiB of memory, 800 are free"
    assert status["models"]["heavy"]["state"] == f"failed: {why}"
    bad, good = status["lanes"]
    assert bad["failures"] == {"find": 40}
    assert why in bad["last_failure"]
    assert (good["failures"], good["buckets"]) == ({}, {"processed": 40})


def test_a_stop_waits_for_no_model(make: Callable[..., Made]) -> None:
    daemon, _opener, _models = make("yard")
    daemon.start()
    wait_for(lambda: daemon.status()["cameras"]["gate"]["state"] == "running")
    began_s = time.monotonic()
    daemon.stop(5.0)
    assert time.monotonic() - began_s < 3.0
    assert not daemon._hanging


def test_a_model_whose_file_is_bad_is_told_before_anything_starts(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "detector", _broken)
    with pytest.raises(DefinitionError, match=r"yard\.onnx is no ONNX file"):
        make("yard")


def test_a_pipeline_whose_model_is_bad_does_not_stop_the_others(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = detector
    monkeypatch.setitem(
        globals(), "detector", lambda path: (_broken if path.stem == "heavy" else whole)(path)
    )
    daemon, opener, _models = make("heavy", "yard")
    opener.may.set()
    daemon.start()
    wait_for(lambda: daemon.ended)
    status = daemon.status()
    assert list(status["refused"]) == ["p0"]
    assert "heavy.onnx is no ONNX file" in status["refused"]["p0"]
    assert [lane["name"] for lane in status["lanes"]] == ["p1:gate"]
    assert buckets(daemon) == [{"processed": 40}]


def _broken(path: Path) -> Path:
    path.write_bytes(b"no model")
    return path
