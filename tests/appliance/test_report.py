"""What a person reads of a run."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.engine.testing import ManualClock
from appliance.engine.turn import Turn
from appliance.report import RunReport
from appliance.video.source import StreamInfo
from blocks.data import Detections, Event, Frame, Image, Moment

INFO = StreamInfo("h264", 64, 48, 10.0, 100, 10.0, live=False)


def turn(number: int, events: int = 0, **outputs: Any) -> Turn:
    image = Image.from_bgr(np.zeros((4, 4, 3), np.uint8))
    frame = Frame("source", number / 10, 1000.0 + number / 10, sequence=number, image=image)
    emitted = tuple(Event("local", "count.crossed", "x", 1000.0, {}) for _ in range(events))
    return Turn(frame, emitted, outputs, ())


def status(**lane: Any) -> dict[str, Any]:
    about = {"captured": 10, "buckets": {"processed": 10}, "steps_ms": {}, "failures": {}}
    about |= {"last_failure": "", "last_failures": {}} | lane
    local = {"connected": True, "last_error": "", "delivered": 4, "pending": 0, "dead": 0}
    outbox = {"uncommitted": 0, "last_error": ""}
    return {"lanes": [about], "outbox": outbox, "connections": {"local": local}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def report(clock: ManualClock) -> RunReport:
    report = RunReport("count", "clip.avi", INFO, clock)
    report.begin()
    return report


def test_a_turn_without_a_frame_counts_its_events_and_is_no_frame(
    report: RunReport, clock: ManualClock
) -> None:
    report.seen(turn(0))
    event = Event("local", "desk.deserted", "x", 1005.0, {})
    report.seen(Turn(Moment("source", 5.0, 1005.0), (event,), {"absent": True}, ()))
    clock.advance(1.0)
    report.end()
    assert report.processed == 1
    text = report.summary(status(), {}, "")
    assert "speed     1.0 frames/s, 5.0 s of video in 1.0 s" in text
    assert "emitted   1 desk.deserted" in text
    assert "outputs   absent True" in text


def test_the_summary_says_what_became_of_every_frame(report: RunReport, clock: ManualClock) -> None:
    for number in range(8):
        report.seen(turn(number, events=number % 2))
    clock.advance(2.0)
    report.end()
    buckets = {"processed": 8, "replaced": 3, "decode-error": 1}
    text = report.summary(
        status(captured=12, buckets=buckets, steps_ms={"people": 12.345, "gate": 0.1}), {}, ""
    )
    assert text.splitlines() == [
        "count on clip.avi",
        "  frames    12 captured = 8 processed + 4 skipped (3 replaced, 1 decode-error)",
        "  speed     4.0 frames/s, 0.7 s of video in 2.0 s",
        "  steps     ms a frame: people 12.3 · gate 0.1",
        "  emitted   4 count.crossed",
        "  delivery  local: 4 delivered, 0 pending, 0 dead since it was made",
    ]


def test_frames_of_a_lane_that_did_not_stop_in_time_are_not_missing(report: RunReport) -> None:
    report.end()
    text = report.summary(status(captured=12, buckets={"processed": 9, "stopped": 2}), {}, "")
    assert "12 captured = 9 processed + 3 skipped (2 stopped, 1 unfinished)\n" in text


def test_the_summary_shows_the_last_outputs_and_where_results_lie(report: RunReport) -> None:
    picture = Image.from_bgr(np.zeros((4, 4, 3), np.uint8))
    boxes = Detections.of([[0, 0, 1, 1]])
    report.seen(turn(1, total=3, share=0.123456, boxes=boxes, picture=picture))
    report.end()
    lines = report.summary(status(), {"video": Path("out.mp4")}, "").splitlines()
    assert "  outputs   total 3 · share 0.123 · boxes 1 boxes" in lines
    assert "  emitted   no events" in lines
    assert lines[-1] == "  video     out.mp4"


def test_the_summary_names_what_failed(report: RunReport) -> None:
    report.end()
    last = {"gate": "ValueError: no line", "tracks": "KeyError: 'people'"}
    failing = status(failures={"gate": 7, "tracks": 1}, last_failures=last)
    failing["connections"]["local"]["last_error"] = "the disk is full"
    text = report.summary(failing, {}, "out.mp4: cannot be written: No space left on device")
    assert "  failed    gate 7 times; last: ValueError: no line\n" in text
    assert "  failed    tracks once: KeyError: 'people'\n" in text
    assert "0 dead since it was made (the disk is full)\n" in text
    assert text.endswith(
        "  video     not whole: out.mp4: cannot be written: No space left on device"
    )


def test_pictures_are_not_printed_also_where_there_are_many(report: RunReport) -> None:
    image = Image.from_bgr(np.zeros((4, 4, 3), np.uint8))
    report.seen(turn(0, top=(image, image), each=((image,), ()), some=(None, image)))
    report.seen(turn(1, labels=("a", "b")))
    report.end()
    (line,) = [s for s in report.summary(status(), {}, "").splitlines() if "outputs" in s]
    assert line == "  outputs   labels ('a', 'b')"


def test_what_stopped_the_run_stands_in_the_summary(report: RunReport) -> None:
    report.end()
    text = report.summary(status(), {}, "", "step gate, camera source, frame 3: ValueError: no")
    assert "\n  stopped   step gate, camera source, frame 3: ValueError: no\n" in text


def test_progress_comes_every_two_seconds_where_nobody_watches(
    report: RunReport, clock: ManualClock
) -> None:
    stream = io.StringIO()
    report.progress(stream)
    for number in range(20):
        report.seen(turn(number))
    clock.advance(2.0)
    report.progress(stream)
    report.progress(stream)
    assert stream.getvalue() == (
        "  1.9 s of video · 20 of 100 frames · 10.0 frames/s · events: 0\n"
    )


def test_progress_on_a_terminal_is_one_line_that_is_rewritten(
    report: RunReport, clock: ManualClock
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    clock.advance(0.3)
    report.progress(stream)
    clock.advance(0.3)
    report.progress(stream)
    assert stream.getvalue().count("\r") == 2
    assert "\n" not in stream.getvalue()


def test_the_summary_says_what_a_disk_did_not_take(report: RunReport) -> None:
    report.end()
    full = status() | {"outbox": {"uncommitted": 3, "last_error": "the disk is full"}}
    assert "  lost      3 events, never written: the disk is full" in report.summary(full, {}, "")


def test_a_run_without_frames_says_nothing_of_steps(report: RunReport) -> None:
    report.end()
    text = report.summary(status(captured=0, buckets={}), {}, "")
    assert "0 captured = 0 processed + 0 skipped" in text
    assert "steps" not in text
