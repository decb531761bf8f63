"""Where a step finds its values: in the slots of the turn, or in a row made for each element."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypedDict

from appliance.engine.axes import Axes, Column, gathered, joined
from appliance.engine.expressions import Expression
from appliance.engine.values import Build
from appliance.engine.wiring import ABSENT, Slots, Wiring


@dataclass(frozen=True, slots=True)
class Value:
    """What stands behind a full name: its slot, its type (of one element), and its axes."""

    slot: int
    annotation: Any
    axes: Axes = ()


@dataclass(frozen=True, slots=True)
class Each:
    """How a step that runs once for each finds its elements.

    A row is made for each of them: of one cell for each of `columns`, and then of `rest`.
    `position` is the place in the row for the element's place in its group, or 0. `batch` says for
    each argument whether `run_many` takes all its values; None where `run` is called for each.
    """

    axis: int
    columns: tuple[Column, ...]
    rest: tuple[Any, ...]
    position: int
    batch: tuple[bool, ...] | None


class Layout(TypedDict):
    """The part of a planned step that says where its values are."""

    arguments: tuple[int, ...]
    required: tuple[int, ...]
    late: tuple[int, ...]
    fallbacks: tuple[tuple[int, Any], ...]
    built: tuple[tuple[int, Build], ...]
    condition: Expression | None
    condition_at: tuple[int, ...]
    presence_at: tuple[int, ...]
    each: Each | None


def axis_name(step: str) -> str:
    """The name of the axis that a step makes, among the slots."""
    return f"axis.{step}"


class Row(ABC):
    """Where the values of a step are when it is called."""

    def __init__(self) -> None:
        self.built: list[tuple[int, Build]] = []

    @abstractmethod
    def value(self, value: Value) -> int:
        """The place of a value."""

    @abstractmethod
    def collected(self, value: Value, *, keeps_holes: bool, beside: tuple[int, ...] = ()) -> int:
        """The place of a value that is collected along its last axis.

        An element that is absent in one of the slots `beside` is left out here, too.
        """

    @abstractmethod
    def constant(self, value: Any) -> int:
        """The place of a value that never changes."""

    @abstractmethod
    def slot(self, slot: int) -> int:
        """The place of a slot of the turn that is the same for all."""

    def made(self, make: Build) -> int:
        """The place of a value that is made of others before the call."""
        place = self.constant(None)
        self.built.append((place, make))
        return place

    @abstractmethod
    def position(self) -> int:
        """The place of the element's number in its group, where the step runs once for each."""

    def each(self, *, batch: tuple[bool, ...] | None) -> Each | None:
        """How rows are made, where the step runs once for each."""
        del batch
        return None


class SlotsRow(Row):
    """The slots of the turn are the row."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self._wiring = wiring

    def value(self, value: Value) -> int:
        """The place of a value."""
        return value.slot

    def slot(self, slot: int) -> int:
        """The place of a slot of the turn that is the same for all."""
        return slot

    def constant(self, value: Any) -> int:
        """The place of a value that never changes."""
        return self._wiring.constant(value)

    def position(self) -> int:
        """The place of the number 0: the step runs once."""
        return self.constant(0.0)

    def collected(self, value: Value, *, keeps_holes: bool, beside: tuple[int, ...] = ()) -> int:
        """The place of a value that is collected along its last axis.

        An element that is absent in one of the slots `beside` is left out here, too.
        """
        slot, axis = value.slot, self._wiring.slot(axis_name(value.axes[-1]))

        def collect(slots: Slots) -> Any:
            if slots[slot] is ABSENT:
                # A step in between that lost its frame leaves no elements, but there are some.
                return ABSENT
            values = joined(slots, slot, beside)
            return gathered(values, slots[axis].groups[0], keeps_holes=keeps_holes)

        return self.made(collect)


class EachRow(Row):
    """A row is made for each element."""

    def __init__(self, axes: Axes, wiring: Wiring) -> None:
        super().__init__()
        self._axes = axes
        self._wiring = wiring
        self._columns: dict[Column, int] = {}
        self._rest: list[Any] = []
        self._position = 0

    def value(self, value: Value) -> int:
        """The place of a value."""
        if not value.axes:
            return self.slot(value.slot)
        return self._column(Column(value.slot, self._lift(value.axes)))

    def slot(self, slot: int) -> int:
        """The place of a slot of the turn that is the same for all."""
        return self._column(Column(slot, one=True))

    def collected(self, value: Value, *, keeps_holes: bool, beside: tuple[int, ...] = ()) -> int:
        """The place of a value that is collected along its last axis.

        An element that is absent in one of the slots `beside` is left out here, too.
        """
        above = value.axes[:-1]
        axis = self._axis_slot(value.axes[-1])
        column = Column(value.slot, self._lift(above), not above, axis, keeps_holes, beside)
        return self._column(column)

    def constant(self, value: Any) -> int:
        """The place of a value that never changes."""
        self._rest.append(value)
        return -len(self._rest)

    def position(self) -> int:
        """The place of the element's number in its group."""
        if not self._position:
            self._position = self.constant(None)
        return self._position

    def each(self, *, batch: tuple[bool, ...] | None) -> Each:
        """How rows are made."""
        # The rest stands at the end of the row in reverse, so that it is counted from there.
        axis = self._axis_slot(self._axes[-1])
        rest = tuple(reversed(self._rest))
        return Each(axis, tuple(self._columns), rest, self._position, batch)

    def _column(self, column: Column) -> int:
        return self._columns.setdefault(column, len(self._columns))

    def _lift(self, axes: Axes) -> tuple[int, ...]:
        own = self._axes[len(axes) :] if axes else ()
        return tuple(self._axis_slot(step) for step in reversed(own))

    def _axis_slot(self, step: str) -> int:
        return self._wiring.slot(axis_name(step))
