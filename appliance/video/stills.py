"""Reads a still image, the images of a folder, or those that come into a watched folder."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.clock import Clock
from appliance.video.address import file_of
from appliance.video.capture_time import Captured, CaptureTime
from appliance.video.errors import VideoError, redact, unusable_file
from appliance.video.folders import WatchedFolder, pictures_in
from appliance.video.gauge import DAMAGED_SHARE, Gauge
from appliance.video.pictures import PictureError, is_picture, read_picture
from appliance.video.selection import Selection
from appliance.video.source import Item, Resume, SourceOptions, StreamInfo, Undecodable
from blocks.data import Frame

IMAGES_RATE = 1.0
"""Images of a folder for each second of its line, where no rate is asked for."""


def names_stills(uri: str) -> bool:
    """Whether an address names a folder, or a file whose name is that of a picture."""
    path = file_of(uri)
    return path is not None and (_is_folder(path) or is_picture(path.name))


class StillsReader:
    """Images from a disk, each a frame of its own; close it, or use it in a `with` statement.

    What is there is placed on the line by `options.rate`; what comes into a watched folder, by when
    it is taken in. A frame's `captured_at` is when its file was modified last. Memory is taken for
    one image, and for the names in the folder.

    Raises:
        VideoError: there is nothing to read.
    """

    def __init__(
        self,
        uri: str,
        camera: str,
        clock: Clock,
        stop: threading.Event,
        *,
        options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
        resume: Resume = Resume(),  # noqa: B008 - frozen
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._line: _EvenLine | _ArrivalLine
        path = file_of(uri)
        if path is None:
            raise VideoError(f"{redact(uri)}: only a file or a folder holds still images")
        self._paths, count = _paths(path, clock, stop, resume.taken, watch=options.watch)
        rate = options.rate or IMAGES_RATE
        if options.watch:
            self._line = _ArrivalLine(clock, resume.times)
        else:
            self._line = _EvenLine(1 / rate, resume.begin_s)
        self.info = StreamInfo(
            codec="images",
            width=0,
            height=0,
            rate=None if options.watch else rate,
            frames=count,
            duration_s=None if count is None else count / rate,
            live=options.watch,
            every=True,
        )
        self.gauge: Gauge = _PatientGauge(clock.monotonic())
        self.captured_s = 0.0
        self._demuxed = 0
        self._given = resume.begin_sequence

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def select(self, selection: Selection) -> None:
        """Nothing: each image counts."""

    def close(self) -> None:
        """Nothing is open between two images."""

    @property
    def demuxed(self) -> int:
        """Files read so far. Each comes out of `frames` as one item."""
        return self._demuxed

    @property
    def next_s(self) -> float:
        """The `at_s` that goes on from the frames so far."""
        return self._line.next_s

    def frames(self) -> Iterator[Item]:
        """Each image as a frame, or why it is none; a file that is gone is passed over.

        A watched folder is waited on until the stop.

        Raises:
            VideoError: a watched folder is gone.
        """
        for path in self._awaited_paths():
            try:
                modified_at = path.stat().st_mtime
                item = self._item(path, modified_at)
            except FileNotFoundError:
                continue
            except OSError as error:
                item = self._broken(f"{path}: it cannot be read: {error.strerror}")
            yield item

    def _awaited_paths(self) -> Iterator[Path]:
        while True:
            asked_s = self._clock.monotonic()
            path = next(self._paths, None)
            now = self._clock.monotonic()
            self.gauge.waited(now, now - asked_s)
            if path is None:
                return
            yield path

    def _item(self, path: Path, modified_at: float) -> Item:
        taken_s, begun_s = self._clock.monotonic(), self._clock.cpu_s()
        try:
            image = read_picture(path)
        except PictureError as error:
            return self._broken(str(error))
        now = self._clock.monotonic()
        self._count(taken_s)
        self.gauge.decoded(now, self._clock.cpu_s() - begun_s, now - taken_s)
        self.gauge.picture(now, image)
        self.captured_s = taken_s
        sequence, at_s = self._given, self._line.place(taken_s)
        self._given += 1
        return Frame(self._camera, at_s, modified_at, sequence=sequence, image=image)

    def _broken(self, reason: str) -> Undecodable:
        now = self._clock.monotonic()
        self._count(now)
        self._given += 1
        self.gauge.undecodable(now)
        return Undecodable(reason)

    def _count(self, now: float) -> None:
        self._demuxed += 1
        self.gauge.unit(now, key=True)


def _paths(
    path: Path, clock: Clock, stop: threading.Event, taken: set[str] | None, *, watch: bool
) -> tuple[Iterator[Path], int | None]:
    """What is to be read, and how much that is, where it is known."""
    if watch:
        if not _is_folder(path):
            raise VideoError(f"{path}: there is no such folder; only a folder can be watched")
        pictures_in(path)
        return (path / name for name in WatchedFolder(path, clock, stop, taken).names()), None
    if not _is_folder(path):
        try:
            path.stat()
        except (OSError, ValueError) as error:
            raise unusable_file(path, error) from None
        return iter((path,)), 1
    names = pictures_in(path)
    if not names:
        raise VideoError(
            f"{path}: there is no picture in this folder (.jpg, .png and so on); "
            "a clip is named by its file, and a folder that is yet to be filled needs `watch: true`"
        )
    return (path / name for name in names), len(names)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


class _EvenLine:
    """Images one `step_s` after another."""

    def __init__(self, step_s: float, begin_s: float) -> None:
        self._step_s = step_s
        self._begin_s = begin_s
        self._placed = 0

    @property
    def next_s(self) -> float:
        return self._begin_s + self._placed * self._step_s

    def place(self, _taken_s: float) -> float:
        at_s = self.next_s
        self._placed += 1
        return at_s


class _ArrivalLine:
    """Images when they are taken in, on the line of the camera's life."""

    def __init__(self, clock: Clock, times: CaptureTime | None) -> None:
        self._times = times or CaptureTime(clock)
        self.next_s = 0.0

    def place(self, taken_s: float) -> float:
        # Only the line is asked for: in UTC an image was taken when its file says.
        self.next_s = self._times.place(Captured(taken_s, 0.0, 0)).at_s
        return self.next_s


class _PatientGauge(Gauge):
    """Of a source that may rest for as long as it likes, and whose images may be alike."""

    def frozen_s(self, now: float) -> float:  # noqa: ARG002 - a Gauge
        return 0.0

    def trouble(self, now: float) -> str:
        damaged = self.figures(now).damaged
        return f"{damaged:.0%} of the images cannot be decoded" if damaged > DAMAGED_SHARE else ""
