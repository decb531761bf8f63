"""How much of a stream is decoded, and which of its units that lets through.

A decoder never notices what is left out: pictures nobody refers to may go at any time; what others
refer to may go from some picture to the next key, since all between them is left out as well.
"""

import math
from dataclasses import dataclass
from typing import Literal

from appliance.video.access_units import UnitMarks

# Cameras send a key every 1 to 4 s, thrifty ones every 10; some never do, and refresh bit by bit.
PATIENCE_S = 10.0
# What is supposed of a stream until two of its keys have been seen.
SUPPOSED_UNITS_PER_KEY = 50.0
# Below this share, leaving them out is not worth a level of its own.
LEAST_DISPOSABLE = 0.05
PARTS = (2, 4, 8)
NTHS = (2, 3, 4, 6, 8, 12, 16, 24)

Refusal = Literal["", "level", "no key yet", "loss", "behind"]


@dataclass(frozen=True, slots=True)
class Level:
    """What of a stream is decoded; `of` is the divisor of "part" and "nth".

    "references" leaves out what no other picture refers to, "part" and "keys" also all that comes
    after the first `1 / of`, or the first picture, of each group; "nth" is for streams whose
    pictures all stand for themselves.
    """

    kind: Literal["all", "references", "part", "keys", "nth"]
    of: int = 1

    def __str__(self) -> str:
        """In words, as the status shows it."""
        words = {"all": "all frames", "references": "referenced frames", "keys": "key frames"}
        part = f"the first 1/{self.of} of each group"
        return words.get(self.kind) or (part if self.kind == "part" else f"1 of {self.of} frames")

    @property
    def even(self) -> bool:
        """Whether the frames that are left come in even steps, as far as keys do."""
        return self.kind != "part"


ALL = Level("all")
REFERENCES = Level("references")
KEYS = Level("keys")


@dataclass(frozen=True, slots=True)
class Structure:
    """How a stream is made.

    Attributes:
        units_per_key: Distance of keys in units; None if there are none, or too few to count on.
        disposable: Share of units that no other refers to, 0 to 1.
        key_cost: CPU time of decoding a key, as a multiple of that of a unit that is neither.
        disposable_cost: The same for a disposable unit.
    """

    units_per_key: float | None = SUPPOSED_UNITS_PER_KEY
    disposable: float = 0.0
    key_cost: float = 4.0
    disposable_cost: float = 0.75

    @property
    def intra_only(self) -> bool:
        """Whether every unit is a key."""
        return self.units_per_key is not None and self.units_per_key < 1.5

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels there are, from the most expensive to the cheapest."""
        distance = self.units_per_key
        if self.intra_only:
            return (ALL, *(Level("nth", of) for of in NTHS))
        some = (REFERENCES,) if self.disposable >= LEAST_DISPOSABLE else ()
        if distance is None:
            return (ALL, *some)
        # A part costs less than "references" only if the rest of the group outweighs its key.
        parts = (Level("part", of) for of in PARTS if distance >= 2 * of)
        cheaper = [part for part in parts if self._cost(part) < 0.9 * self._cost(REFERENCES)]
        return (ALL, *some, *cheaper, KEYS)

    @property
    def skippable(self) -> bool:
        """Whether any unit may be left out at all."""
        return len(self.levels) > 1

    def rate(self, level: Level, captured_rate: float) -> float:
        """Pictures/s at a level, of a stream of `captured_rate` units/s."""
        return captured_rate * sum(self._units(level))

    def share_of_cost(self, level: Level) -> float:
        """CPU time at a level as a share of that for all units."""
        return self._cost(level) / self._cost(ALL)

    def unit_cost(self, level: Level) -> float:
        """Mean CPU time of the units admitted at a level, in units of one that is neither."""
        return self._cost(level) / sum(self._units(level))

    def _cost(self, level: Level) -> float:
        keys, plain, disposable = self._units(level)
        return keys * self.key_cost + plain + disposable * self.disposable_cost

    def _units(self, level: Level) -> tuple[float, float, float]:
        """Of all units those admitted: keys, plain ones, disposable ones; shares of all."""
        if self.intra_only:
            return 1 / level.of, 0.0, 0.0
        keys = 1 / self.units_per_key if self.units_per_key else 0.0
        disposable = min(self.disposable, 1.0 - keys)
        plain = 1.0 - keys - disposable
        if level.kind == "keys" or level.kind == "nth":
            return (keys or 1.0), 0.0, 0.0
        if level.kind == "part":
            return keys, max(0.0, 1 / level.of - keys) * plain / max(1.0 - keys, 1e-9), 0.0
        return keys, plain, disposable if level.kind == "all" else 0.0


class StructureMeter:
    """Measures the structure of one connection's stream over its last groups."""

    GROUPS = 4
    # The first units of each kind count alike, the later ones by this.
    _WEIGHT = 0.05
    # What was measured before is worth so many units.
    _KNOWN_UNITS = 4

    def __init__(self, before: "StructureMeter | None" = None) -> None:
        self._supposed = Structure() if before is None else before.structure
        self._groups: list[tuple[int, int]] = []
        self._group: tuple[int, int] | None = None
        self._key_at_s: float | None = None
        self._began_s: float | None = None
        self._keyless = False
        self._before_key = (0, 0)
        self._costs = {"key": 0.0, "plain": 0.0, "disposable": 0.0}
        self._units = dict.fromkeys(self._costs, 0)
        if before is not None:
            self._costs, units = before.known
            self._units = {kind: min(n, self._KNOWN_UNITS) for kind, n in units.items()}
        self._plain_units_at_key = 0

    @property
    def measured(self) -> bool:
        """Whether a whole group has been seen, or that there are none."""
        return bool(self._groups) or self._keyless

    @property
    def structure(self) -> Structure:
        """What is known so far; supposed values stand for what is not."""
        supposed = self._supposed
        distance, disposable = supposed.units_per_key, supposed.disposable
        groups = self._groups or [self._group or self._before_key]
        units, others = (sum(column) for column in zip(*groups, strict=True))
        if self._groups:
            distance = units / len(groups)
        if self._keyless:
            distance = None
        if self._groups or self._keyless or supposed == Structure():
            disposable = others / units if units else 0.0
        key, plain, disposable_s = self._costs.values()
        return Structure(
            distance,
            disposable,
            key / plain if key and plain else supposed.key_cost,
            disposable_s / plain if disposable_s and plain else supposed.disposable_cost,
        )

    @property
    def known(self) -> tuple[dict[str, float], dict[str, int]]:
        """CPU time of each kind of units, and of how many that was measured."""
        return dict(self._costs), dict(self._units)

    @property
    def plain_cost_s(self) -> float:
        """CPU time of a unit that is neither a key nor disposable; 0 if nothing was decoded."""
        key, plain, disposable = self._costs.values()
        supposed = self._supposed
        return plain or key / supposed.key_cost or disposable / supposed.disposable_cost

    def add(self, marks: UnitMarks, at_s: float) -> None:
        """Count a unit that was captured, whether it is decoded or not."""
        if not marks.picture:
            return
        self._began_s = at_s if self._began_s is None else self._began_s
        if marks.key:
            if self._group is not None:
                self._groups = [*self._groups[1 - self.GROUPS :], self._group]
            self._group, self._key_at_s, self._keyless = (1, 0), at_s, False
            return
        added = int(marks.disposable)
        if self._group is None:
            self._before_key = (self._before_key[0] + 1, self._before_key[1] + added)
        else:
            self._group = (self._group[0] + 1, self._group[1] + added)
        if self._key_at_s is None:
            self._keyless = at_s - self._began_s > PATIENCE_S
        else:
            self._keyless = at_s - self._key_at_s > 3 * PATIENCE_S

    def took(self, marks: UnitMarks, cpu_s: float) -> None:
        """Note what it took to decode a unit, in seconds of CPU time."""
        kind = "key" if marks.key else "disposable" if marks.disposable else "plain"
        self._units[kind] += 1
        known = self._costs[kind]
        now = known + (cpu_s - known) * max(self._WEIGHT, 1 / self._units[kind])
        self._costs[kind] = now
        if kind != "key":
            return
        if self._units["plain"] == self._plain_units_at_key and known:
            # Of keys only: what has become of the processor shows with them.
            self._costs["plain"] *= now / known
            self._costs["disposable"] *= now / known
        self._plain_units_at_key = self._units["plain"]


class Skipper:
    """Lets those units of one connection through that are decoded.

    `why` says of the last unit that was refused what for.

    Two things are asked of the decoder. If `restarts`, it is drained and its buffers are flushed
    before the unit just let through: something before it was left out, and the decoder of H.264
    withholds what follows a key that is not closed when numbers are missing. If `ends_group`, the
    same after the unit, let through or not: none before the next key will come, and pictures that
    the decoder holds back would wait for it.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.level = ALL
        self.why: Refusal = ""
        self.ends_group = False
        self.restarts = False
        self._drained = False
        self._wanted = ALL
        self._patience_s = patience_s
        # Why the chain of references is broken; "" while all that may be referred to got through.
        self._broken: Refusal = "no key yet"
        self._broken_at_s: float | None = None
        self._keyless = False
        self._late_until_s = -math.inf
        self._key_at_s: float | None = None
        self._leading_before: int | None = None
        self._in_group = 0
        self._group = int(SUPPOSED_UNITS_PER_KEY)
        self._nth = 0

    def want(self, level: Level) -> None:
        """Ask for a level; it is in force as soon as the decoder can bear it."""
        self._wanted = level

    def lost(self) -> None:
        """A unit was lost or damaged: what follows refers to it, up to the next key."""
        self._break("loss")

    def skip_to_key(self, until_s: float) -> None:
        """Decoding is late: leave out what waits, up to the next key.

        Of a stream of keys only all that came before `until_s`; of one without any too, though what
        follows is damaged until the stream has mended itself: a picture that is late is worth less.
        """
        if self._keyless or self._group == 1:
            self._late_until_s = until_s
        self._break("behind")

    def admits(self, marks: UnitMarks, at_s: float, pts: int | None = None) -> bool:
        """Whether the next captured unit is to be decoded; ask for each exactly once.

        `at_s` is when it came, on a clock that rises; `pts` the time of presentation in any unit.
        """
        self.ends_group = self.restarts = False
        if not marks.picture:
            return True
        if marks.key:
            self._begin_group(marks, at_s, pts)
            return self._admits_key(marks, at_s)
        self._in_group += 1
        self.why = self._refusal(marks, at_s, pts)
        return not self.why

    def _break(self, why: Refusal) -> None:
        if not self._keyless:
            self._broken, self._broken_at_s = why, None

    def _begin_group(self, marks: UnitMarks, at_s: float, pts: int | None) -> None:
        if self._key_at_s is not None:
            self._group = self._in_group
            self._patience_s = max(self._patience_s, 2 * (at_s - self._key_at_s))
        # Pictures shown before an open key refer to the group before it.
        self._leading_before = pts if self._broken and not marks.closed else None
        self.restarts, self._drained = bool(self._broken) and not self._drained, False
        self._in_group, self._key_at_s = 1, at_s
        self._broken, self._broken_at_s, self._keyless = "", None, False
        self.level = self._wanted

    def _admits_key(self, marks: UnitMarks, at_s: float) -> bool:
        self._nth += 1
        late = self._group == 1 and at_s < self._late_until_s
        if late or (self.level.kind == "nth" and self._nth % self.level.of):
            # A decoder bears the lack of a closed key without being drained.
            self.why = self._broken = "behind" if late else "level"
            self.restarts, self._drained, self._broken_at_s = False, marks.closed, None
            return False
        self.why = ""
        if self.level.kind == "keys":
            self._end_group()
        return True

    def _end_group(self) -> None:
        self.ends_group = self._drained = True
        self._broken, self._broken_at_s = "level", None

    def _refusal(self, marks: UnitMarks, at_s: float, pts: int | None) -> Refusal:
        if self._broken and not self._gives_up_waiting(at_s):
            return self._broken
        if at_s < self._late_until_s:
            return "behind"
        if self._leading_before is not None and pts is not None:
            if pts < self._leading_before:
                return "level"
            self._leading_before = None  # all of them are sent before any other
        self.level = self._wanted
        if self.level.kind == "all":
            return ""
        if self.level.kind != "references":
            last = self._group // self.level.of if self.level.kind == "part" else 1
            if self._in_group >= last:
                self._end_group()
            if self._in_group > last:
                return "level"
        return "level" if marks.disposable else ""

    def _gives_up_waiting(self, at_s: float) -> bool:
        """Whether no key has come for so long that none will: such a stream mends by itself."""
        if self._broken_at_s is None:
            self._broken_at_s = at_s
        if self._wanted.kind not in ("all", "references"):
            return False
        if at_s - self._broken_at_s < self._patience_s:
            return False
        self._broken, self._keyless, self.level = "", True, self._wanted
        return True
