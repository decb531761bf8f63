"""Still images, folders and watched folders as sources."""

import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.engine.testing import ManualClock
from appliance.video.capture_time import CaptureTime
from appliance.video.errors import VideoError
from appliance.video.folders import LOOK_S
from appliance.video.reader import VideoReader
from appliance.video.source import Item, LeftOut, Resume, SourceOptions, StreamInfo, Undecodable
from appliance.video.sources import open_source
from appliance.video.stills import StillsReader, names_stills
from blocks.data import Frame

MODIFIED_AT = 1_700_000_000.0
WATCH = SourceOptions(watch=True)


def save(path: Path, value: int = 0, size: tuple[int, int] = (64, 48), at: float = 0.0) -> Path:
    """A grey picture of (width, height), modified so many seconds after `MODIFIED_AT`."""
    content = cv2.imencode(".png", np.full((size[1], size[0], 3), value, np.uint8))[1].tobytes()
    path.write_bytes(content)
    os.utime(path, (0, MODIFIED_AT + at))
    return path


def reader(
    path: Path,
    options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
    resume: Resume = Resume(),  # noqa: B008 - frozen
    clock: ManualClock | None = None,
    stop: threading.Event | None = None,
) -> StillsReader:
    stop = stop or threading.Event()
    return StillsReader(
        str(path), "gate", clock or ManualClock(), stop, options=options, resume=resume
    )


def described(items: Iterator[Item]) -> list[tuple[int, float, float, int] | str]:
    """Of a frame its number, line, modification less `MODIFIED_AT` and grey; else the reason."""
    return [
        (
            item.sequence,
            item.at_s,
            item.captured_at - MODIFIED_AT,
            int(item.image.bgr[0, 0, 0]),
        )
        if isinstance(item, Frame)
        else item.reason
        if isinstance(item, Undecodable)
        else item.bucket
        if isinstance(item, LeftOut)
        else "deferred"
        for item in items
    ]


def test_a_still_image_is_one_frame(tmp_path: Path) -> None:
    with reader(save(tmp_path / "a.png", 7)) as source:
        assert source.info == StreamInfo("images", 0, 0, 1.0, 1, 1.0, live=False, every=True)
        assert described(source.frames()) == [(0, 0.0, 0.0, 7)]
        assert (source.demuxed, source.next_s) == (1, 1.0)


def test_a_folder_gives_each_picture_in_natural_order_at_its_rate(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        save(tmp_path / f"img{number}.png", number, at=-number)
    source = reader(tmp_path, SourceOptions(rate=4.0), Resume(begin_s=100.0, begin_sequence=40))
    assert (source.info.frames, source.info.duration_s, source.info.every) == (3, 0.75, True)
    assert not source.info.live
    assert described(source.frames()) == [
        (40, 100.0, -1.0, 1),
        (41, 100.25, -9.0, 9),
        (42, 100.5, -10.0, 10),
    ]
    assert source.next_s == 100.75


def test_sizes_may_differ(tmp_path: Path) -> None:
    save(tmp_path / "1.png", size=(64, 48))
    save(tmp_path / "2.png", size=(30, 90))
    frames = [item for item in reader(tmp_path).frames() if isinstance(item, Frame)]
    assert [(frame.image.width, frame.image.height) for frame in frames] == [(64, 48), (30, 90)]


def test_a_broken_picture_is_one_unit_that_gives_none(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    (tmp_path / "2.jpg").write_bytes(b"broken")
    save(tmp_path / "3.png", 3)
    source = reader(tmp_path)
    assert described(source.frames()) == [
        (0, 0.0, 0.0, 1),
        f"{tmp_path / '2.jpg'}: this is no picture, or one cut short or damaged",
        (2, 1.0, 0.0, 3),
    ]
    assert source.demuxed == 3
    assert source.gauge.trouble(0.0) == "33% of the images cannot be decoded"


def test_a_picture_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save(tmp_path / f"{number}.png", number)
    source = reader(tmp_path)
    (tmp_path / "2.png").unlink()
    assert described(source.frames()) == [(0, 0.0, 0.0, 1), (1, 1.0, 0.0, 3)]
    assert source.demuxed == 2


@pytest.mark.parametrize("kind", ["loop", "mode"])
def test_a_picture_that_cannot_be_looked_at_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = save(tmp_path / "1.png")
    source = reader(tmp_path)

    def refuse(_path: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    if kind == "loop":
        path.unlink()
        path.symlink_to(path)
        reason = "Too many levels of symbolic links"
    else:
        monkeypatch.setattr(Path, "stat", refuse)
        reason = "Permission denied"
    assert described(source.frames()) == [f"{path}: it cannot be read: {reason}"]


def test_a_watched_folder_gives_what_is_there_and_then_what_comes(tmp_path: Path) -> None:
    save(tmp_path / "2.png", 2, at=5)
    save(tmp_path / "1.png", 1, at=9)
    clock, stop = ManualClock(), threading.Event()
    source = reader(tmp_path, WATCH, clock=clock, stop=stop)
    assert source.info == StreamInfo("images", 0, 0, None, None, None, live=True, every=True)
    items = source.frames()
    assert described(islice(items, 2)) == [(0, 0.0, 9.0, 1), (1, 0.001, 5.0, 2)]
    clock.advance(60.0)
    save(tmp_path / "0.png", 3)
    assert described(islice(items, 1)) == [(2, 60.0 + 2 * LOOK_S, 0.0, 3)]
    assert source.captured_s == clock.monotonic()
    stop.set()
    assert described(items) == []
    assert source.demuxed == 3


def test_a_watched_folder_may_be_empty_at_first_and_rest_without_trouble(tmp_path: Path) -> None:
    clock = ManualClock()
    source = reader(tmp_path, WATCH, clock=clock)
    clock.advance(3600.0)
    assert source.gauge.trouble(clock.monotonic()) == ""
    items = source.frames()
    save(tmp_path / "a.png", 1)
    assert described(islice(items, 1)) == [(0, 0.0, 0.0, 1)]
    clock.advance(3600.0)
    assert source.gauge.trouble(clock.monotonic()) == ""
    assert source.gauge.frozen_s(clock.monotonic()) == 0.0


def test_a_watched_folder_goes_on_with_the_line_of_its_camera(tmp_path: Path) -> None:
    clock = ManualClock()
    times = CaptureTime(clock)
    save(tmp_path / "a.png", 1)
    first = reader(tmp_path, WATCH, Resume(times=times), clock)
    assert described(islice(first.frames(), 1)) == [(0, 0.0, 0.0, 1)]
    (tmp_path / "a.png").unlink()
    save(tmp_path / "b.png", 2)
    clock.advance(30.0 - LOOK_S)
    second = reader(tmp_path, WATCH, Resume(times=times, begin_sequence=1), clock)
    assert described(islice(second.frames(), 1)) == [(1, 30.0, 0.0, 2)]
    assert second.next_s == 30.0


def test_the_gauge_of_a_folder_knows_its_pictures(tmp_path: Path) -> None:
    save(tmp_path / "1.png", size=(30, 20))
    source = reader(tmp_path)
    assert len(list(source.frames())) == 1
    assert source.gauge.size == (30, 20)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("in", SourceOptions(), "in: there is no picture in this folder"),
        ("a.png", WATCH, "a.png: there is no such folder; only a folder can be watched"),
        ("gone", WATCH, "gone: there is no such folder"),
        ("b.png", SourceOptions(), r"b.png: there is no such file \(did you mean .*a.png\?\)"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, name: str, options: SourceOptions, words: str
) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "a.png")
    with pytest.raises(VideoError, match=words):
        reader(tmp_path / name, options)


def test_only_what_lies_on_a_disk_can_be_watched() -> None:
    with pytest.raises(VideoError, match=r"http://u:\*\*\*@c/a: only a file or a folder holds"):
        StillsReader("http://u:pw@c/a", "gate", ManualClock(), threading.Event(), options=WATCH)


@pytest.mark.parametrize(
    ("uri", "stills"),
    [
        ("{}", True),
        ("file://{}", True),
        ("{}/a.PNG", True),
        ("{}/a.mp4", False),
        ("{}/gone", False),
        ("http://c/a.png", False),
        ("a\0b", False),
    ],
)
def test_folders_and_names_of_pictures_are_stills(
    tmp_path: Path, uri: str, *, stills: bool
) -> None:
    assert names_stills(uri.format(tmp_path)) is stills


def test_a_source_is_opened_by_what_its_address_names(tmp_path: Path, clip: Path) -> None:
    save(tmp_path / "a.png")
    for path, options, kind in (
        (tmp_path, SourceOptions(), StillsReader),
        (tmp_path, WATCH, StillsReader),
        (tmp_path / "a.png", SourceOptions(), StillsReader),
        (clip, SourceOptions(), VideoReader),
    ):
        source = open_source(
            str(path), "gate", ManualClock(), threading.Event(), options=options, resume=Resume()
        )
        source.close()
        assert isinstance(source, kind)
