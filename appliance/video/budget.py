"""How many cores decoding may have: found by cutting when it lags and growing while it does not.

As TCP finds its window (additive increase, multiplicative decrease: Chiu and Jain, 1989), below a
share of what other processes leave.
"""

import math
from dataclasses import dataclass

# Decoding may have this share of the cores: what it makes must also be looked at.
BUDGET_SHARE = 0.8
# Below this share of the cores, cutting gains nothing that would be missed elsewhere.
LEAST_BUDGET_SHARE = 0.15
CUT = 0.8
GROWTH_PER_S = 0.1
# After a cut the budget rests; twice as long each time that growing led to the next cut.
REST_S, REST_AT_MOST_S = 3.0, 240.0
# What is a great change of what others leave, as a share of all cores; what is a great fall of
# lags and of costs; and how many seconds lags must have fallen.
MUCH_SHARE, RELIEF, EASED_FOR = 0.2, 0.6, 3


@dataclass(slots=True)
class Budget:
    """How many cores decoding may have."""

    cores: float
    left_cores: float = 0.0
    window: float = 0.0
    strained_for: int = 0
    cut_s: float = -math.inf
    rest_s: float = REST_S
    grown_s: float = -math.inf
    usual_strain: float = 0.0
    eased_for: int = 0
    needed_cores: float = 0.0

    def __post_init__(self) -> None:
        self.left_cores = self.cores
        self.window = BUDGET_SHARE * self.cores

    @property
    def now(self) -> float:
        """What decoding may have now, in cores."""
        least = LEAST_BUDGET_SHARE * self.cores
        return max(least, min(self.window, BUDGET_SHARE * self.left_cores))

    def see_left(self, left_cores: float) -> None:
        """What others leave of the cores; a great change is believed at once."""
        change = left_cores - self.left_cores
        if change < 0 and not self.strained_for:
            # What is used and what is idle is the least that could be had: who asks gets his share.
            return
        if change > MUCH_SHARE * self.cores:
            self._forget()
        self.left_cores += change * (0.4 if abs(change) < MUCH_SHARE * self.cores else 1.0)

    def see_relief(self, strain: float | None, needed_cores: float) -> None:
        """Learn whether what led to the cuts has gone: then the budget need not rest any longer.

        `strain` is the greatest lag as a share of its limit, None after a change of levels, which
        alone would ease it; `needed_cores` is what full decoding of all cameras takes.
        """
        if needed_cores < RELIEF * self.needed_cores:
            self._forget()
        if strain is None:
            self.usual_strain, self.eased_for = 0.0, 0
        elif strain >= RELIEF * self.usual_strain:
            self.usual_strain += (strain - self.usual_strain) * 0.2
            self.eased_for = 0
        else:
            self.eased_for += 1
            if self.eased_for >= EASED_FOR:
                self._forget()
        self.needed_cores = max(needed_cores, 0.98 * self.needed_cores)

    def _forget(self) -> None:
        self.rest_s, self.usual_strain, self.needed_cores, self.eased_for = REST_S, 0.0, 0.0, 0

    def see_strain(self, used_cores: float, now_s: float, cut_every_s: float | None) -> None:
        """Learn whether there is too little time, and then how often that may lead to a cut."""
        self.strained_for = self.strained_for + 1 if cut_every_s else 0
        since_cut_s = now_s - self.cut_s
        if cut_every_s and self.strained_for > 1 and since_cut_s >= cut_every_s:
            if now_s - self.grown_s <= 2 * REST_S + self.rest_s:
                self.rest_s = min(2 * self.rest_s, REST_AT_MOST_S)
            self.window = max(CUT * min(self.now, used_cores), LEAST_BUDGET_SHARE * self.cores)
            self.cut_s = now_s
        elif not cut_every_s and since_cut_s >= self.rest_s:
            self._grow(now_s)

    def _grow(self, now_s: float) -> None:
        whole = BUDGET_SHARE * self.cores
        if self.window < whole:
            step = GROWTH_PER_S * self.cores * REST_S / self.rest_s
            self.window = min(self.window + step, whole)
            self.grown_s = now_s
        elif now_s - self.cut_s > 2 * REST_AT_MOST_S:
            self.rest_s = REST_S
