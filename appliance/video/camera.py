"""One camera of the settings: opened, read for all its lanes, and opened again when it fails."""

import threading
from dataclasses import dataclass
from typing import Literal

import structlog

from appliance.clock import Clock
from appliance.video.capture import Pace, capture
from appliance.video.errors import VideoError
from appliance.video.mailbox import Mailbox
from appliance.video.reader import VideoReader

State = Literal["starting", "running", "offline", "ended"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera fares: its state, why it failed last, and how often it did."""

    state: State
    last_error: str
    failures: int


class Camera:
    """A source and the mailboxes of the lanes that watch it.

    `loop` runs on one supervised thread. It raises VideoError where the source may come back, and
    is then called again: time and numbers go on where they were.
    """

    def __init__(self, name: str, url: str, clock: Clock, pace: Pace) -> None:
        self.name = name
        self.mailboxes: list[Mailbox] = []
        self._url = url
        self._clock = clock
        self._pace = pace
        self._began_s = clock.monotonic()
        self._opened: VideoReader | None = None
        self._state: State = "starting"
        self._last_error = ""
        self._failures = 0
        self._captured = 0
        self._next_s = 0.0

    def take(self, reader: VideoReader) -> None:
        """Begin with a reader that is open already; it is the camera's from here on."""
        self._opened = reader

    def status(self) -> CameraStatus:
        """How it fares now; may be asked by any thread."""
        return CameraStatus(self._state, self._last_error, self._failures)

    def loop(self, stop: threading.Event) -> None:
        """Read until the source ends or `stop` is set.

        Raises:
            VideoError: it cannot be opened, or a live source failed.
        """
        try:
            self._read(stop)
        except VideoError as error:
            self._state, self._last_error = "offline", str(error)
            self._failures += 1
            raise
        self._state = "ended"
        for mailbox in self.mailboxes:
            mailbox.close()

    def _read(self, stop: threading.Event) -> None:
        reader, self._opened = self._opened or self._open(), None
        pace = Pace.LIVE if reader.info.live else self._pace
        with reader:
            self._state = "running"
            try:
                capture(reader, self.mailboxes, stop, self._clock, pace)
            except VideoError as error:
                if reader.info.live:
                    raise
                # Read again from its beginning, a clip would count everything twice.
                self._last_error = str(error)
                log.warning(self._last_error, camera=self.name)
            finally:
                self._captured += reader.demuxed
                self._next_s = reader.next_s

    def _open(self) -> VideoReader:
        begin_s = self._clock.monotonic() - self._began_s if self._captured else 0.0
        # A source that sends faster than time passes was ahead of it; its line never goes back.
        begin_s = max(begin_s, self._next_s)
        return VideoReader(
            self._url, self.name, self._clock, begin_s=begin_s, begin_sequence=self._captured
        )
