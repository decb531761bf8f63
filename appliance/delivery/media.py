"""Pictures that go with events: files below one folder, with a quota.

A picture is on disk before the row that names it, and stays at least until that is delivered. The
quota takes the oldest, but none that an undelivered event names.
"""

import os
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import cv2

from blocks.data import Image

JPEG_QUALITY = 85
SUFFIX = ".jpg"
# Removing goes on to this share of the quota, so that not every new picture has to look for room.
KEPT_SHARE = 0.9


class NoRoomError(Exception):
    """A picture was not kept; the text is a sentence for the user."""


class Media:
    """The folder of pictures. `wanted` gives the paths that undelivered events name.

    Used by one thread at a time. `removed` is how many the quota has taken since the start.
    """

    def __init__(
        self, folder: Path, quota_bytes: int, wanted: Callable[[], Set[str]] = frozenset
    ) -> None:
        self.folder = folder
        self.removed = 0
        self._quota_bytes = quota_bytes
        self._wanted = wanted
        self._bytes: int | None = None

    def save(self, name: str, time: float, image: Image) -> str:
        """Keep a picture; its path below the folder, as `2026-01-31/NAME.jpg`, by its UTC time.

        Raises:
            NoRoomError: it cannot be kept, for want of room or because of the disk.
        """
        day = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
        content = cv2.imencode(SUFFIX, image.bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        try:
            self._make_room(content.nbytes)
            _write(self.folder / day, name + SUFFIX, content.tobytes())
        except OSError as error:
            raise NoRoomError(
                f"the picture was left out: {self.folder} cannot be written ({error.strerror})"
            ) from error
        self._bytes = (self._bytes or 0) + content.nbytes
        return f"{day}/{name}{SUFFIX}"

    def path(self, attachment: str) -> Path:
        """The file of what a row names."""
        return self.folder / attachment

    def _make_room(self, count: int) -> None:
        if self._bytes is None:
            self._bytes = sum(size for _, size in self._files())
        if self._bytes + count <= self._quota_bytes:
            return
        wanted = self._wanted()
        for path, size in self._files():
            if self._bytes + count <= self._quota_bytes * KEPT_SHARE:
                return
            if path.relative_to(self.folder).as_posix() not in wanted:
                path.unlink(missing_ok=True)
                # A day of which all is gone.
                with suppress(OSError):
                    path.parent.rmdir()
                self._bytes -= size
                self.removed += 1
        if self._bytes + count > self._quota_bytes:
            raise NoRoomError(
                f"the picture was left out: those that undelivered events name fill {self.folder} "
                f"({self._quota_bytes / 1e6:.0f} MB); raise `media_mb`, or see why they wait"
            )

    def _files(self) -> Iterator[tuple[Path, int]]:
        """All pictures and their sizes in bytes, the oldest day first, and in it the oldest."""
        for day in sorted(path for path in self.folder.glob("*") if path.is_dir()):
            found = [(path, path.stat()) for path in day.iterdir()]
            for path, stat in sorted(found, key=lambda each: (each[1].st_mtime_ns, each[0].name)):
                yield path, stat.st_size


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, also after a power cut."""
    made = not folder.exists()
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    if made:
        _sync(folder.parent)
    half = folder / f".{name}"
    try:
        with half.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(folder / name)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
