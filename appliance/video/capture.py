"""The loop of one camera: reads its frames and leaves them with every lane."""

import enum
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.clock import Clock
from appliance.observe.ages import Timed, Undecoded
from appliance.video.errors import VideoError
from appliance.video.gauge import Gauge
from appliance.video.mailbox import Mailbox
from appliance.video.motion import small_luma
from appliance.video.source import Item, LeftOut, Source, StreamInfo, Undecodable
from blocks.data import Frame, Image

# What comes in bursts and is this late has run dry: it is played out from now on.
LATE_S = 1.0
# So too where it is less late, and the source has let us wait for it.
UNEVEN_S = 0.1


class Pace(enum.Enum):
    """How fast frames are handed on, and what happens to a lane that is slower."""

    FAST = "fast"
    """As fast as the slowest lane takes them: every frame is processed."""
    REALTIME = "realtime"
    """A clip at the pace at which it was taken: the newest frame wins."""
    LIVE = "live"
    """As a camera sends them: the newest frame wins."""


def capture(
    source: Source,
    mailboxes: Sequence[Mailbox],
    stop: threading.Event,
    clock: Clock,
    pace: Pace,
    look: Callable[[Item], None] = lambda _item: None,
) -> None:
    """Read until the source ends, `stop` is set, or no lane is left; the mailboxes stay open.

    `look` is shown each item after the lanes have been given it, and ends the reading by raising.

    Every access unit demuxed is counted as captured for every lane, and ends there in one bucket:
    what gives no picture in "decode-error", what is not handed on because of the stop, or because
    of an error on our side, in "stopped".

    Raises:
        VideoError: a live source ended or fell silent, or a file cannot be read further; or what
            `look` raises.
    """
    counted = 0
    hand_on = _HandingOn(mailboxes, stop, clock, pace, source.info)
    left = "stopped"
    try:
        for item in source.frames():
            counted += _count_captured(mailboxes, source.demuxed - counted)
            if not hand_on.item(item, source.captured_s, source.gauge):
                break
            look(item)
            if stop.is_set() or all(mailbox.ended for mailbox in mailboxes):
                break
    except VideoError:
        # What a source that has failed has not given out is a picture that could not be made.
        left = "decode-error"
        raise
    finally:
        _count_captured(mailboxes, source.demuxed - counted)
        for mailbox, settled in zip(mailboxes, hand_on.settled, strict=True):
            mailbox.buckets.put(left, source.demuxed - settled)


class _HandingOn:
    """Gives each item to every lane, at its time.

    `settled` are the items that each lane has been given: where one lane fails, those before it
    have had theirs.
    """

    def __init__(
        self,
        mailboxes: Sequence[Mailbox],
        stop: threading.Event,
        clock: Clock,
        pace: Pace,
        info: StreamInfo,
    ) -> None:
        self.settled = [0] * len(mailboxes)
        self._bursts = info.bursts
        self._every = info.every
        self._waits = pace is Pace.FAST or info.every
        self._mailboxes = mailboxes
        self._stop = stop
        self._clock = clock
        self._pace = pace
        self._began_s: float | None = None
        self._asked_s = clock.monotonic()

    def item(self, item: Item, captured_s: float, gauge: Gauge) -> bool:
        """False if the stop came first."""
        if isinstance(item, (LeftOut, Undecodable)):
            bucket = item.bucket if isinstance(item, LeftOut) else "decode-error"
            for number, mailbox in enumerate(self._mailboxes):
                mailbox.buckets.put(bucket)
                self.settled[number] += 1
            return True
        due_s = self._wait_for(item, gauge)
        if self._stop.is_set():
            return False
        taken_s = captured_s if due_s is None else due_s
        timed = Timed(item, taken_s, self._clock.monotonic(), kept=self._every)
        gauge.ready(timed.ready_s, timed.ready_s - timed.captured_s)
        luma = _Luma(item.image) if isinstance(item, Frame) else _no_luma
        for number, mailbox in enumerate(self._mailboxes):
            if mailbox.admits(item, luma):
                self._put(mailbox, timed)
            self.settled[number] += 1
        self._asked_s = self._clock.monotonic()
        return True

    def _put(self, mailbox: Mailbox, timed: Timed) -> None:
        if self._waits:
            mailbox.put_waiting(timed, self._stop)
        else:
            mailbox.put(timed)

    def _wait_for(self, frame: Frame | Undecoded, gauge: Gauge) -> float | None:
        """Hold a clip's frame back until it is due, on the monotonic line; when that was."""
        if self._pace is not Pace.REALTIME:
            return None
        now = self._clock.monotonic()
        if self._began_s is None or self._has_run_dry(now, now - self._began_s - frame.at_s):
            self._began_s = now - frame.at_s
        due_s = self._began_s + frame.at_s
        self._clock.wait(self._stop, max(0.0, due_s - now))
        gauge.waited(now, max(0.0, due_s - now))
        return due_s

    def _has_run_dry(self, now: float, late_s: float) -> bool:
        """Whether what is late is to be played out from now on, so as to stay even.

        With each such time what lies ready grows, until it lasts from one burst to the next. What
        is late for want of a processor only is not: that would make the delay ever longer.
        """
        waited_for = UNEVEN_S < late_s < now - self._asked_s
        return self._bursts and (late_s > LATE_S or waited_for)


class _Luma:
    """The small luma picture of a frame: made once, for all gates, where there is one."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._made: NDArray[np.uint8] | None = None

    def __call__(self) -> NDArray[np.uint8]:
        if self._made is None:
            self._made = small_luma(self._image)
        return self._made


def _no_luma() -> NDArray[np.uint8]:
    raise ValueError("a frame at which a motion gate looks is not left to its lane to decode")


def _count_captured(mailboxes: Sequence[Mailbox], count: int) -> int:
    for mailbox in mailboxes:
        mailbox.buckets.capture(count)
    return count
