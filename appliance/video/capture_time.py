"""When the frames of a live camera were taken, on the machine's own clocks.

A camera stamps its frames by a clock of its own. What arrives is late by a delay that is never
negative, so the least distance of arrival to stamp, seen over minutes, is the camera's clock
against ours: the lower envelope. docs/decisions/0014 gives the reasons.
"""

from collections import deque
from dataclasses import dataclass

from appliance.clock import Clock
from appliance.video.envelope import EARLY_S, SLEW, Envelope

# Stamps that cannot be used, or can again.
FLAT_S = 0.03
RAISED_FLAT_S = 0.1
RAISED_S = 0.3
STUCK_S = 1.0
STUCK_UNITS = 10
JUMPS = 4
JUMPS_WITHIN_S = 10.0

# Arrival times in place of stamps.
SMOOTHING = 0.1
AVERAGING = 0.02
SILENCE_S = 1.0

# The wall clock, and the camera's.
WALL_STEP_S = 1.0
READING_S = 0.01
SENDER_LAG_S = 2.0
SENDER_TOLERANCE_S = 0.005
SENDER_SLEW = 0.1

LEAST_STEP_S = 0.001
"""The least distance of two frames on a camera's line."""


@dataclass(frozen=True, slots=True)
class Captured:
    """When one access unit was taken. It goes with the unit through the decoder.

    `taken_s` is on the machine's monotonic line and never later than the arrival. `utc` is in
    seconds since 1970. `wall_steps` counts how often the wall clock had been set by then.
    """

    taken_s: float
    utc: float
    wall_steps: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a picture lies on its camera's line.

    `at_s` is in seconds since the camera's first picture and rises always. `captured_at` is UTC in
    seconds since 1970; it rises too, but where the wall clock was set back.
    """

    at_s: float
    captured_at: float


class CaptureTime:
    """When the frames of one live camera were taken; lives across its connections.

    One thread uses it: `connected` for each connection, `captured_s` for each access unit in the
    order of arrival, `place` for each picture in the order of presentation.
    """

    def __init__(self, clock: Clock) -> None:
        self._wall = Wall(clock)
        self._sender = _Sender()
        self._envelope: Envelope | None = None
        self._previous: Envelope | None = None
        self._rate = 0.0
        self._trusted = True
        self._jumps = 0
        self._jumped_at: deque[float] = deque(maxlen=JUMPS)
        self._arrived_s: float | None = None
        self._advanced_at = 0.0
        self._standing = 0
        self._gap_s = 0.0
        # How much the next distance counts in the mean: 1, 1/2, 1/3 and so on.
        self._weight = 1.0
        self._lag_s = 0.0
        self._taken_s = 0.0
        self._first_s: float | None = None
        self._at_s = 0.0
        self._captured_at = 0.0
        self._wall_steps = 0

    @property
    def trusted(self) -> bool:
        """Whether the camera's stamps are used. If not, the times of arrival are, smoothed."""
        return self._trusted

    @property
    def jumps(self) -> int:
        """How often the stamps jumped within a connection."""
        return self._jumps

    @property
    def drift_ppm(self) -> float:
        """By how many millionths the camera's clock is faster than ours."""
        rate = self._envelope.rate if self._envelope else self._rate
        return -1e6 * rate

    @property
    def camera_offset_s(self) -> float | None:
        """The camera's own UTC less ours, in seconds; None if this connection has not told it."""
        return self._sender.offset_s

    def connected(self) -> None:
        """Begin a connection: its stamps have nothing to do with those before."""
        if self._envelope is not None and self._trusted:
            self._rate = self._envelope.rate
        self._envelope = self._previous = None
        self._jumped_at.clear()
        self._standing = 0
        self._sender.forget()
        self._wall.sample(fresh=True)

    def captured_s(
        self, stamp_s: float | None, arrived_s: float, sender_utc: float | None = None
    ) -> Captured:
        """When an access unit was taken.

        Args:
            stamp_s: Its time of presentation on the camera's line, in seconds.
            arrived_s: When it came, on the machine's monotonic line; not less than the one before.
            sender_utc: When it was taken by the camera's own clock, as its sender reports tell.
        """
        self._arrival(arrived_s)
        self._wall.sample()
        if stamp_s is None:
            self._stands(arrived_s)
            taken_s = self._by_arrival(arrived_s)
        else:
            taken_s = self._by_stamp(stamp_s, arrived_s)
        lag_s = arrived_s - taken_s
        self._lag_s += AVERAGING * ((lag_s if lag_s < SILENCE_S else SILENCE_S) - self._lag_s)
        if taken_s > self._taken_s:
            self._taken_s = taken_s
        utc = taken_s + self._wall.offset_s
        if not self._trusted:
            # A report tells of stamps: it is as wrong as they are.
            self._sender.unheard()
        elif sender_utc is not None:
            self._sender.heard(sender_utc, utc, arrived_s)
        return Captured(taken_s, utc - self._sender.lag_s, self._wall.steps)

    def place(self, captured: Captured) -> Placed:
        """Where the next picture lies on the camera's line."""
        if self._first_s is None:
            self._first_s = captured.taken_s
            at_s = 0.0
            captured_at = captured.utc
        else:
            at_s = captured.taken_s - self._first_s
            if at_s < self._at_s + LEAST_STEP_S:
                at_s = self._at_s + LEAST_STEP_S
            captured_at = captured.utc
            if captured.wall_steps == self._wall_steps:
                captured_at = max(captured_at, self._captured_at + LEAST_STEP_S)
        self._at_s = at_s
        self._captured_at = captured_at
        self._wall_steps = captured.wall_steps
        return Placed(at_s, captured_at)

    def _arrival(self, arrived_s: float) -> None:
        """Note the distance of two arrivals; a silence tells nothing of the rate."""
        if self._arrived_s is None:
            self._advanced_at = self._taken_s = arrived_s
        else:
            gap_s = arrived_s - self._arrived_s
            if gap_s < SILENCE_S:
                self._gap_s += self._weight * (gap_s - self._gap_s)
                if self._weight > AVERAGING:
                    self._weight /= 1 + self._weight
        self._arrived_s = arrived_s

    def _by_stamp(self, stamp_s: float, arrived_s: float) -> float:
        envelope = self._continued(stamp_s, arrived_s)
        if stamp_s > envelope.newest_s or envelope.units == 0:
            self._standing = 0
            self._advanced_at = arrived_s
        else:
            self._stands(arrived_s)
        if envelope.add(stamp_s, arrived_s):
            envelope = self._judged(envelope, arrived_s)
        if not self._trusted:
            return self._by_arrival(arrived_s)
        taken_s = stamp_s + envelope.offset_s
        return taken_s if taken_s < arrived_s else arrived_s

    def _by_arrival(self, arrived_s: float) -> float:
        """A time near the arrival, less uneven; after a silence the arrival itself."""
        expected_s = self._taken_s + self._gap_s
        late_s = arrived_s - expected_s
        if 0.0 < late_s < SILENCE_S:
            return expected_s + SMOOTHING * late_s
        return arrived_s

    def _stands(self, arrived_s: float) -> None:
        """Note a unit whose stamp is not newer than all before; too many, and they stand still."""
        self._standing += 1
        if self._standing >= STUCK_UNITS and arrived_s - self._advanced_at > STUCK_S:
            self._trusted = False

    def _continued(self, stamp_s: float, arrived_s: float) -> Envelope:
        """The envelope this stamp belongs to: the present one, the one before, or a new one."""
        envelope = self._envelope
        if envelope is None:
            self._envelope = Envelope(arrived_s, arrived_s - stamp_s, self._rate)
            return self._envelope
        previous = self._previous
        if previous and not previous.recent(arrived_s):
            previous = self._previous = None
        continues = envelope.continues(stamp_s, arrived_s)
        if previous and previous.continues(stamp_s, arrived_s):
            distance_s = arrived_s - stamp_s
            far_s = abs(distance_s - envelope.offset_s) if continues else SILENCE_S
            if abs(distance_s - previous.offset_s) + EARLY_S / 2 < far_s:
                self._envelope, self._previous = previous, envelope
                return previous
        if continues:
            return envelope
        self._previous = envelope
        if self._trusted:
            self._jumped(arrived_s)
        taken_s = self._after_jump(envelope, arrived_s)
        self._envelope = Envelope(arrived_s, taken_s - stamp_s, envelope.rate)
        return self._envelope

    def _after_jump(self, envelope: Envelope, arrived_s: float) -> float:
        """When a unit was taken whose stamp tells nothing: one distance on, if that can be."""
        usual_s = arrived_s - self._lag_s
        expected_s = envelope.newest_s + envelope.offset_s + self._gap_s
        taken_s = expected_s if abs(expected_s - usual_s) < EARLY_S / 2 else usual_s
        return min(taken_s, arrived_s)

    def _jumped(self, arrived_s: float) -> None:
        self._jumps += 1
        self._jumped_at.append(arrived_s)
        if len(self._jumped_at) == JUMPS and arrived_s - self._jumped_at[0] < JUMPS_WITHIN_S:
            self._trusted = False

    def _judged(self, envelope: Envelope, arrived_s: float) -> Envelope:
        """Once a second: may the stamps be used, and is their envelope still the right one?"""
        if self._trusted and envelope.runs_wrong(arrived_s):
            self._trusted = False
        settled = envelope.settled(arrived_s)
        if settled is None:
            return envelope
        least_s, most_s = min(settled), max(settled)
        if self._trusted:
            stays_late = least_s > envelope.offset_s + RAISED_S
            if not stays_late or most_s - least_s > RAISED_FLAT_S:
                return envelope
            self._jumped(arrived_s)
            rate = envelope.rate
        elif most_s - least_s > FLAT_S:
            return envelope
        else:
            self._trusted = True
            rate = 0.0
        fresh = Envelope(arrived_s, least_s, rate)
        fresh.newest_s = envelope.newest_s
        fresh.units = envelope.units
        self._envelope = fresh
        return fresh


class Wall:
    """UTC less the monotonic line: taken at a connection, and anew when the wall clock is set.

    `offset_s` is that difference, and `steps` how often the wall clock was set.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_s = clock.monotonic()
        self.offset_s = clock.now() - self._at_s
        self.steps = 0

    def sample(self, *, fresh: bool = False) -> None:
        """Compare the two clocks: a step is taken over at once, a small one only if `fresh`.

        A small difference is followed slowly.
        """
        now = self._clock.now()
        at_s = self._clock.monotonic()
        error_s = now - at_s - self.offset_s
        slew_s = SLEW * (at_s - self._at_s)
        if -slew_s <= error_s <= slew_s:
            self.offset_s += error_s
        elif fresh or not -WALL_STEP_S <= error_s <= WALL_STEP_S:
            self._set(now, at_s)
        else:
            self.offset_s += slew_s if error_s > 0 else -slew_s
        self._at_s = at_s

    def _set(self, now: float, at_s: float) -> None:
        """Take the difference over, if the two were read together."""
        again_s = self._clock.now() - self._clock.monotonic()
        if abs(now - at_s - again_s) > READING_S:
            return
        self.steps += abs(again_s - self.offset_s) > WALL_STEP_S
        self.offset_s = again_s


class _Sender:
    """What the camera's own clock says of when frames are taken, as far as that can be."""

    def __init__(self) -> None:
        self.offset_s: float | None = None
        self.lag_s = 0.0
        self._at_s = 0.0

    def forget(self) -> None:
        """Begin a connection. The delay of the one before is the best guess for it."""
        self.offset_s = None

    def unheard(self) -> None:
        """Take back what was told."""
        self.offset_s = None
        self.lag_s = 0.0

    def heard(self, sender_utc: float, utc: float, arrived_s: float) -> None:
        """A unit was taken at `sender_utc` by the camera's clock, and at `utc` by ours.

        Ours knows nothing of the least delay, which is the difference if the camera's clock is
        right. A greater one is taken over slowly, so that UTC does not go back.
        """
        lag_s = utc - sender_utc
        possible = -SENDER_TOLERANCE_S <= lag_s <= SENDER_LAG_S
        wanted_s = max(lag_s, 0.0) if possible else 0.0
        if self.offset_s is None or wanted_s < self.lag_s:
            self.lag_s = wanted_s
        else:
            self.lag_s = min(wanted_s, self.lag_s + SENDER_SLEW * (arrived_s - self._at_s))
        self.offset_s = -lag_s
        self._at_s = arrived_s
