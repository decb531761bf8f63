"""Selectors: the texts in a workflow file that stand for a value of the running workflow.

`$inputs.x` is an input, `$steps.step.output` what a step gave, `$frame.x` a fact of the frame. A
text that begins with a dollar and is none of these is refused; `$$` at its beginning is one dollar.
A text that begins with `=` is an expression in CEL; `==` at its beginning is one sign.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from appliance.engine.sources import Verbatim

Root = Literal["inputs", "steps", "frame"]

# What inputs, steps and outputs are called, and what a workflow is.
NAME = "[A-Za-z][A-Za-z0-9_]*"
WORKFLOW_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*"
# Words of CEL that cannot stand behind a dot: `steps.in.count` would not be read.
RESERVED = ("in", "true", "false", "null")

FRAME_FIELDS: dict[str, type] = {"captured_at": float, "camera": str, "sequence": int}

_SELECTOR = re.compile(r"\$(?:(inputs|frame)\.(\w+)|steps\.(\w+)\.(\w+))")


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector, taken apart. `step` is empty but for outputs of steps."""

    root: Root
    name: str
    step: str = ""

    def __str__(self) -> str:
        return f"${self.root}.{self.step + '.' if self.step else ''}{self.name}"


def is_selector(value: object) -> bool:
    """Whether a value of the file is meant as a selector."""
    return (
        isinstance(value, str)
        and value.startswith("$")
        and not value.startswith("$$")
        and not isinstance(value, Verbatim)
    )


def parse_selector(text: str) -> Selector:
    """Take a selector apart.

    Raises:
        ValueError: it has none of the three forms.
    """
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is no selector: write $inputs.name, $steps.step.output or $frame.name "
            "(a text that begins with a dollar is written with two)"
        )
    if match[3] is not None:
        return Selector("steps", match[4], match[3])
    root: Root = "inputs" if match[1] == "inputs" else "frame"
    return Selector(root, match[2])


def unescaped(text: str) -> str:
    """A literal text as it is meant: a doubled sign at its beginning is one."""
    if isinstance(text, Verbatim):
        return str(text)
    return text[1:] if text.startswith(("$$", "==")) else text


def is_expression(value: object) -> bool:
    """Whether a value of the file is meant as an expression."""
    return (
        isinstance(value, str)
        and value.startswith("=")
        and not value.startswith("==")
        and not isinstance(value, Verbatim)
    )


def texts_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Every text in a written value, with its path inside of the value."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts_in(inner, (*path, key))


def selectors_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Every text in a value that is meant as a selector, with its path inside of the value."""
    return (found for found in texts_in(value, path) if is_selector(found[1]))


def references_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, str]]:
    """Every text in a value that is a selector or an expression, with its path inside of it."""
    return (found for found in texts_in(value, path) if is_reference(found[1]))


def is_reference(value: object) -> bool:
    """Whether a value of the file stands for another: it is a selector or an expression."""
    return is_selector(value) or is_expression(value)
