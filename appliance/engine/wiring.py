"""Values of a turn by number: a selector is resolved to a slot once, when the file is checked."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from appliance.engine.selectors import is_selector, parse_selector, unescaped


class Absence(Enum):
    """The type of the one value that says: there is none."""

    ABSENT = "absent"


ABSENT: Final = Absence.ABSENT
FRAME_SLOT: Final = 0
CAPTURED_AT: Final = "frame.captured_at"

Slots = list[Any]
Build = Callable[[Slots], Any]


class Wiring:
    """The numbers of all values of one workflow, and the values that never change."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"frame": FRAME_SLOT}
        self._template: Slots = [ABSENT]

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

    def build(self, value: Any) -> Build:
        """How to make a value of a file in a turn; what is absent is left out of it.

        What is made is read outside of the workflow, so that there a time is a time, in UTC.
        """
        if is_selector(value):
            name = str(parse_selector(value))[1:]
            number = self.slot(name)
            if name == CAPTURED_AT:
                return lambda slots: datetime.fromtimestamp(slots[number], UTC)
            return lambda slots: slots[number]
        if isinstance(value, dict):
            parts = [(key, self.build(inner)) for key, inner in value.items()]
            return lambda slots: {key: v for key, b in parts if (v := b(slots)) is not ABSENT}
        if isinstance(value, list):
            items = [self.build(inner) for inner in value]
            return lambda slots: [v for b in items if (v := b(slots)) is not ABSENT]
        plain = unescaped(value) if isinstance(value, str) else value
        return lambda _slots: plain


def selectors_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Every text in a value that is meant as a selector, with its path inside of the value."""
    if is_selector(value):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from selectors_in(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from selectors_in(inner, (*path, i))


def literal(value: Any, inputs: Mapping[str, Any]) -> Any:
    """A setting with `$inputs.x` replaced by the value of that input, where it has one."""
    if is_selector(value):
        return inputs.get(parse_selector(value).name, value)
    if isinstance(value, dict):
        return {key: literal(inner, inputs) for key, inner in value.items()}
    if isinstance(value, list):
        return [literal(inner, inputs) for inner in value]
    return unescaped(value) if isinstance(value, str) else value


def is_open(value: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether a setting is an input that has no value."""
    return is_selector(value) and parse_selector(value).name not in inputs
