"""A camera over its life: clips that end, cameras that fail and come back."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.clock import Clock
from appliance.observe.buckets import Buckets
from appliance.video.camera import Camera
from appliance.video.capture import Pace
from appliance.video.errors import VideoError
from appliance.video.mailbox import Mailbox
from appliance.video.reader import VideoReader
from blocks.data import Frame

PATIENCE_S = 10.0


def watched(camera: Camera) -> tuple[Mailbox, list[Frame], threading.Thread]:
    """A lane that takes every frame of a camera on a thread of its own."""
    mailbox = Mailbox(Buckets())
    camera.mailboxes.append(mailbox)
    frames: list[Frame] = []

    def take_all() -> None:
        while not mailbox.ended:
            frame = mailbox.take(threading.Event(), 0.1)
            if frame is not None:
                frames.append(frame)
                mailbox.buckets.put("processed")

    thread = threading.Thread(target=take_all, daemon=True)
    thread.start()
    return mailbox, frames, thread


def test_a_clip_is_read_to_its_end_and_its_lanes_end_with_it(
    render: Callable[..., Path], clock: Clock
) -> None:
    camera = Camera("gate", str(render("x.mp4", frames=12)), clock, Pace.FAST)
    assert camera.status().state == "starting"
    mailbox, frames, thread = watched(camera)
    camera.loop(threading.Event())
    thread.join(PATIENCE_S)
    assert camera.status().state == "ended"
    assert [frame.sequence for frame in frames] == list(range(12))
    assert mailbox.buckets.snapshot() == {"processed": 12}


def test_a_reader_that_is_open_already_is_used(render: Callable[..., Path], clock: Clock) -> None:
    camera = Camera("gate", "no-such-file.mp4", clock, Pace.FAST)
    camera.take(VideoReader(str(render("x.mp4", frames=3)), "gate", clock))
    _, frames, thread = watched(camera)
    camera.loop(threading.Event())
    thread.join(PATIENCE_S)
    assert len(frames) == 3


def test_a_camera_that_cannot_be_opened_is_offline_and_says_why(clock: Clock) -> None:
    camera = Camera("gate", "no-such-file.mp4", clock, Pace.FAST)
    mailbox = Mailbox(Buckets())
    camera.mailboxes.append(mailbox)
    with pytest.raises(VideoError):
        camera.loop(threading.Event())
    assert camera.status().state == "offline"
    assert camera.status().last_error == "no-such-file.mp4: there is no such file"
    assert camera.status().failures == 1
    still_open = not mailbox.ended
    assert still_open


def test_a_live_camera_that_comes_back_goes_on_in_time_and_number(
    camera_server: str, clock: Clock
) -> None:
    camera = Camera("gate", f"{camera_server}/live/6", clock, Pace.LIVE)
    mailbox = Mailbox(Buckets())
    camera.mailboxes.append(mailbox)
    last: list[Frame] = []
    for _ in range(2):
        with pytest.raises(VideoError):
            camera.loop(threading.Event())
        frame = mailbox.take(threading.Event(), PATIENCE_S)
        assert frame is not None
        last.append(frame)
    assert [frame.sequence for frame in last] == [5, 11]
    # The clock stands still: what had come was ahead of it, and time does not go back for that.
    assert [frame.at_s for frame in last] == pytest.approx([5 / 25, 11 / 25])
    assert mailbox.buckets.captured == 12
    assert camera.status().failures == 2
