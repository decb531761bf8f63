"""One workflow on one source, from its beginning to its end."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from structlog.testing import capture_logs

from appliance.clock import SystemClock
from appliance.delivery.outbox import Outbox
from appliance.delivery.store import OutboxError
from appliance.engine.errors import DefinitionError
from appliance.engine.plan import load_plan
from appliance.engine.turn import Turn
from appliance.inference.store import Store
from appliance.runs import Recorder, RunOptions, RunStopped, run_workflow
from appliance.settings import Settings, settings_for_run
from appliance.video.errors import VideoError
from appliance.video.writer import VideoWriter
from blocks.data import Frame, Image, Moment
from blocks.loading import load_blocks

WORKFLOWS = Path(__file__).parents[2] / "workflows"
WATCH = """\
version: 1
name: watch
inputs: {image: {type: image}}
steps:
  - {name: picture, type: annotate@1, image: $inputs.image, detections: $steps.people.detections}
  - {name: people, type: object_detection@1, image: $inputs.image, model: people-ssdlite}
outputs: {annotated: $steps.picture.image}
"""


@pytest.fixture
def state_dir(tmp_path: Path, demo_store: Store) -> Path:
    for folder in ("models", "probes"):
        shutil.copytree(demo_store.root / folder, tmp_path / "state" / folder)
    return tmp_path / "state"


def settings_of(
    state_dir: Path, source: Path, workflow: str = WATCH, connections: Mapping[str, str] = {}
) -> Settings:
    file = state_dir.parent / "watch.yaml"
    file.write_text(workflow)
    inputs: dict[str, Any] = {}
    return settings_for_run(file, str(source), inputs, connections, state_dir)


def run(settings: Settings, **options: Any) -> str:
    return run_workflow(settings, RunOptions(**options), SystemClock(), threading.Event())


def test_the_annotated_video_is_never_written_over_its_source(
    state_dir: Path, short_clip: Path, tmp_path: Path
) -> None:
    source = tmp_path / "my own.mp4"
    shutil.copy(short_clip, source)
    link = tmp_path / "link.mp4"
    link.symlink_to(source)
    with pytest.raises(VideoError, match=r"link\.mp4: this is the source itself"):
        run(settings_of(state_dir, source), output=link)
    assert source.read_bytes() == short_clip.read_bytes()


def test_the_annotated_video_has_every_frame_at_its_time(
    state_dir: Path, short_clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    summary = run(settings_of(state_dir, short_clip), output=output)
    assert "40 captured = 40 processed + 0 skipped" in summary
    assert f"  video     {output}" in summary
    with av.open(str(output)) as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert times == pytest.approx([number / 10 for number in range(40)], abs=0.002)


def test_the_state_directory_is_free_again_after_a_run(state_dir: Path, short_clip: Path) -> None:
    settings = settings_of(state_dir, short_clip)
    run(settings)
    run(settings)


def test_a_state_directory_that_another_daemon_holds_is_refused(
    state_dir: Path, short_clip: Path
) -> None:
    held = Outbox(state_dir, SystemClock())
    try:
        with pytest.raises(OutboxError, match="another"):
            run(settings_of(state_dir, short_clip))
    finally:
        held.close()


def test_a_run_that_is_told_to_stop_at_once_still_sums_up(
    state_dir: Path, short_clip: Path
) -> None:
    stop = threading.Event()
    stop.set()
    settings = settings_of(state_dir, short_clip)
    summary = run_workflow(settings, RunOptions(), SystemClock(), stop)
    assert summary.startswith("watch on ")


def test_a_video_without_one_whole_picture_is_refused(
    state_dir: Path, short_clip: Path, tmp_path: Path
) -> None:
    whole = short_clip.read_bytes()
    start = whole.index(b"mdat") + 4
    garbled = tmp_path / "garbled.mp4"
    end = whole.index(b"moov") if whole.index(b"moov") > start else len(whole)
    garbled.write_bytes(whole[:start] + b"\xaa" * (end - start) + whole[end:])
    with pytest.raises(VideoError, match=r"garbled\.mp4"):
        run(settings_of(state_dir, garbled))


BREAK = """\
version: 1
name: break
inputs: {image: {type: image}}
steps:
  - name: seen
    type: event@1
    on_error: stop
    when: "double(int(frame.sequence) % 0) == 0"
    connection: local
    data: {number: $frame.sequence}
"""


def test_a_clip_whose_only_frame_failed_is_not_called_undecodable(
    state_dir: Path, tmp_path: Path
) -> None:
    clip = tmp_path / "one.mp4"
    with VideoWriter(clip, 10.0) as writer:
        writer.write(Image.from_bgr(np.zeros((16, 16, 3), np.uint8)), 0.0)
    with capture_logs() as logs, pytest.raises(RunStopped) as stopped:
        run(settings_of(state_dir, clip, BREAK))
    summary = str(stopped.value)
    assert "1 captured = 0 processed + 1 skipped (1 failed)" in summary
    assert "  failed    seen once: step seen, camera source, frame 0: " in summary
    assert "  stopped   step seen, camera source, frame 0: " in summary
    assert not [line for line in logs if line["log_level"] != "info"]


def test_a_step_that_stops_ends_a_clip_at_once(state_dir: Path, short_clip: Path) -> None:
    with pytest.raises(RunStopped, match="stopped   step seen, camera source, frame 0: ") as ended:
        run(settings_of(state_dir, short_clip, BREAK))
    assert "  failed    seen once: " in str(ended.value)


DESERTED = """\
version: 1
name: deserted
inputs: {image: {type: image}}
steps:
  - {name: people, type: object_detection@1, image: $inputs.image, model: people-ssdlite,
     confidence: 1.0}
  - {name: desk, type: absence@1, detections: $steps.people.detections, after_s: 2.75}
  - name: tell
    type: event@1
    when: steps.desk.absent && steps.desk.for_s < 2.8
    connection: local
    data: {for_s: $steps.desk.for_s, at: $frame.captured_at}
outputs: {absent: $steps.desk.absent}
"""


def test_an_absence_is_told_at_its_own_time_between_two_frames(
    state_dir: Path, short_clip: Path
) -> None:
    settings = settings_of(state_dir, short_clip, DESERTED)
    summary = run(settings)
    assert "40 captured = 40 processed + 0 skipped" in summary
    assert "  emitted   1 deserted.tell" in summary
    assert "local: 1 delivered, 0 pending, 0 dead" in summary
    with closing(sqlite3.connect(state_dir / "events.db")) as database:
        ((data,),) = database.execute("SELECT data FROM events").fetchall()
    # The frames come at 2.7 and at 2.8 s.
    assert json.loads(data)["for_s"] == 2.75


def test_a_turn_without_a_frame_is_no_picture_of_the_video(tmp_path: Path) -> None:
    plan = load_plan(WATCH, "watch.yaml", load_blocks())
    image = Image.from_bgr(np.zeros((48, 64, 3), np.uint8))
    recorder = Recorder(tmp_path / "out.mp4", plan, 10.0)
    frame = Frame("source", 1.0, 1.0, sequence=0, image=image)
    recorder.write(Turn(frame, (), {"annotated": image}, ()))
    recorder.write(Turn(Moment("source", 1.05, 1.05), (), {"annotated": image}, ()))
    recorder.close()
    assert recorder.error == ""
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert len(list(video.decode(video=0))) == 1


def test_a_picture_that_comes_while_the_video_is_closed_is_left_out(tmp_path: Path) -> None:
    plan = load_plan(WATCH, "watch.yaml", load_blocks())
    image = Image.from_bgr(np.zeros((480, 640, 3), np.uint8))
    recorder = Recorder(tmp_path / "out.mp4", plan, 10.0)
    begun = threading.Event()

    def write() -> None:
        for number in range(300):
            frame = Frame("source", number / 10, number / 10, sequence=number, image=image)
            recorder.write(Turn(frame, (), {"annotated": image}, ()))
            begun.set()

    lane = threading.Thread(target=write, daemon=True)
    lane.start()
    assert begun.wait(20.0)
    recorder.close()
    lane.join(20.0)
    assert not lane.is_alive()
    assert recorder.error == ""
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert 1 <= len(list(video.decode(video=0))) < 300


def test_a_model_that_is_not_there_leaves_no_lock_behind(state_dir: Path, short_clip: Path) -> None:
    shutil.rmtree(state_dir / "models")
    with pytest.raises(DefinitionError, match="appliance models pull people-ssdlite"):
        run(settings_of(state_dir, short_clip))
    assert not (state_dir / "outbox.db").exists()


def test_events_for_a_peer_that_is_down_stay_and_the_summary_says_so(
    state_dir: Path, short_clip: Path
) -> None:
    workflow = WATCH.replace(
        "outputs:",
        "  - {name: seen, type: mqtt@1, connection: plant, topic: yard/people,"
        " data: {people: $steps.people.detections}}\noutputs:",
    )
    settings = settings_of(state_dir, short_clip, workflow, {"plant": "mqtt://127.0.0.1:9"})
    summary = run(settings)
    assert "plant: 0 delivered, 40 pending, 0 dead" in summary
    assert "127.0.0.1" in summary


def test_a_disk_that_refuses_the_video_ends_the_video_not_the_run(
    state_dir: Path, short_clip: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.fail("this test needs /dev/full")
    output = state_dir.parent / "full.mkv"
    output.symlink_to("/dev/full")
    summary = run(settings_of(state_dir, short_clip), output=output)
    assert "40 captured = 40 processed + 0 skipped" in summary
    assert "video     not whole: " in summary
