"""What opens a source, by what its address names."""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.clock import Clock
from appliance.video.errors import VideoError
from appliance.video.reader import VideoReader
from appliance.video.source import Resume, SourceOptions
from appliance.video.sources import open_first, open_source
from appliance.video.stills import StillsReader


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_a_folder_and_a_picture_are_stills_and_a_clip_is_video(
    tmp_path: Path, render: Callable[..., Path], clock: Clock, stop: threading.Event
) -> None:
    picture = tmp_path / "pictures" / "one.png"
    picture.parent.mkdir()
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    found = {}
    for path in (picture.parent, picture, render("clip.mp4", frames=3)):
        opened = open_first(str(path), "gate", clock, stop)
        found[path.name] = type(opened.source)
        opened.source.close()
    assert found == {"pictures": StillsReader, "one.png": StillsReader, "clip.mp4": VideoReader}


def test_what_is_to_be_watched_must_be_a_folder(
    tmp_path: Path, clock: Clock, stop: threading.Event
) -> None:
    path = tmp_path / "no-such-folder"
    options = SourceOptions(watch=True)
    with pytest.raises(VideoError, match="no-such-folder: there is no such folder"):
        open_source(str(path), "gate", clock, stop, options=options, resume=Resume())


def test_a_source_that_is_opened_first_hands_its_time_on(
    render: Callable[..., Path], clock: Clock, stop: threading.Event
) -> None:
    opened = open_first(str(render("clip.mp4", frames=3)), "gate", clock, stop)
    opened.source.close()
    assert opened.resume.times is not None
    assert opened.resume.hardware is not None
