"""How long to wait before a camera is asked again."""

from collections.abc import Callable

FIRST_S, LONGEST_S = 0.25, 3.0
# Cameras lock an account after some wrong passwords: they are asked more rarely.
REFUSED_FIRST_S, REFUSED_LONGEST_S = 30.0, 300.0
# A connection that gave pictures for so long was a good one: the next wait is short again.
GOOD_AFTER_S = 10.0


class BackOff:
    """Waits that double from a quarter of a second to three, each shortened by chance.

    `chance` gives numbers from 0 to 1: cameras that one switch has cut off do not all come back at
    the same moment. Three seconds at most, so that a camera that returns is seen within five.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._next_s = FIRST_S
        self._refused_s = REFUSED_FIRST_S

    def wait_s(self) -> float:
        """The next wait: between half of its length and all of it."""
        wait_s = self._next_s * (0.5 + 0.5 * self._chance())
        self._next_s = min(LONGEST_S, self._next_s * 2)
        return wait_s

    def refused_s(self) -> float:
        """The next wait after the user or the password was refused: not shortened."""
        wait_s = self._refused_s
        self._refused_s = min(REFUSED_LONGEST_S, self._refused_s * 2)
        return wait_s

    def lasted(self, seconds: float) -> None:
        """The connection that has just failed had given pictures for so long."""
        if seconds >= GOOD_AFTER_S:
            self._next_s = FIRST_S
            self._refused_s = REFUSED_FIRST_S
