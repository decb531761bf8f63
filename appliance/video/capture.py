"""The loop of one camera: reads its frames and leaves them with every lane."""

import enum
import threading
from collections.abc import Sequence

from appliance.clock import Clock
from appliance.video.decoder import Undecodable
from appliance.video.mailbox import Mailbox
from appliance.video.reader import VideoReader
from blocks.data import Frame


class Pace(enum.Enum):
    """How fast frames are handed on, and what happens to a lane that is slower."""

    FAST = "fast"
    """As fast as the slowest lane takes them: every frame is processed."""
    REALTIME = "realtime"
    """A clip at the pace at which it was taken: the newest frame wins."""
    LIVE = "live"
    """As a camera sends them: the newest frame wins."""


def capture(
    reader: VideoReader,
    mailboxes: Sequence[Mailbox],
    stop: threading.Event,
    clock: Clock,
    pace: Pace,
) -> None:
    """Read until the source ends, `stop` is set, or no lane is left; then close the mailboxes.

    A source that fails leaves them open, since it may be opened again. Every access unit demuxed is
    counted as captured for every lane, and ends there in one bucket: what gives no picture in
    "decode-error", what is not handed on because of the stop in "stopped".

    Raises:
        VideoError: the source failed.
    """
    counted = settled = 0
    pacing = _Pacing(clock, pace)
    try:
        for item in reader.frames():
            counted += _count_captured(mailboxes, reader.demuxed - counted)
            if isinstance(item, Undecodable):
                for mailbox in mailboxes:
                    mailbox.buckets.put("decode-error")
            elif pacing.wait_for(item, stop):
                break
            else:
                _hand_on(item, mailboxes, stop, pace)
            settled += 1
            if stop.is_set() or all(mailbox.ended for mailbox in mailboxes):
                break
        for mailbox in mailboxes:
            mailbox.close()
    finally:
        _count_captured(mailboxes, reader.demuxed - counted)
        for mailbox in mailboxes:
            mailbox.buckets.put("stopped", reader.demuxed - settled)


class _Pacing:
    """Holds the frames of a clip back until their time has come."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._began_s: float | None = None

    def wait_for(self, frame: Frame, stop: threading.Event) -> bool:
        """Wait until the frame is due; say whether `stop` was set meanwhile."""
        if self._pace is not Pace.REALTIME:
            return stop.is_set()
        now = self._clock.monotonic()
        if self._began_s is None:
            self._began_s = now - frame.at_s
        return self._clock.wait(stop, max(0.0, self._began_s + frame.at_s - now))


def _count_captured(mailboxes: Sequence[Mailbox], count: int) -> int:
    for mailbox in mailboxes:
        mailbox.buckets.capture(count)
    return count


def _hand_on(frame: Frame, mailboxes: Sequence[Mailbox], stop: threading.Event, pace: Pace) -> None:
    for mailbox in mailboxes:
        if pace is Pace.FAST:
            mailbox.put_waiting(frame, stop)
        else:
            mailbox.put(frame)
