"""Cameras whose sources are written down, on a clock that is moved by their frames."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from appliance.engine.testing import ManualClock, image
from appliance.observe.buckets import Buckets
from appliance.video.camera import Camera
from appliance.video.capture import Pace
from appliance.video.errors import VideoError
from appliance.video.gauge import Gauge
from appliance.video.mailbox import Mailbox
from appliance.video.selection import Selection
from appliance.video.source import Item, LeftOut, Resume, StreamInfo
from blocks.data import Frame, Image

SHADES = [image(bgr=(level, level, level)) for level in range(0, 250, 10)]


class Scripted:
    """A source that gives what it is told, each frame 40 ms after the one before, and fails."""

    def __init__(
        self,
        clock: ManualClock,
        resume: Resume,
        pictures: Sequence[Image],
        *,
        live: bool = True,
        every: bool = False,
        left_out: int = 0,
        ends: bool = False,
        during: Callable[[int], object] = lambda _number: None,
    ) -> None:
        self.info = StreamInfo("h264", 64, 48, 25.0, None, None, live=live, every=every)
        self.gauge = Gauge(clock.monotonic())
        self.demuxed = 0
        self.captured_s = 0.0
        self.next_s = resume.begin_s
        self.closed = False
        self.selected: Selection | None = None
        self.resume = resume
        self._clock = clock
        self._pictures = pictures
        self._left_out = left_out
        self._ends = ends
        self._during = during

    def frames(self) -> Iterator[Item]:
        for _ in range(self._left_out):
            self.demuxed += 1
            yield LeftOut("no-key")
        for number, picture in enumerate(self._pictures):
            self._clock.advance(0.04)
            self.demuxed += 1
            now = self.captured_s = self._clock.monotonic()
            self.gauge.unit(now, key=number % 25 == 0)
            self.gauge.picture(now, picture)
            if self.gauge.frozen_s(now) > self.resume.frozen_limit_s:
                raise VideoError("rtsp://gate/1: all pictures were the same")
            self._during(number)
            sequence = self.resume.begin_sequence + self.demuxed - 1
            yield Frame("gate", self.next_s, 1000 + now, sequence=sequence, image=picture)
            self.next_s += 0.04
        if not self._ends:
            raise VideoError("rtsp://gate/1: the stream ended; the camera closed it")

    def select(self, selection: Selection) -> None:
        self.selected = selection

    def close(self) -> None:
        self.closed = True


Open = Callable[[Resume], Scripted]


class Site:
    """A camera whose sources are those of a list, one after the other; then it is stopped."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, clock: ManualClock, *opens: Open | str, **given: Any
    ) -> None:
        self.stop = threading.Event()
        self.sources: list[Scripted] = []
        self.camera = Camera("gate", "rtsp://gate/1", clock, Pace.LIVE, **given)
        self.mailbox = Mailbox(Buckets())
        self.camera.watch(self.mailbox, 1.0, 0.5)
        self.opens = list(opens)
        monkeypatch.setattr("appliance.video.camera.open_source", self._open)

    def run(self) -> None:
        self.camera.loop(self.stop)

    def _open(self, *_given: Any, resume: Resume, **_named: Any) -> Scripted:
        if not self.opens:
            self.stop.set()
            raise VideoError("rtsp://gate/1: the test is over")
        opens = self.opens.pop(0)
        if isinstance(opens, str):
            raise VideoError(opens)
        self.sources.append(opens(resume))
        return self.sources[-1]
