"""Many values: along which axes a value is many, and how elements find each other.

A value that is many is kept flat, whatever its depth: one list of the elements of all groups, with
`ABSENT` where there is none. The axis along which it is many says which element belongs to which
element of the axis above; the first axis of all hangs on the turn itself, which is one element.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from appliance.engine.wiring import ABSENT, LOST, Absence, Slots

Axes = tuple[str, ...]
"""The steps that made a value many, the outermost first; () for a value that is one."""

Group = tuple[int, int] | Absence
"""Where the elements of one element above begin and end; `ABSENT` or `LOST` where there are none
since the step did not run, or raised."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The elements that one step made in one turn.

    `parents[i]` is the element above that element i belongs to; `groups[j]` are the elements that
    belong to element j above.
    """

    parents: Sequence[int]
    groups: Sequence[Group]

    def positions(self) -> list[float]:
        """The place of each element in its group, from 0 on."""
        return [
            float(i - group[0])
            for group in self.groups
            if isinstance(group, tuple)
            for i in range(*group)
        ]


@dataclass(frozen=True, slots=True)
class Column:
    """Where a step that runs once for each finds one of its values.

    `lift` are the slots of the axes from the step's own upward to where the value stands; empty if
    it stands on the step's own axis. `one` says that it is the same for all. `gathered` is the slot
    of the axis below along which the value is collected, or -1; `beside` are the slots of values
    that are collected along it by the same step, with all of which an element stays or goes.
    """

    slot: int
    lift: tuple[int, ...] = ()
    one: bool = False
    gathered: int = -1
    keeps_holes: bool = False
    beside: tuple[int, ...] = ()

    def cells(self, slots: Slots, count: int) -> Sequence[Any]:
        """The value for each of the step's `count` elements."""
        values = slots[self.slot]
        if values is ABSENT:
            return [ABSENT] * count
        if self.gathered >= 0:
            axis: Axis = slots[self.gathered]
            values = joined(slots, self.slot, self.beside)
            values = [
                gathered(values, group, keeps_holes=self.keeps_holes) for group in axis.groups
            ]
            if self.one:
                return values * count
        elif self.one:
            return [values] * count
        if self.lift:
            above = ancestors(slots, self.lift)
            return [values[i] for i in above]
        return list(values)


def ancestors(slots: Slots, lift: Sequence[int]) -> list[int]:
    """For each element of the first axis in `lift` the element above the last one it belongs to."""
    first: Axis = slots[lift[0]]
    found = list(first.parents)
    for slot in lift[1:]:
        parents = slots[slot].parents
        found = [parents[i] for i in found]
    return found


def joined(slots: Slots, slot: int, beside: Sequence[int]) -> Sequence[Any]:
    """The elements of a value, absent also where one of those beside it is."""
    values: Sequence[Any] = slots[slot]
    for other in beside:
        found = slots[other]
        if found is not ABSENT:
            pairs = zip(values, found, strict=True)
            values = [ABSENT if o is ABSENT or o is LOST else v for v, o in pairs]
    return values


def gathered(values: Sequence[Any], group: Group, *, keeps_holes: bool) -> Any:
    """The elements of one group as a tuple: without holes, or with None in their places."""
    if not isinstance(group, tuple):
        return group
    own = values[group[0] : group[1]]
    if keeps_holes:
        return tuple([None if v is ABSENT or v is LOST else v for v in own])
    return tuple([v for v in own if v is not ABSENT and v is not LOST])


def nested(values: Any, axes: Sequence[Axis], at: int = 0) -> Any:
    """A flat value as tuples in tuples, None where an element is absent, as a caller sees it."""
    if not axes:
        return None if values is ABSENT or values is LOST else values
    group = axes[0].groups[at]
    if not isinstance(group, tuple):
        return None
    own = range(*group)
    if len(axes) == 1:
        return tuple([nested(values[i], ()) for i in own])
    return tuple([nested(values, axes[1:], i) for i in own])
