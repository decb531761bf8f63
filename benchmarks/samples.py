"""The arithmetic of benchmarks: series of samples, compared round by round, against goals."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from benchmarks.machine import Load

Values = Mapping[str, float]
"""One sample of a variant: a number for each metric."""


@dataclass(frozen=True, slots=True)
class Series:
    """A quantity, once for each round. Arithmetic of two is done round by round."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The median distance of the values from their median: one wild round does not count."""
        middle = self.median
        return median(abs(value - middle) for value in self.values)

    def __sub__(self, other: "Series") -> "Series":
        return Series(self.unit, tuple(a - b for a, b in self._pairs(other)))

    def __truediv__(self, other: "Series") -> "Series":
        return Series("times", tuple(a / b for a, b in self._pairs(other)))

    def _pairs(self, other: "Series") -> Iterator[tuple[float, float]]:
        if self.unit != other.unit:
            raise ValueError(f"{self.unit} and {other.unit} do not compare")
        return zip(self.values, other.values, strict=True)


@dataclass(frozen=True, slots=True)
class Round:
    """One sample of every variant, and the load of the machine meanwhile."""

    samples: Mapping[str, Values]
    load: Load


@dataclass(frozen=True, slots=True)
class Rounds:
    """All samples of a run: `rounds["engine", "step"]` is one metric of one variant.

    `units` are those of the metrics, by name.
    """

    units: Mapping[str, str]
    rounds: tuple[Round, ...]

    def __getitem__(self, key: tuple[str, str]) -> Series:
        variant, metric = key
        values = tuple(each.samples[variant][metric] for each in self.rounds)
        return Series(self.units[metric], values)

    def all_series(self) -> Iterator[tuple[str, str, Series]]:
        """Each variant and metric, with its series."""
        for variant, values in self.rounds[0].samples.items():
            for metric in values:
                yield variant, metric, self[variant, metric]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a goal is met: the goal's limit, and the median of what was measured."""

    name: str
    bound: Literal["at most", "at least"]
    goal: float
    series: Series

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return self.series.median

    @property
    def met(self) -> bool:
        """Whether the median keeps to the limit."""
        if self.bound == "at most":
            return self.measured <= self.goal
        return self.measured >= self.goal


@dataclass(frozen=True, slots=True)
class Goal:
    """What a quantity, derived from the samples round by round, should be in the median."""

    name: str
    derive: Callable[[Rounds], Series]
    bound: Literal["at most", "at least"]
    limit: float

    def verdict(self, rounds: Rounds) -> Verdict:
        """Whether it is so."""
        return Verdict(self.name, self.bound, self.limit, self.derive(rounds))
