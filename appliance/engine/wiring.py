"""Values of a turn by number: a selector is resolved to a slot once, when the file is checked."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

Slots = list[Any]


class Absence(Enum):
    """The type of the values that say: there is none."""

    ABSENT = "absent"
    # An element whose step raised: nothing that hangs on it runs either.
    LOST = "lost"


ABSENT: Final = Absence.ABSENT
LOST: Final = Absence.LOST
FRAME_SLOT: Final = 0
MOMENT_SLOT: Final = 1
CAPTURED_AT: Final = "frame.captured_at"
MOMENT_FIELDS: Final = frozenset({"camera", "captured_at"})
"""What of `$frame` there is in a turn without a frame."""


class Wiring:
    """The numbers of all values of one workflow, and the values that never change."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"frame": FRAME_SLOT, "moment": MOMENT_SLOT}
        self._template: Slots = [ABSENT, ABSENT]

    def slot(self, name: str) -> int:
        """The number of a value with a dotted name, such as `steps.gate.total_in`."""
        if name not in self._numbers:
            self._numbers[name] = self.constant(ABSENT)
        return self._numbers[name]

    def constant(self, value: Any) -> int:
        """The number of a value that is the same in every turn."""
        self._template.append(value)
        return len(self._template) - 1

    def template(self, values: Mapping[str, Any]) -> Slots:
        """The slots at the beginning of a turn: constants, and values by dotted name."""
        slots = self._template.copy()
        for name, value in values.items():
            if name in self._numbers:
                slots[self._numbers[name]] = value
        return slots

    def named(self, root: str) -> dict[str, int]:
        """The numbers in use under a root: `frame` gives those of `frame.camera` and so on."""
        prefix = f"{root}."
        return {n.removeprefix(prefix): i for n, i in self._numbers.items() if n.startswith(prefix)}
