"""A workflow on a stream, from Python."""

import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.clock import SystemClock
from appliance.engine.errors import DefinitionError, InputError, StepError
from appliance.inference.store import Store
from appliance.pipeline import Pipeline
from appliance.result import Result
from appliance.sources import SettingsError
from appliance.video.errors import VideoError
from appliance.video.reader import VideoReader
from appliance.video.writer import VideoWriter
from appliance.workflow import Workflow
from blocks.data import Event, Frame, Image

# Far more than anything here takes.
LIMIT_S = 60.0
TELL = """\
version: 1
name: tell
inputs:
  image: {type: image}
  every: {type: integer, default: 2}
steps:
  - name: seen
    type: event@1
    when: "double(int(frame.sequence) % int(inputs.every)) == 0"
    connection: local
    data: {number: $frame.sequence}
"""
DESK = """\
version: 1
name: desk
inputs: {image: {type: image}}
steps:
  - {name: people, type: object_detection@1, image: $inputs.image, model: people-ssdlite}
  - {name: desk, type: absence@1, detections: $steps.people.detections, after_s: 0.45}
outputs: {absent: $steps.desk.absent, for_s: $steps.desk.for_s}
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """20 black pictures, at 10 in a second."""
    path = tmp_path / "black.mp4"
    with VideoWriter(path, 10.0) as writer:
        for number in range(20):
            writer.write(Image.from_bgr(np.zeros((48, 64, 3), np.uint8)), number / 10)
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of the pipelines' own are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def plain(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.items() if not isinstance(value, Image)}


def told(events: list[Event]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(event.type, event.subject, dict(event.data)) for event in events]


def test_a_pipeline_gives_what_a_session_gives(short_clip: Path, demo_store: Store) -> None:
    people = Workflow.load("people-count", state_dir=demo_store.root)
    inputs = {"line": ((0.7, 1.0), (0.7, 0.0))}
    seen: list[Result] = []
    pipeline = Pipeline(short_clip, people, on_result=seen.append, ticks=True, inputs=inputs)
    pipeline.start()
    assert pipeline.join(LIMIT_S)
    expected = []
    with (
        VideoReader(str(short_clip), "source", SystemClock()) as reader,
        people.session("source", **inputs) as session,
    ):
        for frame in reader.frames():
            assert isinstance(frame, Frame)
            expected.append(session.run(frame.image, frame.at_s))
        expected.append(session.stop())
    assert [plain(result) for result in seen] == [plain(result) for result in expected]
    events = [event for result in seen for event in result.events]
    assert events
    assert told(events) == told([event for result in expected for event in result.events])
    assert all(result["annotated"].width == 768 for result in seen if result.frame)
    # The model that the session used is that of the pipeline.
    assert pipeline.status()["models"]["people-ssdlite"]["state"] == "ready"


def test_turns_without_a_frame_are_those_of_a_session(clip: Path, demo_store: Store) -> None:
    desk = Workflow.from_text(DESK, state_dir=demo_store.root)
    seen: list[Result] = []
    assert Pipeline(clip, desk, on_result=seen.append, ticks=True).start().join(LIMIT_S)
    expected: list[Result] = []
    with VideoReader(str(clip), "source", SystemClock()) as reader, desk.session() as session:
        for frame in reader.frames():
            assert isinstance(frame, Frame)
            result = session.run(frame.image, frame.at_s)
            expected += [*result.ticks, result]
        expected.append(session.stop())
    assert [r.moment.at_s for r in seen] == [r.moment.at_s for r in expected]
    assert [dict(r) for r in seen] == [dict(r) for r in expected]
    (tick,) = [r.moment.at_s for r in seen[:-1] if r.frame is None]
    assert tick == 0.45


def test_turns_without_a_frame_are_told_only_where_they_are_asked_for(
    clip: Path, demo_store: Store
) -> None:
    desk = Workflow.from_text(DESK, state_dir=demo_store.root)
    seen: list[Result] = []
    assert Pipeline(clip, desk, on_result=seen.append).start().join(LIMIT_S)
    assert len(seen) == 20
    assert all(result.frame is not None for result in seen)


def test_a_step_that_stops_ends_a_clip_and_is_raised(clip: Path) -> None:
    seen: list[Result] = []
    stopping = TELL.replace("type: event@1", "type: event@1\n    on_error: stop")
    pipeline = Pipeline(clip, stopping, on_result=seen.append, inputs={"every": 0}).start()
    with pytest.raises(StepError, match="step seen, camera source, frame 0: "):
        pipeline.join(LIMIT_S)
    assert seen == []
    status = pipeline.status()
    assert status["state"] == "failed"
    assert status["lanes"][0]["failures"] == {"seen": 1}


def test_of_two_threads_that_start_a_pipeline_one_is_refused(clip: Path) -> None:
    pipeline = Pipeline(clip, TELL)
    both, refused = threading.Barrier(2), []

    def start() -> None:
        both.wait(LIMIT_S)
        try:
            pipeline.start()
        except RuntimeError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert refused == ["a pipeline is started once: make another one"]
    assert pipeline.join(LIMIT_S)


def test_every_frame_of_a_clip_comes_with_its_result(clip: Path) -> None:
    seen: list[Result] = []
    pipeline = Pipeline(clip, TELL, on_result=seen.append, inputs={"every": 4})
    assert pipeline.status() == {"state": "ready"}
    assert pipeline.start().join(LIMIT_S)
    frames = [result.frame for result in seen if result.frame is not None]
    assert [frame.sequence for frame in frames] == list(range(20))
    assert [frame.at_s for frame in frames] == pytest.approx([i / 10 for i in range(20)], abs=0.01)
    numbers = [event.data["number"] for result in seen for event in result.events]
    assert numbers == [0, 4, 8, 12, 16]
    status = pipeline.status()
    assert status["state"] == "ended"
    assert status["lanes"][0]["buckets"] == {"processed": 20}


def test_events_go_to_the_connections(clip: Path, tmp_path: Path, temporary: Path) -> None:
    database = tmp_path / "plant.db"
    workflow = TELL.replace("connection: local", "connection: plant")
    pipeline = Pipeline(clip, workflow, connections={"plant": f"sqlite:///{database}"})
    assert pipeline.start().join(LIMIT_S)
    assert pipeline.status()["connections"]["plant"]["delivered"] == 10
    connection = sqlite3.connect(database)
    (table,) = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
    (count,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
    connection.close()
    assert count == 10


def test_what_it_keeps_for_itself_is_gone_at_its_end(clip: Path, temporary: Path) -> None:
    there: list[int] = []
    pipeline = Pipeline(clip, TELL, on_result=lambda _: there.append(len([*temporary.iterdir()])))
    assert pipeline.start().join(LIMIT_S)
    assert set(there) == {1}
    assert list(temporary.iterdir()) == []


def test_a_state_directory_that_is_given_stays(clip: Path, tmp_path: Path, temporary: Path) -> None:
    for _ in range(2):
        assert Pipeline(clip, TELL, state_dir=tmp_path / "state").start().join(LIMIT_S)
    assert (tmp_path / "state" / "events.db").exists()
    assert list(temporary.iterdir()) == []


def test_what_on_result_raises_ends_the_pipeline_and_comes_out_of_join(
    clip: Path, temporary: Path
) -> None:
    seen: list[Result] = []

    def raising(result: Result) -> None:
        seen.append(result)
        if len(seen) == 3:
            raise ZeroDivisionError("the third is too much")

    pipeline = Pipeline(clip, TELL, on_result=raising).start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="the third is too much"):
            pipeline.join(LIMIT_S)
    assert len(seen) == 3
    assert pipeline.status()["state"] == "failed"
    assert list(temporary.iterdir()) == []
    seen.clear()
    failed = pytest.raises(ZeroDivisionError)
    with failed, Pipeline(clip, TELL, on_result=raising, pace="realtime") as again:
        again.join(LIMIT_S)


def test_on_result_may_end_the_pipeline(clip: Path) -> None:
    first: list[Result] = []

    def enough(result: Result) -> None:
        first.append(result)
        pipeline.stop()

    # At its own pace the clip would be of two seconds.
    pipeline = Pipeline(clip, TELL, on_result=enough, pace="realtime")
    assert pipeline.start().join(LIMIT_S)
    assert 1 <= len(first) < 20
    assert pipeline.status()["state"] == "ended"


def test_leaving_the_statement_stops_it(clip: Path) -> None:
    begun = threading.Event()
    with Pipeline(clip, TELL, on_result=lambda _: begun.set(), pace="realtime") as pipeline:
        assert begun.wait(LIMIT_S)
        assert not pipeline.join(0.0)
        assert pipeline.status()["state"] == "running"
    assert pipeline.join(0.0)
    assert pipeline.status()["lanes"][0]["captured"] < 20


def test_an_error_of_the_body_comes_first(clip: Path) -> None:
    begun = threading.Event()

    def raising(_: Result) -> None:
        begun.set()
        raise ZeroDivisionError

    pipeline = Pipeline(clip, TELL, on_result=raising)

    def body() -> None:
        with pipeline:
            assert begun.wait(LIMIT_S)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        body()
    with pytest.raises(ZeroDivisionError):
        pipeline.join(LIMIT_S)


def test_a_step_that_fails_does_not_end_it(clip: Path) -> None:
    seen: list[Result] = []
    pipeline = Pipeline(clip, TELL, on_result=seen.append, inputs={"every": 0}).start()
    assert pipeline.join(LIMIT_S)
    assert [len(result.failures) for result in seen if result.frame] == [1] * 20
    assert pipeline.status()["lanes"][0]["failures"] == {"seen": 20}


def test_what_does_not_fit_is_refused_before_the_start(clip: Path) -> None:
    workflow = TELL.replace("connection: local", "connection: plant")
    with pytest.raises(DefinitionError) as caught:
        Pipeline(clip, workflow)
    told = str(caught.value).splitlines()[0]
    assert told.startswith("text:10:17: steps.seen.connection: there is no connection 'plant'")
    assert told.endswith('give it as connections={"plant": URL}, such as mqtt://host:1883')
    with pytest.raises(SettingsError, match="connection plant: a URL begins with mqtt://"):
        Pipeline(clip, workflow, connections={"plant": "amqp://host"})
    with pytest.raises(InputError, match="no input 'evry'"):
        Pipeline(clip, TELL, inputs={"evry": 2})
    with pytest.raises(DefinitionError, match="at most 1, not 3"):
        Pipeline(clip, "people-count", inputs={"confidence": 3.0})
    with pytest.raises(InputError, match="pace is 'fast' or 'realtime', not 'slow'"):
        Pipeline(clip, TELL, pace="slow")  # type: ignore[arg-type]  # a user without a checker


def test_a_source_that_is_not_there_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    pipeline = Pipeline(tmp_path / "gone.mp4", TELL)
    with pytest.raises(VideoError, match=r"gone\.mp4: there is no such file"):
        pipeline.start()
    assert list(temporary.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("pipeline:tell")]


def test_a_source_without_one_whole_picture_is_told(short_clip: Path, tmp_path: Path) -> None:
    whole = short_clip.read_bytes()
    start = whole.index(b"mdat") + 4
    end = whole.index(b"moov") if whole.index(b"moov") > start else len(whole)
    garbled = tmp_path / "garbled.mp4"
    garbled.write_bytes(whole[:start] + b"\xaa" * (end - start) + whole[end:])
    with pytest.raises(VideoError, match=r"garbled\.mp4"):
        Pipeline(garbled, TELL).start().join(LIMIT_S)


def test_a_model_that_is_not_there_is_told_at_the_start(clip: Path, tmp_path: Path) -> None:
    pipeline = Pipeline(clip, "people-count", state_dir=tmp_path / "state")
    with pytest.raises(DefinitionError, match="appliance models pull people-ssdlite"):
        pipeline.start()


def test_a_pipeline_runs_once(clip: Path) -> None:
    pipeline = Pipeline(clip, TELL)
    with pytest.raises(RuntimeError, match="has not been started"):
        pipeline.join()
    with pipeline, pytest.raises(RuntimeError, match="make another one"):
        pipeline.start()
