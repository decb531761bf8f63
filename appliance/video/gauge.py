"""What is measured of a camera while it is read: rates, costs, delays, and what is wrong with it.

Pure arithmetic on the times it is told. One thread tells, others may look.
"""

import math
from collections import deque
from dataclasses import dataclass

from blocks.data import Image

WINDOW_S, RECENT_S = 10.0, 2.0
# A thread that waits for less than this share of its time does not keep up.
IDLE_SHARE = 0.05
# By so much, in seconds, a frame, the least lag that is known is forgotten.
LEAK = 0.0002
# How many units tell how far apart they are.
LAST = 6
# A camera that sends nothing for so long, and for so many of its own intervals, is degraded.
SILENT_S, SILENT_INTERVALS = 2.0, 5.0
# Pictures that are all the same for so long, over a key frame, are those of a frozen camera.
FROZEN_S = 10.0
# This share of units without a whole picture is worth telling.
DAMAGED_SHARE = 0.1
_GRID = 24


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last ten seconds.

    `rate` is in frames captured each second, `cost_s` in processor seconds for each unit decoded,
    `lag_s` from the capture to the decoded picture, `strain_s` the part of it that is for want of
    a processor (both of the last two seconds, of 95 of 100), `damaged` the share of units without
    a picture, or with a damaged one.
    """

    rate: float
    cost_s: float
    lag_s: float
    strain_s: float
    damaged: float


class Gauge:
    """Measures one connection of a camera."""

    def __init__(self, now: float) -> None:
        self.began_s = now
        self._arrivals: deque[float] = deque(maxlen=2000)
        self._lags: deque[tuple[float, float]] = deque(maxlen=500)
        self._takes: deque[tuple[float, float]] = deque(maxlen=500)
        self._waits: deque[tuple[float, float]] = deque(maxlen=500)
        self._least_lag_s = math.inf
        self._cost_s = 0.0
        self._last_s = now
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=1000)
        self._damaged_s = -math.inf
        # Since when what comes refers to a damaged picture: up to the next key.
        self._spoilt_s = -math.inf
        self._last_picture_s = now
        # The last picture that was looked at, and how long after the one before it.
        self._looked_s = now
        self._look_gap_s = 0.0
        self._decoded_s = now
        self._fruitless_since_s: float | None = None
        self._seen: bytes = b""
        self._still_since_s = now
        self._keys_since = 0
        self.size = (0, 0)

    def unit(self, now: float, *, key: bool) -> None:
        """An access unit came."""
        self._arrivals.append(now)
        self._last_s = now
        self._keys_since += key
        if key:
            self._spoilt_s = -math.inf

    def waited(self, now: float, seconds: float) -> None:
        """The thread had nothing to do for so long, until now."""
        self._waits.append((now, seconds))

    def decoded(self, now: float, cost_s: float, took_s: float) -> None:
        """One was decoded, for so much processor time, and so much time of the clock."""
        self._takes.append((now, took_s))
        if self._fruitless_since_s is None:
            self._fruitless_since_s = now
        self._decoded_s = now
        self._cost_s += (cost_s - self._cost_s) * (0.05 if self._cost_s else 1.0)

    def ready(self, now: float, lag_s: float) -> None:
        """A picture lies before the lanes, so long after it was captured."""
        self._lags.append((now, lag_s))
        # A camera that reorders its pictures is late by itself; what it gains it keeps slowly.
        self._least_lag_s = min(self._least_lag_s + LEAK, lag_s)

    def picture(self, now: float, image: Image, *, damaged: bool = False) -> None:
        """A picture is there; of a damaged one the decoder has made up a part.

        The pictures after it show the damage, too, until a key comes, or for ten seconds.
        """
        if damaged:
            self._damaged_s = self._spoilt_s = now
        self._outcomes.append((now, now - self._spoilt_s > WINDOW_S))
        self.pictured(now)
        self._look_gap_s, self._looked_s = now - self._looked_s, now
        self.size = size = (image.width, image.height)
        luma = image.planes[0]
        grid = luma[:: max(1, size[1] // _GRID), :: max(1, size[0] // _GRID)].tobytes()
        if grid != self._seen:
            self._seen, self._still_since_s, self._keys_since = grid, now, 0

    def pictured(self, now: float) -> None:
        """A picture was decoded, for those after it perhaps: nobody may ever look at it."""
        self._last_picture_s = now
        self._fruitless_since_s = None

    def undecodable(self, now: float) -> None:
        """One gave no picture."""
        self._outcomes.append((now, False))

    @property
    def cost_s(self) -> float:
        """Processor time for each unit decoded, on the average; 0 before the first."""
        return self._cost_s

    @property
    def last_picture_s(self) -> float | None:
        """When the last picture was there; None where there was none."""
        return None if self.size == (0, 0) else self._last_picture_s

    @property
    def without_picture_s(self) -> float:
        """For how long units have been decoded, of which none gave a picture."""
        since_s = self._fruitless_since_s
        return 0.0 if since_s is None else self._decoded_s - since_s

    def figures(self, now: float) -> Figures:
        """What was measured, as seen from now."""
        arrivals = [at for at in list(self._arrivals) if now - at <= WINDOW_S]
        lag_s = _p95(self._lags, now)
        waited_s = sum(wait for at, wait in list(self._waits) if now - at <= RECENT_S)
        behind_s = lag_s - self._least_lag_s if waited_s < IDLE_SHARE * RECENT_S else 0.0
        outcomes = [good for at, good in list(self._outcomes) if now - at <= WINDOW_S]
        return Figures(
            rate=_rate(arrivals),
            cost_s=self._cost_s,
            lag_s=lag_s,
            strain_s=max(behind_s, _p95(self._takes, now)),
            damaged=1 - sum(outcomes) / len(outcomes) if outcomes else 0.0,
        )

    def frozen_s(self, now: float) -> float:
        """For how long all pictures have been the same; 0 where that may be chance."""
        still_s = self._looked_s - self._still_since_s
        silent = now - self._looked_s > max(SILENT_S, 2 * self._look_gap_s)
        return 0.0 if still_s < FROZEN_S or self._keys_since < 1 or silent else still_s

    @property
    def changed_s(self) -> float:
        """When the last picture was there that was not the same as the one before."""
        return self._still_since_s

    @property
    def _interval_s(self) -> float:
        """From one unit to the next, of the last few, however far apart; 0 if that is not known."""
        last = list(self._arrivals)[-LAST:]
        return (last[-1] - last[0]) / (len(last) - 1) if len(last) > 1 else 0.0

    def trouble(self, now: float) -> str:
        """What is wrong with what it sends, as a sentence; empty where nothing is."""
        figures = self.figures(now)
        silent_s = now - self._last_s
        if silent_s > max(SILENT_S, SILENT_INTERVALS * self._interval_s):
            return f"nothing came for {silent_s:.0f} s"
        if figures.damaged > DAMAGED_SHARE:
            pictures = now - self._damaged_s <= WINDOW_S
            what = "is damaged" if pictures else "cannot be decoded"
            return f"{figures.damaged:.0%} of what it sends {what}"
        frozen_s = self.frozen_s(now)
        if frozen_s:
            return f"frozen: all pictures of the last {frozen_s:.0f} s are the same"
        return ""


def _p95(timed: deque[tuple[float, float]], now: float) -> float:
    # Copied in one step: the thread that reads goes on adding.
    recent = sorted(value for at, value in list(timed) if now - at <= RECENT_S)
    return recent[int(0.95 * len(recent))] if recent else 0.0


def _rate(arrivals: list[float]) -> float:
    """Units for each second, between the first and the last of them."""
    if len(arrivals) < 2 or arrivals[-1] <= arrivals[0]:
        return 0.0
    return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
