"""What a probe finds of still images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.clock import SystemClock
from appliance.video.errors import VideoError
from appliance.video.probe import probe
from appliance.video.probe_report import report_data, report_lines


def draw(path: Path, width: int, height: int) -> None:
    assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def test_a_folder_is_told_by_its_first_images(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / f"{number:02}.png", 64, 48)
    (tmp_path / "03.png").write_bytes(b"no picture")
    found = probe(str(tmp_path), SystemClock())
    assert (found.info.codec, found.info.frames) == ("images", 12)
    assert (found.info.width, found.info.height) == (64, 48)
    assert (found.units, found.undecodable) == (10, 1)
    assert report_lines(found, 2)[1] == "  video       images, 64x48, bgr24"
    assert report_lines(found, 2)[2] == "  rate        1 images/s; `rate` sets it"
    assert report_data(found, 2, str(tmp_path))["declared_rate"] is None


def test_one_image_is_a_source_too(tmp_path: Path) -> None:
    draw(tmp_path / "x.png", 32, 20)
    found = probe(str(tmp_path / "x.png"), SystemClock())
    assert (found.units, found.info.width, found.info.height) == (1, 32, 20)


def test_an_image_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"x\.png"):
        probe(str(tmp_path / "x.png"), SystemClock())


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="there is no picture in this folder"):
        probe(str(tmp_path), SystemClock())
