"""Which events come too soon after one of their kind."""

from collections import Counter, OrderedDict

from blocks.data import Event

# What names something new each time, as a track, must not fill the memory: the oldest is forgotten.
MOST_KEYS = 10_000


class Cooldowns:
    """When the last event of each kind was taken, by the events' own time; not kept over a restart.

    Used by one thread at a time. `suppressed` counts what was left out, by connection.
    """

    def __init__(self) -> None:
        self.suppressed: Counter[str] = Counter()
        self._taken: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def takes(self, event: Event) -> bool:
        """Whether it is taken; one that is not, is counted."""
        if not event.cooldown_s:
            return True
        kind = (event.connection, event.type, event.cooldown_key)
        last = self._taken.get(kind)
        # A clock that was set back begins anew.
        if last is not None and 0 <= event.time - last < event.cooldown_s:
            self.suppressed[event.connection] += 1
            return False
        self._taken[kind] = event.time
        self._taken.move_to_end(kind)
        if len(self._taken) > MOST_KEYS:
            self._taken.popitem(last=False)
        return True
