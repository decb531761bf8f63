"""Pictures to clips: each at its own time, whatever happens to the run."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.clock import Clock
from appliance.video.errors import VideoError
from appliance.video.reader import VideoReader
from appliance.video.writer import VideoWriter
from blocks.data import Frame, Image

Draw = Callable[[int, tuple[int, int]], NDArray[np.uint8]]
NumberOf = Callable[[Image], int]


def frames_of(path: Path, clock: Clock) -> list[Frame]:
    with VideoReader(str(path), "gate", clock) as reader:
        return [item for item in reader.frames() if isinstance(item, Frame)]


def flat(bgr: tuple[int, int, int], height: int = 120) -> Image:
    return Image.from_bgr(np.full((height, 160, 3), bgr, np.uint8))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "CLIP.MP4"])
def test_each_picture_keeps_its_time(
    tmp_path: Path, clock: Clock, draw_picture: Draw, number_of: NumberOf, name: str
) -> None:
    times = [5.0, 5.1, 5.15, 7.0, 7.04, 60.0]
    with VideoWriter(tmp_path / name, 25) as writer:
        for number, at_s in enumerate(times):
            writer.write(Image.from_bgr(draw_picture(number, (160, 120))), at_s)
    frames = frames_of(tmp_path / name, clock)
    assert [number_of(frame.image) for frame in frames] == list(range(6))
    assert [frame.at_s for frame in frames] == pytest.approx([t - 5 for t in times], abs=0.0006)


def test_the_clip_is_h264_with_an_index(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 30000 / 1001) as writer:
        for number in range(60):
            writer.write(flat((0, 0, 0)), number * 1001 / 30000)
    with VideoReader(str(path), "gate", clock) as reader:
        assert reader.info.codec == "h264"
        assert reader.info.frames == 60
        assert reader.info.rate == pytest.approx(30000 / 1001, rel=0.001)


@pytest.mark.parametrize("height", [120, 720])
def test_colours_come_back(tmp_path: Path, clock: Clock, height: int) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        writer.write(flat((40, 30, 220), height), 0.0)
    image = frames_of(path, clock)[0].image
    assert image.matrix == ("bt709" if height == 720 else "bt601")
    assert image.full_range is False
    assert image.bgr.reshape(-1, 3).mean(axis=0) == pytest.approx([40, 30, 220], abs=4)


def test_odd_sizes_lose_their_last_row_and_column(
    tmp_path: Path, clock: Clock, draw_picture: Draw, number_of: NumberOf
) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        for number in range(3):
            writer.write(Image.from_bgr(draw_picture(number, (161, 121))), number / 25)
    frames = frames_of(path, clock)
    assert {(frame.image.width, frame.image.height) for frame in frames} == {(160, 120)}
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2]


def test_times_that_do_not_rise_lose_no_picture(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mkv"
    with VideoWriter(path, 25) as writer:
        for at_s in (0.0, 0.0, -3.0, 1.0):
            writer.write(flat((0, 0, 0)), at_s)
    assert len(frames_of(path, clock)) == 4


def test_mpeg4_stands_in_where_x264_is_missing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        for number in range(5):
            writer.write(flat((40, 30, 220)), number / 25)
    frames = frames_of(path, clock)
    assert [frame.at_s for frame in frames] == pytest.approx([i / 25 for i in range(5)], abs=1e-4)
    assert frames[0].image.bgr.reshape(-1, 3).mean(axis=0) == pytest.approx([40, 30, 220], abs=4)
    with VideoReader(str(path), "gate", clock) as reader:
        assert reader.info.codec == "mpeg4"


KILLED_RUN = """
import os, pathlib, signal, sys
import numpy as np
from appliance.video.writer import VideoWriter
from blocks.data import Image
writer = VideoWriter(pathlib.Path(sys.argv[1]), 10)
for number in range(100):
    picture = np.full((120, 160, 3), number * 2, np.uint8)
    writer.write(Image.from_bgr(picture), number / 10)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_killed_run_leaves_a_clip_that_plays(tmp_path: Path, clock: Clock, name: str) -> None:
    path = tmp_path / name
    run = subprocess.run([sys.executable, "-c", KILLED_RUN, str(path)], check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL
    frames = frames_of(path, clock)
    assert len(frames) >= 40
    assert frames[-1].at_s == pytest.approx((len(frames) - 1) / 10, abs=0.001)


def test_a_clip_without_a_picture_is_none(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    VideoWriter(path, 25).close()
    assert not path.exists()


def test_a_clip_that_is_there_stays_until_the_first_picture(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes())
    VideoWriter(path, 25).close()
    assert path.read_bytes() == clip.read_bytes()


def test_closing_twice_is_allowed(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        writer.write(flat((0, 0, 0)), 0.0)
        writer.close()
    assert len(frames_of(path, clock)) == 1


@pytest.mark.parametrize(("name", "ending"), [("clip.txt", ".txt"), ("clip", "nothing")])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / name
    with pytest.raises(VideoError) as caught:
        VideoWriter(path, 25)
    assert str(caught.value) == f"{path}: clips end in .mp4, .mov, .mkv, not in {ending}"


def test_a_folder_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "clip.mp4"
    with pytest.raises(VideoError) as caught:
        VideoWriter(path, 25)
    assert str(caught.value) == f"{path}: cannot be written: No such file or directory"


def test_a_folder_in_the_place_of_the_clip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.mkdir()
    with pytest.raises(VideoError) as caught:
        VideoWriter(path, 25)
    assert str(caught.value) == f"{path}: cannot be written: Is a directory"


def test_a_rate_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pytest.raises(VideoError) as caught:
        VideoWriter(path, 0)
    assert str(caught.value) == f"{path}: a clip needs a rate above 0 frames/s, not 0"


def test_a_picture_of_another_size_is_refused_and_the_clip_is_kept(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 25) as writer:
        writer.write(flat((0, 0, 0)), 0.0)
        with pytest.raises(VideoError, match="it began with 160x120, and now comes 160x90"):
            writer.write(flat((0, 0, 0), 90), 0.04)
    assert len(frames_of(path, clock)) == 1


def test_a_picture_of_one_pixel_is_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 25) as writer:
        dot = Image.from_bgr(np.zeros((1, 1, 3), np.uint8))
        with pytest.raises(VideoError, match="a clip needs 2x2 pixels at least, not 1x1"):
            writer.write(dot, 0.0)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_full_disk_is_said_each_time_and_not_again_at_the_close(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.symlink_to("/dev/full")
    noise = np.random.default_rng(1)
    said = []
    with VideoWriter(path, 25) as writer:
        for number in range(100):
            pixels = noise.integers(0, 256, (120, 160, 3), np.uint8)
            try:
                writer.write(Image.from_bgr(pixels), number / 25)
            except VideoError as error:
                said.append(str(error))
    assert len(said) > 10
    assert set(said) == {f"{path}: cannot be written: No space left on device"}


def test_a_disk_that_is_full_at_the_close_is_said(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    path.symlink_to("/dev/full")
    writer = VideoWriter(path, 25)
    writer.write(flat((0, 0, 0)), 0.0)
    with pytest.raises(VideoError) as caught:
        writer.close()
    assert str(caught.value) == f"{path}: cannot be finished: No space left on device"


def test_nothing_is_written_to_the_output_of_the_program(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("clip.mp4", "clip.mkv"):
        with VideoWriter(tmp_path / name, 25) as writer:
            writer.write(flat((0, 0, 0)), 0.0)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
