"""The main job, as a user runs it: a real model on a real video, counted into a real database."""

import json
import signal
import socket
import sqlite3
from pathlib import Path

from appliance.inference.store import Store
from tests.system.processes import PATIENCE_S, Appliance, wait_for

ROOT = Path(__file__).parents[2]


def events_of(database: Path) -> list[dict[str, object]]:
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT type, sequence, data FROM events ORDER BY sequence")
        return [{"type": t, "sequence": s, **json.loads(d)} for t, s, d in rows]
    finally:
        connection.close()


def test_people_are_counted_and_every_frame_and_event_is_accounted_for(
    appliance: Appliance, state_dir: Path, demo_store: Store, tmp_path: Path
) -> None:
    clip = demo_store.root / "clips" / "vtest.avi"
    workflow = ROOT / "workflows" / "people-count.yaml"
    status, out, err = appliance.run("run", workflow, "--source", clip, "--state-dir", state_dir)
    assert status == 0, err
    assert "  frames    795 captured = 795 processed + 0 skipped\n" in out
    events = events_of(state_dir / "events.db")
    assert f"  emitted   {len(events)} people-count.crossed\n" in out
    assert {event["type"] for event in events} == {"people-count.crossed"}
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    walked_in = sum(int(str(event["in"])) for event in events)
    walked_out = sum(int(str(event["out"])) for event in events)
    assert (walked_in, walked_out) == (events[-1]["total_in"], events[-1]["total_out"])
    # 13 and 14 were seen when this was written; detectors differ a little between machines.
    assert 10 <= walked_in <= 16
    assert 11 <= walked_out <= 17
    assert f"delivery  local: {len(events)} delivered, 0 pending, 0 dead" in out


def test_ctrl_c_ends_a_run_cleanly_with_its_summary(
    appliance: Appliance, state_dir: Path, demo_store: Store
) -> None:
    clip = demo_store.root / "clips" / "vtest.avi"
    workflow = ROOT / "workflows" / "people-count.yaml"
    process = appliance.start(
        "run", workflow, "--source", clip, "--state-dir", state_dir, "--realtime"
    )
    wait_for(lambda: " frames · " in appliance.printed("err0.txt"), "progress")
    process.send_signal(signal.SIGINT)
    status, out, err = appliance.finish(process)
    assert status == 0, err
    assert "Traceback" not in err
    captured, parts = out.splitlines()[1].removeprefix("  frames    ").split(" captured = ")
    processed, skipped = parts.split(" (")[0].removesuffix(" skipped").split(" processed + ")
    assert int(captured) == int(processed) + int(skipped)
    assert 0 < int(captured) < 795


def test_ctrl_c_ends_a_run_whose_camera_does_not_answer(appliance: Appliance) -> None:
    (appliance.folder / "watch.yaml").write_text(
        "version: 1\nname: watch\ninputs: {image: {type: image}}\nsteps:\n"
        "  - {name: seen, type: event@1, connection: local, data: {number: $frame.sequence}}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = appliance.start("run", "watch.yaml", "--source", f"rtsp://127.0.0.1:{port}/1")
        silent.settimeout(PATIENCE_S)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            status, out, err = appliance.finish(process)
    assert (status, out, err) == (-signal.SIGINT, "", "")
