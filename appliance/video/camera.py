"""One camera of the settings: opened, read for all its lanes, and opened again when it fails."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog

from appliance.clock import Clock
from appliance.observe.bursts import Bursts
from appliance.video.address import file_of
from appliance.video.backoff import BackOff
from appliance.video.capture import Pace, capture
from appliance.video.capture_time import CaptureTime
from appliance.video.decode_turns import DecodeTurns
from appliance.video.errors import AccessRefusedError, VideoError, redact
from appliance.video.gauge import FROZEN_S, Gauge
from appliance.video.hardware import HardwareChoice
from appliance.video.levels import ALL
from appliance.video.mailbox import Mailbox
from appliance.video.memory import trim
from appliance.video.opening import OPEN_TIMEOUT_S
from appliance.video.pending import PendingSource
from appliance.video.selection import Selection
from appliance.video.source import Item, Opened, Resume, Source, SourceOptions, Start
from appliance.video.sources import open_source

State = Literal["starting", "running", "degraded", "offline", "ended"]

# Pictures that are all the same for so long: the connection is made anew, once for each freeze.
REOPEN_FROZEN_S = 3 * FROZEN_S
# A decoder that joins a stream makes up parts of its first pictures: they differ for that.
SETTLED_S = 2.0
# A turn of a loop in which no time passes, for want of a picture, lasts for so long.
LEAST_TURN_S = 1.0
# For so long it is told that the camera's time jumped.
JUMP_TOLD_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera fares: its state and why, what it sends, and what is decoded of it.

    `rate` is frames captured each second, of the last ten; `decode_ms` processor time for each unit
    decoded; `decoder_why` is why hardware that is there is not used; `lag_s` from the capture to
    the decoded picture, of 95 of 100. `clock_offset_s` is how much the camera's own clock is ahead
    of ours, where it tells.
    """

    state: State
    why: str
    last_error: str
    failures: int
    connections: int
    codec: str = ""
    size: tuple[int, int] = (0, 0)
    rate: float = 0.0
    level: str = ""
    decoder: str = ""
    decoder_why: str = ""
    decode_ms: float = 0.0
    lag_s: float = 0.0
    time_jumps: int = 0
    clock_offset_s: float | None = None


class Camera:
    """A source and the mailboxes of the lanes that watch it.

    `loop` runs on one supervised thread, and ends when the source has ended or at the stop: a
    source that fails is opened again, for ever; its time and its numbers go on where they were.
    An error on our side, such as of a lane's motion gate, is noted and raised.
    `chance` gives numbers from 0 to 1, for the pauses between; `turns` are those in which all
    cameras decode; `busy` tells whether a lane that wanted to compute would have to wait. `start`
    starts a further thread, and with it a source is opened on one, so that the stop waits for no
    opening; what is read ends at a stop with the next that comes.
    """

    def __init__(  # noqa: PLR0913 - a camera is given all that it meets
        self,
        name: str,
        url: str,
        clock: Clock,
        pace: Pace,
        *,
        options: SourceOptions = SourceOptions(),  # noqa: B008 - frozen
        chance: Callable[[], float] = lambda: 1.0,
        start: Start | None = None,
        turns: DecodeTurns | None = None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._turns = turns
        self._busy = busy
        self._start = start
        self.name = name
        self.mailboxes: list[Mailbox] = []
        # That of the most important lane.
        self.weight = 0.0
        self.max_latency_s = 0.0
        self.selection = Selection(self._defers) if pace is not Pace.FAST else None
        self._url = url
        self._clock = clock
        self._pace = pace
        self._options = options
        self._times = CaptureTime(clock)
        self._hardware = HardwareChoice(options.hardware)
        self._backoff = BackOff(chance)
        self._bursts = Bursts(clock)
        self._opened: Source | None = None
        self._pending: PendingSource | None = None
        self._source: Source | None = None
        self._state: State = "starting"
        self._last_error = ""
        # Why it is offline, or ended.
        self._why = ""
        # When its last picture was there, in UTC; of the connections before this one.
        self._pictured_at: float | None = None
        self._failures = 0
        self._connections = 0
        self._captured = 0
        self._next_s = 0.0
        self._jumps = 0
        self._jumped_s = -JUMP_TOLD_S
        # A freeze that a new connection does not end: it is not made again for that one.
        self._reopened_frozen = False
        # What has been taken of a watched folder, which may go and come back.
        self._taken: set[str] = set()

    def watch(self, mailbox: Mailbox, weight: float, max_latency_s: float) -> None:
        """A lane takes part, before the loop begins, with its priority and its latency."""
        self.mailboxes.append(mailbox)
        self.weight = max(self.weight, weight)
        # One that is less patient leaves late frames out by itself.
        self.max_latency_s = max(self.max_latency_s, max_latency_s)

    def take(self, opened: Opened) -> None:
        """Begin with a source that is open already; it is the camera's from here on."""
        self._opened = opened.source
        self._times = opened.resume.times or self._times
        self._hardware = opened.resume.hardware or self._hardware
        if self.selection is not None:
            opened.source.select(self.selection)

    def loop(self, stop: threading.Event) -> None:
        """Read until the source has ended or `stop` is set."""
        while not stop.is_set():
            try:
                ended = self._read(stop)
            except VideoError as error:
                self._clock.wait(stop, self._fail(error))
            except Exception as error:
                self._break(error)
                raise
            else:
                if ended:
                    break
        if self._pending is not None:
            self._pending.leave()
        self._state = "ended"
        for mailbox in self.mailboxes:
            mailbox.close()

    def status(self) -> CameraStatus:
        """How it fares now; may be asked by any thread."""
        source, now = self._source, self._clock.monotonic()
        state = self._state
        why = self._why if state in ("offline", "ended") else ""
        status = CameraStatus(
            state, why, self._last_error, self._failures, self._connections, level=self.level
        )
        if source is None:
            return status
        figures = source.gauge.figures(now)
        if state == "running" and source.info.live:
            why = source.gauge.trouble(now) or self._time_trouble(now)
        return replace(
            status,
            state="degraded" if state == "running" and why else state,
            why=why,
            codec=source.info.codec,
            size=source.gauge.size,
            rate=round(figures.rate, 2),
            decoder=self._hardware.decoding.name,
            decoder_why=self._hardware.decoding.reason,
            decode_ms=round(figures.cost_s * 1000, 3),
            lag_s=round(figures.lag_s, 4),
            time_jumps=self._times.jumps,
            clock_offset_s=self._times.camera_offset_s,
        )

    @property
    def gauge(self) -> Gauge | None:
        """What is measured of the connection there is; None where there is none."""
        source = self._source
        return source.gauge if source is not None and self._state == "running" else None

    @property
    def level(self) -> str:
        """What of the stream is decoded."""
        return str(self.selection.level) if self.selection is not None else str(ALL)

    def _defers(self) -> bool:
        """Whether a lane that takes what comes now had better decode it itself.

        So it is while it could not compute anyway, and where it waits for nothing else. A lane that
        computes while there is time for more gets its next picture decoded meanwhile.
        """
        if any(mailbox.admission.gate is not None for mailbox in self.mailboxes):
            return False
        return self._busy() or all(mailbox.idle for mailbox in self.mailboxes)

    def _time_trouble(self, now: float) -> str:
        if self._times.jumps != self._jumps:
            self._jumps, self._jumped_s = self._times.jumps, now
        if now - self._jumped_s < JUMP_TOLD_S:
            return "its time stamps jumped; frames are placed by when they came"
        if self._source is not None and self._source.info.stamped and not self._times.trusted:
            return "its time stamps do not follow the clock: the times of arrival are used"
        return ""

    def _read(self, stop: threading.Event) -> bool:
        """Read one connection; say whether the source is at its end for good."""
        began_s, began_at_s = self._clock.monotonic(), self._next_s
        source = self._opened or self._open(stop)
        self._opened = None
        if source is None:
            return False
        self._source = source
        self._why = ""
        self._connections += 1
        broken = ""
        pace = Pace.LIVE if source.info.live else self._pace
        pace = Pace.REALTIME if source.info.bursts else pace
        try:
            self._state = "running"
            look = _Thawing(source.gauge, self._url, self._clock, frozen=self._reopened_frozen)
            capture(source, self.mailboxes, stop, self._clock, pace, look)
        except VideoError as error:
            if source.info.live:
                raise
            # Read again from its beginning, a clip would count everything twice.
            self._last_error = broken = str(error)
            log.warning(self._last_error, camera=self.name)
        finally:
            self._note_end(source)
            self._captured += source.demuxed
            self._next_s = source.next_s
            source.close()
            trim()
        ended = not self._options.loop or not source.demuxed or self._abandoned
        if ended and not stop.is_set() and not source.info.live:
            self._why = broken or _at_the_end(source)
        if not ended and pace is Pace.REALTIME and not source.info.live:
            # From one opening to the next: so the last frame, too, lasts for its time.
            turn_s = (self._next_s - began_at_s) or LEAST_TURN_S
            self._clock.wait(stop, began_s + turn_s - self._clock.monotonic())
        return ended

    def _note_end(self, source: Source) -> None:
        """What the next connection has to know of this one.

        One that was made anew because of a freeze, and is frozen still, stays.
        """
        now, pictured_s = self._clock.monotonic(), source.gauge.last_picture_s
        self._reopened_frozen = source.gauge.frozen_s(now) > REOPEN_FROZEN_S
        if pictured_s is not None:
            self._pictured_at = self._clock.now() - (now - pictured_s)
            self._backoff.lasted(pictured_s - source.gauge.began_s)

    @property
    def _abandoned(self) -> bool:
        return all(mailbox.ended for mailbox in self.mailboxes)

    def _fail(self, error: VideoError) -> float:
        """Note that it is offline, and why; how long to wait before it is opened again."""
        self._why = self._last_error = str(error)
        if isinstance(error, AccessRefusedError):
            wait_s = self._backoff.refused_s()
            self._why += f"; tried again in {wait_s:g} s"
        else:
            wait_s = self._backoff.wait_s()
            # One that failed while it was read has said so itself.
            if self._state == "offline" and self._pictured_at is not None:
                since = datetime.fromtimestamp(self._pictured_at, UTC)
                self._why = f"it sends nothing since {since:%Y-%m-%d %H:%M:%S} UTC; {self._why}"
        self._state = "offline"
        self._failures += 1
        count = self._bursts.add(self._last_error, self._last_error)
        if count:
            log.warning(self._last_error, camera=self.name, failures=self._failures)
        return wait_s

    def _break(self, error: Exception) -> None:
        """Note an error on our side; who runs the loop logs it, and begins it again."""
        self._last_error = f"{type(error).__name__}: {error}"
        self._why = f"reading it failed on our side, and begins again: {self._last_error}"
        self._state = "offline"
        self._failures += 1

    def _open(self, stop: threading.Event) -> Source | None:
        """The source, open; None if the stop came before.

        What gives nothing in the system, a device or a pipe, is waited for again at the next try:
        to begin anew would only leave one more thread there.
        """
        opens = partial(self._open_here, stop)
        if self._start is None:
            return opens()
        pending, self._pending = self._pending, None
        if pending is None:
            pending = PendingSource(opens, self._start, f"open:{self.name}")
        # On the network libav itself says after how long it gives up.
        patience_s = OPEN_TIMEOUT_S if file_of(self._url) is not None else math.inf
        if pending.wait(stop, self._clock, patience_s):
            return pending.take()
        if stop.is_set():
            pending.leave()
            return None
        self._pending = pending
        raise VideoError(
            f"{redact(self._url)}: it sends nothing within {OPEN_TIMEOUT_S:g} s of being opened; "
            "check the device or the disk, or what is to write into this pipe"
        )

    def _open_here(self, stop: threading.Event) -> Source:
        return open_source(
            self._url,
            self.name,
            self._clock,
            stop,
            options=self._options,
            resume=Resume(
                times=self._times,
                selection=self.selection,
                hardware=self._hardware,
                start=self._start,
                turns=self._turns,
                taken=self._taken,
                begin_s=self._next_s,
                begin_sequence=self._captured,
                frozen_limit_s=math.inf if self._reopened_frozen else REOPEN_FROZEN_S,
            ),
        )


class _Thawing:
    """Looks at a connection that may be `frozen` as the one before it was, without failing for it.

    As soon as two pictures differ that freeze is over: another one is a failure as any other.
    """

    def __init__(self, gauge: Gauge, url: str, clock: Clock, *, frozen: bool) -> None:
        self._gauge = gauge
        self._url = url
        self._clock = clock
        self._was_frozen = frozen

    def __call__(self, _item: Item) -> None:
        if not self._was_frozen or self._gauge.changed_s - self._gauge.began_s < SETTLED_S:
            return
        # The source itself was told to bear it.
        if self._gauge.frozen_s(self._clock.monotonic()) > REOPEN_FROZEN_S:
            raise VideoError(
                f"{redact(self._url)}: all pictures of {REOPEN_FROZEN_S:g} s were the same"
            )


def _at_the_end(source: Source) -> str:
    if not source.info.every:
        return "the clip has ended"
    if source.demuxed == 1:
        return "its image was read"
    return f"all {source.demuxed} images were read"
