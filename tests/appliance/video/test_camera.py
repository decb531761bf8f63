"""A camera over its life: clips that end, cameras that fail and come back."""

import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from appliance.clock import Clock
from appliance.engine.testing import ManualClock
from appliance.observe.ages import Undecoded
from appliance.observe.buckets import Buckets
from appliance.video.admission import Luma
from appliance.video.camera import REOPEN_FROZEN_S, Camera, CameraStatus
from appliance.video.capture import Pace
from appliance.video.errors import AccessRefusedError
from appliance.video.levels import KEYS
from appliance.video.mailbox import Mailbox
from appliance.video.reader import VideoReader
from appliance.video.source import Opened, Resume, SourceOptions
from blocks.data import Frame
from tests.appliance.video.scripted import SHADES, Scripted, Site

PATIENCE_S = 10.0


@pytest.fixture
def manual() -> ManualClock:
    return ManualClock()


@contextmanager
def watched(camera: Camera) -> Iterator[tuple[Mailbox, list[Frame]]]:
    """A lane that takes every frame of a camera, on a thread that is over when the block is."""
    mailbox = Mailbox(Buckets())
    camera.watch(mailbox, 1.0, 0.5)
    frames: list[Frame] = []

    def take_all() -> None:
        never = threading.Event()
        while not mailbox.ended:
            timed = mailbox.take() if mailbox.wait(never) else None
            if timed is not None:
                assert isinstance(timed.frame, Frame)
                frames.append(timed.frame)
                mailbox.buckets.put("processed")

    thread = threading.Thread(target=take_all, daemon=True)
    thread.start()
    yield mailbox, frames
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_clip_is_read_to_its_end_and_its_lanes_end_with_it(
    render: Callable[..., Path], clock: Clock
) -> None:
    camera = Camera("gate", str(render("x.mp4", frames=12)), clock, Pace.FAST)
    assert camera.status().state == "starting"
    with watched(camera) as (mailbox, frames):
        camera.loop(threading.Event())
    assert (camera.status().state, camera.status().why) == ("ended", "the clip has ended")
    assert [frame.sequence for frame in frames] == list(range(12))
    assert mailbox.buckets.snapshot() == {"processed": 12}


def test_a_reader_that_is_open_already_is_used(render: Callable[..., Path], clock: Clock) -> None:
    camera = Camera("gate", "no-such-file.mp4", clock, Pace.FAST)
    reader = VideoReader(str(render("x.mp4", frames=3)), "gate", clock)
    camera.take(Opened(reader, Resume()))
    with watched(camera) as (_, frames):
        camera.loop(threading.Event())
    assert len(frames) == 3


def test_a_source_that_is_open_already_leaves_out_what_the_camera_says(manual: ManualClock) -> None:
    camera = Camera("gate", "rtsp://gate/1", manual, Pace.LIVE)
    source = Scripted(manual, Resume(), [])
    camera.take(Opened(source, source.resume))
    assert camera.selection is not None
    assert source.selected is camera.selection


class WatchedClock(ManualClock):
    """Looks at something in each pause, and sets the stop in the third."""

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self._look = look

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self._look()
        if len(self.waits) == 2:
            stop.set()
        return super().wait(stop, seconds)


def test_a_clip_that_is_missing_is_offline_says_why_and_is_asked_for_again() -> None:
    seen: list[CameraStatus] = []
    clock = WatchedClock(lambda: seen.append(camera.status()))
    camera = Camera("gate", "no-such-file.mp4", clock, Pace.REALTIME)
    mailbox = Mailbox(Buckets())
    camera.watch(mailbox, 1.0, 0.5)
    camera.loop(threading.Event())
    words = "no-such-file.mp4: there is no such file"
    assert [(each.state, each.why, each.failures) for each in seen] == [
        ("offline", words, 1),
        ("offline", words, 2),
        ("offline", words, 3),
    ]
    assert (camera.status().state, camera.status().last_error) == ("ended", words)
    assert mailbox.ended
    assert mailbox.buckets.captured == 0


def test_a_live_camera_that_comes_back_goes_on_in_time_and_number(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    def connection(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES[:6], left_out=2)

    site = Site(monkeypatch, manual, connection, "rtsp://gate/1: no answer", connection)
    states: list[tuple[str, str]] = []

    def opens(resume: Resume) -> Scripted:
        status = site.camera.status()
        states.append((status.state, status.why))
        return connection(resume)

    site.opens[2] = opens
    site.run()
    since = "it sends nothing since 2026-01-01 00:00:00 UTC"
    assert states == [("offline", f"{since}; rtsp://gate/1: no answer")]
    assert site.camera.status().last_error == "rtsp://gate/1: the test is over"
    assert [source.resume.begin_sequence for source in site.sources] == [0, 8]
    assert [source.resume.begin_s for source in site.sources] == pytest.approx([0.0, 0.24])
    # The times, the selection and the decoder are those of the camera, over all connections.
    first, second = (source.resume for source in site.sources)
    assert first.times is second.times
    assert first.selection is second.selection is site.camera.selection
    assert first.hardware is second.hardware
    assert [source.closed for source in site.sources] == [True, True]
    assert site.mailbox.buckets.snapshot() == {"no-key": 4, "replaced": 11}
    last = site.mailbox.take()
    assert last is not None
    assert last.frame.sequence == 15
    status = site.camera.status()
    assert (status.failures, status.connections) == (4, 2)


def test_the_pauses_between_two_tries_grow_to_three_seconds_and_chance_shortens_them(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    tries = ["rtsp://gate/1: no answer"] * 6
    Site(monkeypatch, manual, *tries).run()
    assert manual.waits == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]
    shortened = ManualClock()
    Site(monkeypatch, shortened, *tries, chance=lambda: 0.0).run()
    assert shortened.waits == [0.125, 0.25, 0.5, 1.0, 1.5, 1.5]


def test_after_a_good_connection_a_camera_is_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    def connection(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES * 11)

    tries = ["rtsp://gate/1: no answer"] * 4
    Site(monkeypatch, manual, *tries, connection).run()
    # Eleven seconds of pictures.
    assert manual.waits == [0.25, 0.5, 1.0, 2.0, 0.25]


def test_what_goes_wrong_again_and_again_is_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    site = Site(monkeypatch, manual, *["rtsp://gate/1: no answer"] * 24)
    with capture_logs() as logs:
        site.run()
    assert [(line["event"], line["camera"], line["failures"]) for line in logs] == [
        ("rtsp://gate/1: no answer", "gate", 1),
        ("rtsp://gate/1: no answer", "gate", 24),
        ("rtsp://gate/1: the test is over", "gate", 25),
    ]


def test_while_it_is_read_a_camera_runs_and_says_what_comes(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    seen: list[CameraStatus] = []

    def during(number: int) -> None:
        if number == 249:
            seen.append(site.camera.status())

    def connection(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES * 10, during=during)

    site = Site(monkeypatch, manual, connection)
    assert site.camera.gauge is None
    site.run()
    (status,) = seen
    assert (status.state, status.why, status.codec, status.size) == (
        "running",
        "",
        "h264",
        (64, 48),
    )
    assert (status.rate, status.level, status.connections) == (25.0, "all frames", 1)
    assert site.camera.status().state == "ended"
    assert site.camera.gauge is None


def test_a_camera_that_is_frozen_is_degraded_and_opened_again_once(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    seen: list[CameraStatus] = []

    def during(number: int) -> None:
        if number == 500:
            seen.append(site.camera.status())

    def frozen(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES[:1] * 1500, during=during)

    def moving(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES * 2)

    site = Site(monkeypatch, manual, frozen, frozen, moving, moving)
    site.run()
    assert [(each.state, each.why) for each in seen] == [
        ("degraded", "frozen: all pictures of the last 20 s are the same")
    ] * 2
    limits = [source.resume.frozen_limit_s for source in site.sources]
    assert limits == [REOPEN_FROZEN_S, math.inf, math.inf, REOPEN_FROZEN_S]
    # The first was given up after thirty seconds, the second read to its end.
    assert [source.demuxed for source in site.sources] == [752, 1500, 50, 50]


def test_a_freeze_that_a_new_connection_did_not_end_is_over_when_two_pictures_differ(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    def frozen(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES[:1] * 1500)

    def thaws_and_freezes_again(resume: Resume) -> Scripted:
        return Scripted(manual, resume, [*SHADES[:1] * 1000, *SHADES[1:3], *SHADES[3:4] * 1500])

    def begins_damaged(resume: Resume) -> Scripted:
        return Scripted(manual, resume, [*SHADES[:20], *SHADES[:1] * 1500])

    site = Site(monkeypatch, manual, frozen, thaws_and_freezes_again, begins_damaged)
    with capture_logs() as logs:
        site.run()
    # The second bears a freeze of forty seconds, and is given up thirty seconds into the next; the
    # pictures that differ at the beginning of the third come of having joined the stream there.
    demuxed = [source.demuxed for source in site.sources]
    assert demuxed == pytest.approx([752, 1000 + 2 + 752, 1520], abs=1)
    limits = [source.resume.frozen_limit_s for source in site.sources]
    assert limits == [REOPEN_FROZEN_S, math.inf, math.inf]
    assert "rtsp://gate/1: all pictures of 30 s were the same" in [each["event"] for each in logs]
    captured, buckets = site.mailbox.buckets.account()
    assert captured - sum(buckets.values()) == 1


def test_a_clip_in_a_loop_goes_on_in_time_and_number(
    render: Callable[..., Path], clock: Clock
) -> None:
    path = str(render("x.mp4", frames=6))
    camera = Camera("gate", path, clock, Pace.FAST, options=SourceOptions(loop=True))
    mailbox, stop = Mailbox(Buckets()), threading.Event()
    camera.watch(mailbox, 1.0, 0.5)
    frames: list[Frame] = []
    thread = threading.Thread(target=camera.loop, args=(stop,))
    thread.start()
    try:
        while len(frames) < 15:
            assert mailbox.wait(threading.Event(), PATIENCE_S)
            timed = mailbox.take()
            assert timed is not None
            assert isinstance(timed.frame, Frame)
            frames.append(timed.frame)
    finally:
        stop.set()
        mailbox.discard()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert [frame.sequence for frame in frames] == list(range(15))
    assert [frame.at_s for frame in frames] == pytest.approx([n / 25 for n in range(15)], abs=1e-3)


def test_a_clip_in_a_loop_that_nobody_watches_any_more_ends(
    render: Callable[..., Path], clock: Clock
) -> None:
    path = str(render("x.mp4", frames=6))
    camera = Camera("gate", path, clock, Pace.FAST, options=SourceOptions(loop=True))
    mailbox = Mailbox(Buckets())
    camera.watch(mailbox, 1.0, 0.5)
    mailbox.discard()
    camera.loop(threading.Event())
    assert camera.status().state == "ended"


def test_a_clip_that_breaks_is_over_and_is_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    def clip(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES[:6], live=False, every=True)

    site = Site(monkeypatch, manual, clip, clip)
    with watched(site.camera) as (mailbox, frames), capture_logs() as logs:
        site.mailbox.discard()
        site.run()
    assert len(frames) == mailbox.buckets.captured == 6
    assert [line["camera"] for line in logs] == ["gate"]
    status = site.camera.status()
    assert (status.state, status.failures) == ("ended", 0)
    assert status.last_error == "rtsp://gate/1: the stream ended; the camera closed it"


def test_the_most_important_lane_and_the_most_patient_one_speak_for_a_camera(
    clock: Clock,
) -> None:
    camera = Camera("gate", "rtsp://gate/1", clock, Pace.LIVE)
    assert (camera.weight, camera.max_latency_s) == (0.0, 0.0)
    camera.watch(Mailbox(Buckets()), 1.0, 0.2)
    camera.watch(Mailbox(Buckets()), 4.0, 2.0)
    assert (camera.weight, camera.max_latency_s) == (4.0, 2.0)


def test_a_fast_run_leaves_out_nothing_and_others_what_is_asked_for(clock: Clock) -> None:
    fast = Camera("gate", "x.mp4", clock, Pace.FAST)
    assert fast.selection is None
    assert fast.level == "all frames"
    camera = Camera("gate", "rtsp://gate/1", clock, Pace.LIVE)
    assert camera.selection is not None
    camera.selection.want(KEYS)
    assert camera.selection.wanted == KEYS


def test_a_camera_that_refuses_the_password_is_asked_ever_more_rarely_and_says_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    clock = WatchedClock(lambda: seen.append(camera.status().why))
    refusal = "rtsp://gate/1: the user or the password is refused (401); check both"

    def refuses(*_given: object, **_named: object) -> None:
        raise AccessRefusedError(refusal)

    monkeypatch.setattr("appliance.video.camera.open_source", refuses)
    camera = Camera("gate", "rtsp://gate/1", clock, Pace.LIVE, chance=lambda: 0.0)
    camera.watch(Mailbox(Buckets()), 1.0, 0.5)
    camera.loop(threading.Event())
    # The stop comes in the third pause.
    assert clock.waits == [30.0, 60.0]
    assert seen == [f"{refusal}; tried again in {pause} s" for pause in (30, 60, 120)]
    assert camera.status().last_error == refusal


@pytest.mark.parametrize(
    ("count", "why"), [(1, "its image was read"), (30, "all 30 images were read")]
)
def test_a_folder_that_was_read_says_how_many_images(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock, count: int, why: str
) -> None:
    def folder(resume: Resume) -> Scripted:
        pictures = SHADES[:1] * count
        return Scripted(manual, resume, pictures, live=False, every=True, ends=True)

    site = Site(monkeypatch, manual, folder)
    # Nobody takes the images here.
    site.mailbox.put_waiting = lambda _timed, _stop: True  # type: ignore[assignment, method-assign]  # takes at once
    site.run()
    assert (site.camera.status().state, site.camera.status().why) == ("ended", why)


def test_a_camera_whose_lane_cannot_take_its_picture_is_offline_and_says_why(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    def moving(resume: Resume) -> Scripted:
        return Scripted(manual, resume, SHADES)

    def broken(frame: Frame | Undecoded, luma: Luma) -> bool:
        raise ValueError(f"the gate is broken: {frame.sequence}, {luma().shape}")

    site = Site(monkeypatch, manual, moving, moving)
    admits = site.mailbox.admits
    site.mailbox.admits = broken  # type: ignore[method-assign]  # as a gate may
    with pytest.raises(ValueError, match="the gate is broken"):
        site.run()
    status = site.camera.status()
    assert (status.state, status.failures) == ("offline", 1)
    words = "ValueError: the gate is broken: 0, (48, 64)"
    assert status.last_error == words
    assert status.why == f"reading it failed on our side, and begins again: {words}"
    assert site.sources[0].closed
    # Who runs the loop begins it again.
    site.mailbox.admits = admits  # type: ignore[method-assign]  # mended
    site.run()
    site.mailbox.discard()
    captured, buckets = site.mailbox.buckets.account()
    assert captured == sum(buckets.values()) == 26
    assert site.sources[1].resume.begin_sequence == 1


@pytest.mark.parametrize(
    ("name", "step_s"),
    [("clip.mp4", 0.04), ("still.png", 1.0), ("slow.png", 4.0), ("bad.png", 1.0)],
)
def test_in_real_time_every_picture_of_a_loop_lasts_for_its_time_also_the_last(
    render: Callable[..., Path], tmp_path: Path, manual: ManualClock, name: str, step_s: float
) -> None:
    path = tmp_path / name
    if name == "clip.mp4":
        render(name, frames=6)
    elif name == "bad.png":
        path.write_bytes(b"no picture")
    else:
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    options = SourceOptions(loop=True, rate=0.25 if name == "slow.png" else None)
    camera = Camera("gate", str(path), manual, Pace.REALTIME, options=options)
    mailbox, stop = Mailbox(Buckets()), threading.Event()
    camera.watch(mailbox, 1.0, 0.5)
    came_s: list[float] = []

    def note(given: object, *_more: object) -> None:
        if given == "stopped":
            return
        came_s.append(manual.monotonic())
        if len(came_s) == 15:
            stop.set()

    if name == "bad.png":
        mailbox.buckets.put = note  # type: ignore[assignment, method-assign]  # where it ends
    else:
        mailbox.put = mailbox.put_waiting = note  # type: ignore[assignment, method-assign]  # taken at once
    camera.loop(stop)
    assert came_s[:15] == pytest.approx([number * step_s for number in range(15)], abs=1e-3)


def test_a_pipe_into_which_nobody_writes_is_offline_waited_for_and_read_when_somebody_does(
    render: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.video.camera.OPEN_TIMEOUT_S", 0.0)
    pipe, content = tmp_path / "camera.ts", render("x.ts", frames=12).read_bytes()
    os.mkfifo(pipe)
    seen: list[CameraStatus] = []
    started: list[threading.Thread] = []
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))

    def start(name: str, loop: Callable[[threading.Event], None]) -> None:
        thread = threading.Thread(target=loop, args=(stop,), name=name, daemon=True)
        started.append(thread)
        thread.start()

    def look() -> None:
        """In the pauses: from the third on somebody writes, and at the end it is told."""
        seen.append(camera.status())
        if len(seen) == 3:
            writer.start()
        if mailbox.buckets.captured or len(seen) > 1000:
            stop.set()

    class Clock(ManualClock):
        def wait(self, stop: threading.Event, seconds: float) -> bool:
            look()
            return super().wait(stop, seconds)

    stop, mailbox = threading.Event(), Mailbox(Buckets())
    camera = Camera("gate", str(pipe), Clock(), Pace.REALTIME, start=start)
    camera.watch(mailbox, 1.0, 0.5)
    camera.loop(stop)
    writer.join(PATIENCE_S)
    words = (
        f"{pipe}: it sends nothing within 0 s of being opened; check the device or the disk, or "
        "what is to write into this pipe"
    )
    assert [(each.state, each.why) for each in seen[:3]] == [("offline", words)] * 3
    # One thread waits for it, however often it is tried.
    assert [thread.name for thread in started] == ["open:gate"]
    assert mailbox.buckets.captured == 12
    assert seen[-1].state == "offline"
    assert seen[-1].why == f"{pipe}: the stream ended; the camera closed it"


def test_a_stop_does_not_wait_for_an_opening_and_what_is_opened_after_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, manual: ManualClock
) -> None:
    began, release, stop = threading.Event(), threading.Event(), threading.Event()
    source = Scripted(manual, Resume(), SHADES)
    started: list[threading.Thread] = []

    def opens(*_given: object, **_named: object) -> Scripted:
        began.set()
        assert release.wait(PATIENCE_S)
        return source

    def start(name: str, loop: Callable[[threading.Event], None]) -> None:
        started.append(threading.Thread(target=loop, args=(stop,), name=name, daemon=True))
        started[-1].start()

    monkeypatch.setattr("appliance.video.camera.open_source", opens)
    camera = Camera("gate", "rtsp://gate/1", manual, Pace.LIVE, start=start)
    mailbox = Mailbox(Buckets())
    camera.watch(mailbox, 1.0, 0.5)
    reading = threading.Thread(target=camera.loop, args=(stop,))
    reading.start()
    assert began.wait(PATIENCE_S)
    stop.set()
    reading.join(PATIENCE_S)
    assert not reading.is_alive()
    assert (camera.status().state, mailbox.ended, source.closed) == ("ended", True, False)
    release.set()
    (opening,) = started
    opening.join(PATIENCE_S)
    assert source.closed
    assert mailbox.buckets.captured == 0
