"""Picture files of all kinds, whole and broken."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.video.pictures import LARGEST_BYTES, PictureError, is_picture, read_picture

# The left half red, the right half blue: in OpenCV's order of colours.
HALVES = np.zeros((48, 64, 3), np.uint8)
HALVES[:, :32] = (0, 0, 255)
HALVES[:, 32:] = (255, 0, 0)


def exif_jpeg(orientation: int) -> bytes:
    """A JPEG of `HALVES` with an EXIF orientation (CIPA DC-008, 4.6.4)."""
    content = cv2.imencode(".jpg", HALVES)[1].tobytes()
    entry = bytes.fromhex("0112 0003 00000001") + orientation.to_bytes(2, "big") + bytes(2)
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
    segment = b"Exif\x00\x00" + tiff
    return content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:]


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp", "webp", "tiff", "ppm", "gif", "jp2", "avif"])
def test_a_picture_of_each_kind_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(cv2.imencode(f".{kind}", HALVES)[1].tobytes())
    bgr = read_picture(path).bgr
    assert bgr.shape == (48, 64, 3)
    assert bgr[24, 8].argmax() == 2
    assert bgr[24, 56].argmax() == 0


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (64, 48), (8, 24)),
        (3, (64, 48), (56, 24)),
        (6, (48, 64), (24, 8)),
        (8, (48, 64), (24, 56)),
    ],
)
def test_a_picture_is_turned_as_its_exif_orientation_says(
    tmp_path: Path, orientation: int, size: tuple[int, int], red_at: tuple[int, int]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(exif_jpeg(orientation))
    image = read_picture(path)
    assert (image.width, image.height) == size
    assert image.bgr[red_at[1], red_at[0]].argmax() == 2


def test_sixteen_bits_and_a_fourth_channel_become_eight_bits_of_three(tmp_path: Path) -> None:
    deep, clear = tmp_path / "deep.png", tmp_path / "clear.png"
    deep.write_bytes(cv2.imencode(".png", np.full((4, 6), 40_000, np.uint16))[1].tobytes())
    clear.write_bytes(cv2.imencode(".png", np.full((4, 6, 4), 9, np.uint8))[1].tobytes())
    assert read_picture(deep).bgr[0, 0].tolist() == [156, 156, 156]
    assert read_picture(clear).bgr[0, 0].tolist() == [9, 9, 9]


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_picture_cut_short_is_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, share: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    content = cv2.imencode(f".{kind}", noise)[1].tobytes()
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert str(caught.value) == f"{path}: this is no picture, or one cut short or damaged"
    assert "OpenCV" not in capfd.readouterr().err


def test_what_cannot_be_a_picture_is_said_to_be_none(tmp_path: Path) -> None:
    empty, text, folder = tmp_path / "empty.png", tmp_path / "text.jpg", tmp_path / "folder.jpg"
    empty.touch()
    text.write_text("no picture")
    folder.mkdir()
    with pytest.raises(PictureError, match=r"empty.png: the file is empty \(0 bytes\)"):
        read_picture(empty)
    with pytest.raises(PictureError, match=r"text.jpg: this is no picture"):
        read_picture(text)
    with pytest.raises(PictureError, match=r"folder.jpg: it cannot be read: Is a directory"):
        read_picture(folder)


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(PictureError, match=r"a.png: it is larger than 256 MiB"):
        read_picture(path)


def test_a_picture_with_more_pixels_than_can_be_decoded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pbm"
    path.write_bytes(b"P4 40000 40000\n")
    with pytest.raises(PictureError, match=r"a.pbm: "):
        read_picture(path)


def test_a_missing_picture_is_told_apart_from_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.jpg", True),
        ("A.JPEG", True),
        ("a.b.tiff", True),
        (".a.jpg", False),
        (".jpg", False),
        ("a.jpg.tmp", False),
        ("a.jpg.part", False),
        ("a.mp4", False),
        ("jpg", False),
    ],
)
def test_a_picture_is_known_by_its_name(name: str, *, taken: bool) -> None:
    assert is_picture(name) is taken
