"""Who may compute now: K permits, shared fairly among lanes by the time each has held them.

A lane that waits for a permit holds no frame: it takes the newest when the permit is granted. What
is no computing, such as waiting for a remote model, is done without one, so that lanes that wait
take nothing from those that compute.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.clock import Clock

# A lane that held its permit for longer than this is most likely not computing, whatever its block
# says: another permit is lent in its place until it gives its own back.
PATIENCE_S = 2.0
# How soon a waiting thread looks at its stop event, and for holders that have lost patience.
LOOK_S = 0.1


@dataclass(slots=True)
class _Share:
    """One who takes part: by its `virtual_s` it is seen who has had least for its weight."""

    weight: float
    virtual_s: float = 0.0
    # When it was served last, as a running number: what breaks a tie.
    served: int = 0
    # Typical time held, an average over some turns.
    held_s: float = 0.0
    waits: bool = False


class FairShares:
    """Weighted fair queueing by virtual time, over those that are ready; pure arithmetic.

    Each turn moves one's virtual time on by the time held over the weight; whoever is furthest
    behind comes next. One that was idle comes back no further behind than one turn of its own, so
    that idleness is no credit. (Start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996, with
    the cost known only afterwards.)
    """

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._turns = 0
        # The virtual time of whoever was picked last: where the others are.
        self._now_s = 0.0

    def __contains__(self, name: str) -> bool:
        return name in self._shares

    def join(self, name: str, weight: float) -> None:
        """Take part with a weight: twice the weight is twice the time."""
        self._shares[name] = _Share(weight, self._now_s)

    def leave(self, name: str) -> None:
        """Take part no more."""
        self._shares.pop(name, None)

    def ready(self, name: str) -> None:
        """It has something to compute."""
        share = self._shares[name]
        if not share.waits:
            share.waits = True
            share.virtual_s = max(share.virtual_s, self._now_s - share.held_s / share.weight)

    def idle(self, name: str) -> None:
        """It has nothing to compute any more, and was not picked."""
        self._shares[name].waits = False

    def pick(self) -> str | None:
        """Whose turn it is; it is not ready any more. None if nobody is ready."""
        waiting = [(s.virtual_s, s.served, name) for name, s in self._shares.items() if s.waits]
        if not waiting:
            return None
        virtual_s, _, name = min(waiting)
        self._turns += 1
        share = self._shares[name]
        share.waits = False
        share.served = self._turns
        self._now_s = max(self._now_s, virtual_s)
        return name

    def charge(self, name: str, held_s: float) -> None:
        """It has held a permit for so long."""
        share = self._shares.get(name)
        if share is not None:
            share.virtual_s += held_s / share.weight
            share.held_s += (held_s - share.held_s) * (0.2 if share.held_s else 1.0)


class Permits:
    """K permits to compute. Safe to use from several threads; a lane is one thread at a time."""

    def __init__(self, count: int, clock: Clock, *, patience_s: float = PATIENCE_S) -> None:
        self.count = count
        self._clock = clock
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._shares = FairShares()
        # Who is told when its permit is there, and since when the others hold theirs.
        self._waiting: dict[str, threading.Event] = {}
        # Those in the middle of a turn, in the order they came back.
        self._returning: deque[str] = deque()
        self._holding: dict[str, float] = {}
        self._lane = threading.local()

    def join(self, name: str, weight: float) -> None:
        """A lane takes part, with the weight of its priority."""
        with self._lock:
            self._shares.join(name, weight)

    def leave(self, name: str) -> None:
        """A lane takes part no more; a turn of it that is under way ends without a permit."""
        with self._lock:
            self._shares.leave(name)
            waiting = self._waiting.pop(name, None)
            if waiting is not None:
                waiting.set()
            if name in self._returning:
                self._returning.remove(name)

    @property
    def held(self) -> int:
        """How many permits are in use now."""
        with self._lock:
            return len(self._holding)

    @property
    def all_held(self) -> bool:
        """Whether whoever wants one now would have to wait."""
        with self._lock:
            return self._computing(self._clock.monotonic()) >= self.count

    @contextmanager
    def hold(self, name: str, stop: threading.Event) -> Iterator[bool]:
        """Wait for a permit, and hold it inside the `with`.

        False if `stop` was set before, or the lane takes part no more.
        """
        granted = self._take(name, stop)
        self._lane.name = name if granted else None
        try:
            yield granted
        finally:
            self._lane.name = None
            if granted:
                self._give_back(name)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For a block that waits for something outside: its lane's permit is back meanwhile.

        Outside of a turn, and on a thread that is no lane's, it does nothing.
        """
        name: str | None = getattr(self._lane, "name", None)
        if name is None:
            yield
            return
        self._lane.name = None
        self._give_back(name)
        try:
            yield
        finally:
            # A turn that is under way is brought to its end, also when everything stops.
            self._take(name, threading.Event(), returning=True)
            self._lane.name = name

    def _take(self, name: str, stop: threading.Event, *, returning: bool = False) -> bool:
        granted = threading.Event()
        with self._lock:
            if name not in self._shares:
                return False
            if returning:
                self._returning.append(name)
            else:
                self._shares.ready(name)
            self._waiting[name] = granted
            self._grant()
        while not granted.wait(LOOK_S):
            with self._lock:
                self._grant()
                if stop.is_set() and not granted.is_set():
                    del self._waiting[name]
                    self._shares.idle(name)
                    return False
        with self._lock:
            # One that has left while it waited is woken without a permit.
            return name in self._holding

    def _give_back(self, name: str) -> None:
        with self._lock:
            since_s = self._holding.pop(name, None)
            if since_s is not None:
                self._shares.charge(name, self._clock.monotonic() - since_s)
                self._grant()

    def _grant(self) -> None:
        """Give out what is free. The lock is held."""
        now = self._clock.monotonic()
        while self._waiting and self._computing(now) < self.count:
            # A turn that has begun comes first: its frame grows old.
            name = self._returning.popleft() if self._returning else self._shares.pick()
            if name is None:
                return
            self._holding[name] = now
            self._waiting.pop(name).set()

    def _computing(self, now: float) -> int:
        """How many holders count: one that has held its permit for too long is excused."""
        return sum(now - since_s < self._patience_s for since_s in self._holding.values())
