"""Pictures that go with events."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.delivery.media import Media, NoRoomError
from blocks.data import Image

NOON = 1_769_860_800.0  # 2026-01-31 12:00 UTC
DAY_S = 86_400.0


@pytest.fixture
def image() -> Image:
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    return Image((np.dstack([ramp, ramp, ramp]),))


def size_of(media: Media, image: Image) -> int:
    path = media.path(media.save("first", NOON, image))
    size = path.stat().st_size
    path.unlink()
    return size


def test_a_picture_lies_under_its_day_and_looks_as_it_did(tmp_path: Path, image: Image) -> None:
    media = Media(tmp_path / "media", 1_000_000)
    assert media.save("abc", NOON, image) == "2026-01-31/abc.jpg"
    again = cv2.imread(str(media.path("2026-01-31/abc.jpg")))
    assert again is not None
    assert again.shape == (48, 64, 3)
    assert np.abs(again.astype(int) - image.bgr).max() < 8


def test_the_oldest_pictures_make_room(tmp_path: Path, image: Image) -> None:
    size = size_of(Media(tmp_path, 10**6), image)
    media = Media(tmp_path, 4 * size)
    for number in range(4):
        media.save(f"n{number}", NOON + number * DAY_S, image)
    media.save("n4", NOON + 4 * DAY_S, image)
    # Down to nine tenths of the quota, the new one included.
    assert sorted(path.stem for path in tmp_path.rglob("*.jpg")) == ["n2", "n3", "n4"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "2026-02-02",
        "2026-02-03",
        "2026-02-04",
    ]
    assert media.removed == 2


def test_what_an_undelivered_event_names_is_kept(tmp_path: Path, image: Image) -> None:
    size = size_of(Media(tmp_path, 10**6), image)
    media = Media(tmp_path, 2 * size, lambda: {"2026-01-31/old.jpg"})
    media.save("old", NOON, image)
    media.save("middle", NOON + 1, image)
    media.save("new", NOON + 2, image)
    assert sorted(path.stem for path in tmp_path.rglob("*.jpg")) == ["new", "old"]


def test_where_all_are_wanted_the_new_one_is_left_out(tmp_path: Path, image: Image) -> None:
    size = size_of(Media(tmp_path, 10**6), image)
    media = Media(tmp_path, size, lambda: {"2026-01-31/old.jpg"})
    media.save("old", NOON, image)
    with pytest.raises(NoRoomError, match=r"those that undelivered events name fill .* see why"):
        media.save("new", NOON, image)
    assert [path.stem for path in tmp_path.rglob("*.jpg")] == ["old"]


def test_what_is_there_already_counts(tmp_path: Path, image: Image) -> None:
    size = size_of(Media(tmp_path, 10**6), image)
    Media(tmp_path, 10**6).save("before", NOON, image)
    Media(tmp_path, size).save("after", NOON + 1, image)
    assert [path.stem for path in tmp_path.rglob("*.jpg")] == ["after"]


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, image: Image) -> None:
    (tmp_path / "media").write_text("a file in its place")
    with pytest.raises(NoRoomError, match=r"media cannot be written \((Not a dir|File exi)"):
        Media(tmp_path / "media", 10**6).save("abc", NOON, image)


def test_a_disk_that_is_full_leaves_nothing_half(
    tmp_path: Path, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "2026-01-31").mkdir()
    with pytest.raises(NoRoomError, match="No space left on device"):
        Media(tmp_path, 10**6).save("abc", NOON, image)
    assert list((tmp_path / "2026-01-31").iterdir()) == []
