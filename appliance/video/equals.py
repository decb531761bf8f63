"""Which cameras have the same claim: they are given the same level, whatever is measured of each.

What is measured of one camera is noisy, so that two that send the same seem to cost now more and
now less. As they share what is measured of all of them, they go up and down together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from appliance.video.levels import ALL, Level, Structure

# Cameras are equal from where they differ by less than the first factor to where by the second.
JOIN, STAY = 1.5, 2.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What one camera asks for: its weight, how it is made, and cores if all were decoded."""

    name: str
    weight: float
    structure: Structure
    cores: float

    @property
    def kind(self) -> tuple[float, bool, bool]:
        """What must be the same in equals."""
        structure = self.structure
        return self.weight, structure.intra_only, structure.units_per_key is None


@dataclass(slots=True)
class Equals:
    """Cameras with the same claim: the best level they may have, and since when."""

    kind: tuple[float, bool, bool]
    members: tuple[str, ...] = ()
    structure: Structure = field(default_factory=Structure)
    cores: float = 0.0
    cap: Level = ALL
    changed_s: float = float("-inf")

    def is_like(self, other: "Claim | Equals", factor: float) -> bool:
        """Whether a camera, or another group, is like the mean of these."""
        if self.kind != other.kind:
            return False
        mine, its = self.structure.units_per_key or 1.0, other.structure.units_per_key or 1.0
        return _near(mine, its, factor) and _near(self.cores, other.cores, factor)

    def measure(self, claims: Iterable[Claim]) -> None:
        """Take the mean of the members."""
        found = list(claims)
        structures = [claim.structure for claim in found]
        distances = [s.units_per_key for s in structures if s.units_per_key is not None]
        self.members = tuple(claim.name for claim in found)
        self.cores = fmean(claim.cores for claim in found)
        self.structure = Structure(
            fmean(distances) if distances else None,
            fmean(s.disposable for s in structures),
            fmean(s.key_cost for s in structures),
            fmean(s.disposable_cost for s in structures),
        )


def sort_out(groups: Sequence[Equals], claims: Sequence[Claim]) -> list[Equals]:
    """The groups for what is claimed now: as they were, as far as that still holds.

    One that leaves its group takes along the cap; one that joins has that of the group. A group of
    which nobody is there now waits for them.
    """
    by_name = {claim.name: claim for claim in claims}
    waiting, found = [], []
    for group in groups:
        there = [by_name.pop(name) for name in group.members if name in by_name]
        if not there:
            waiting.append(group)
            continue
        stay = [claim for claim in there if group.is_like(claim, STAY)]
        found += [_alone(claim, group) for claim in there if claim not in stay]
        if stay:
            group.measure(stay)
            found.append((group, stay))
    found += [_alone(claim, None) for claim in by_name.values()]
    joined: list[tuple[Equals, list[Claim]]] = []
    for group, members in sorted(found, key=lambda each: -len(each[1])):
        other = next((o for o in joined if o[0].is_like(group, JOIN)), None)
        if other is None:
            joined.append((group, members))
        else:
            other[1].extend(members)
            other[0].measure(other[1])
    return [group for group, _ in joined] + waiting


def _alone(claim: Claim, left: Equals | None) -> tuple[Equals, list[Claim]]:
    group = Equals(claim.kind)
    if left is not None:
        group.cap, group.changed_s = left.cap, left.changed_s
    group.measure([claim])
    return group, [claim]


def _near(one: float, other: float, factor: float) -> bool:
    return one <= factor * other and other <= factor * one
